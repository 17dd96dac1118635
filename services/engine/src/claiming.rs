//! When to look for due runs, and how many to take.

use std::time::Duration;

use baton_domain::{
    schedule::FinishedRun,
    services::{Claim, Claims, NextDue},
    time::Timestamp,
};
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{Engine, waiting::wait_exactly};

/// How long to wait after a claim that failed, doubled with each failure in a row up to the second.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// What is due but held by somebody else at this moment is looked at again after this, unless another run comes due before.
const CONTENDED: Duration = Duration::from_millis(20);

/// What is due and not taken may be a lease that has ended. It is looked for no more often than this, as mostly it is a run
/// that somebody else holds, and others come due meanwhile.
const LOOK_FOR_LOST: Duration = Duration::from_millis(250);

/// How long the slots of runs that are over are gathered when more is due than may start, so that one claim fills many of
/// them. A claim of one run costs the database almost what one of a hundred does.
const GATHER: Duration = Duration::from_millis(5);

/// How to look next.
enum Look {
    /// Whether something is due is not known: somebody has said that something changed, or a whole poll has passed.
    Glance,
    /// Something is due, then or already.
    Claim(Option<Timestamp>),
}

/// What to do after a look.
enum Then {
    /// Claim what is due, then or already.
    AtOnce(Option<Timestamp>),
    /// As many were taken as might start: when more may.
    WithSlots,
    /// Wait for a wake, but no longer than this; then claim what is due, then or already.
    Within(Duration, Option<Timestamp>),
    /// Wait this long, whatever wakes.
    Retry(Duration),
}

impl Engine {
    /// Claims and launches until `stop`.
    pub(crate) async fn claim_until(
        &self,
        mut wakes: BoxStream<'static, ()>,
        ended: mpsc::Sender<FinishedRun>,
        stop: &CancellationToken,
    ) {
        let mut retry = FIRST_RETRY;
        let mut recovered = Instant::now();
        let mut look = Look::Claim(None);
        while !stop.is_cancelled() {
            let ready = async {
                self.flights.one_free().await;
                self.flights.reports_flow().await;
            };
            if stop.run_until_cancelled(ready).await.is_none() {
                return;
            }
            let then = match look {
                Look::Glance => self.glance().await,
                Look::Claim(as_of) => self.claim_once(as_of, &ended, &mut recovered, &mut retry).await,
            };
            let waiting = async {
                match then {
                    Then::AtOnce(due) => Look::Claim(due),
                    Then::WithSlots => {
                        let worth = self.config.claim_batch / 2;
                        self.flights.many_free(worth.max(1), GATHER).await;
                        Look::Claim(None)
                    }
                    Then::Retry(wait) => {
                        tokio::time::sleep(wait).await;
                        Look::Claim(None)
                    }
                    Then::Within(wait, due) => {
                        let woken = tokio::select! {
                            _ = wakes.next() => true,
                            () = self.wait(wait) => false,
                        };
                        if woken || wait >= self.config.poll {
                            Look::Glance
                        } else {
                            Look::Claim(due)
                        }
                    }
                }
            };
            look = stop.run_until_cancelled(waiting).await.unwrap_or(Look::Glance);
        }
    }

    async fn wait(&self, wait: Duration) {
        if self.config.exact {
            wait_exactly(wait).await;
        } else {
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether something is due. It costs a fraction of a claim, and what comes due during a claim waits for its end: most
    /// wakes are ends of runs, after which nothing is due yet.
    async fn glance(&self) -> Then {
        match self.queue.next_due(None, None).await {
            Ok(next) if next.wait != Some(Duration::ZERO) => self.until(&next),
            // A claim takes it, or tells what is wrong.
            Ok(_) | Err(_) => Then::AtOnce(None),
        }
    }

    /// Nothing is due yet.
    fn until(&self, next: &NextDue) -> Then {
        let poll = self.config.poll;
        let wait = next.wait.unwrap_or(poll);
        let ahead = wait.saturating_sub(self.queue.head_start());
        match next.at {
            Some(at) if ahead.is_zero() => Then::AtOnce(Some(at)),
            Some(at) if ahead < poll => Then::Within(ahead, Some(at)),
            Some(_) | None => Then::Within(wait.min(poll), None),
        }
    }

    async fn claim_once(
        &self,
        as_of: Option<Timestamp>,
        ended: &mpsc::Sender<FinishedRun>,
        recovered: &mut Instant,
        retry: &mut Duration,
    ) -> Then {
        let limit = self.config.claim_batch.min(self.flights.free()).max(1);
        let claim = Claim {
            owner: self.config.owner.clone(),
            lease: self.config.lease,
            limit,
            host_concurrency: self.config.host_concurrency,
            as_of,
        };
        let mut claims = match self.queue.claim_due(&claim).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(%error, "due runs could not be claimed");
                let wait = *retry;
                *retry = (wait * 2).min(LAST_RETRY);
                return Then::Retry(wait);
            }
        };
        *retry = FIRST_RETRY;
        let taken = claims.runs.len();
        if taken > 0 && claims.since.elapsed() >= claim.lease {
            // They are anybody's by now: whoever takes them back starts them.
            tracing::warn!(
                runs = taken,
                "a claim took longer than its lease; what it took is left to be taken back"
            );
            return Then::AtOnce(None);
        }
        for claimed in claims.runs.drain(..) {
            self.launch(claimed, claims.since, ended).await;
        }
        self.after_claim(&claim, &claims, taken, recovered).await
    }

    /// What was taken is in the air already.
    async fn after_claim(&self, claim: &Claim, claims: &Claims, taken: usize, recovered: &mut Instant) -> Then {
        if recovered.elapsed() >= self.config.lease / 3 {
            *recovered = Instant::now();
            if self.recover_lost().await || taken > 0 {
                return Then::AtOnce(None);
            }
        }
        if taken == claim.limit {
            return Then::WithSlots;
        }
        if claims.more && taken > 0 {
            return Then::AtOnce(None);
        }
        let next = match self.queue.next_due(Some(claims.at), claim.host_concurrency).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "it could not be asked what comes due next");
                return Then::Within(FIRST_RETRY, None);
            }
        };
        let wait = next.wait.unwrap_or(self.config.poll);
        if taken == 0 && next.at.is_some_and(|at| claim.as_of == Some(at)) && wait <= self.queue.head_start() {
            // Somebody else has what this was for. Once it is due it is looked at once more.
            return Then::Within(wait, None);
        }
        if wait > Duration::ZERO {
            return self.until(&next);
        }
        // A claim takes one run of an endpoint, and a host's share: there may be more at once.
        if taken > 0 {
            return Then::AtOnce(None);
        }
        if recovered.elapsed() >= LOOK_FOR_LOST {
            *recovered = Instant::now();
            if self.recover_lost().await {
                return Then::AtOnce(None);
            }
        }
        Then::Within(next.later.unwrap_or(CONTENDED).min(CONTENDED), None)
    }

    /// Takes back runs of engines that fell silent. True when there were any. This engine's own leases are renewed
    /// first: after an outage they may have run out although their calls are still in the air.
    async fn recover_lost(&self) -> bool {
        if !self.renew().await {
            return false;
        }
        match self.queue.recover_lost(self.config.claim_batch).await {
            Ok(0) => false,
            Ok(count) => {
                tracing::warn!(count, "took back runs whose lease ran out");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "lost runs could not be taken back");
                false
            }
        }
    }
}
