//! A life: some endpoints of one user, the engine that keeps up with them, and everybody who changes them, by dice.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    call::CallOutcome,
    endpoint::{Pause, RetryPolicy},
    fixtures::{MemoryStore, SeededChance, TestClock},
    hint::{Author, Instruction},
    ids::{Chance as _, EndpointId, JobId, UserId},
    job::JobStatus,
    limits::PlanLimits,
    ports::Store,
    schedule::{FinishedRun, HintDraft},
    services::{Claim, EndpointDraft, Idempotency, OverlapKind, Purpose, Queue as _, RunRequest, Services, StoreQueue},
    time::{Clock as _, Timestamp, after},
};
use chrono::{TimeZone as _, Utc};

const LEASE: Duration = Duration::from_secs(15);

/// A call in the air.
struct Flight {
    report: FinishedRun,
    ends: Timestamp,
}

/// Some endpoints of one user, their engine, and everybody who changes them.
pub(super) struct Life {
    pub store: Arc<dyn Store>,
    queue: StoreQueue,
    services: Services,
    clock: Arc<TestClock>,
    dice: SeededChance,
    user: UserId,
    /// Half of the lives have none, so that every time can be checked exactly.
    without_hints: bool,
    job: JobId,
    pub endpoints: Vec<EndpointId>,
    flights: Vec<Flight>,
}

pub(super) fn start() -> Timestamp {
    Utc.timestamp_opt(1_800_000_000, 0).single().expect("a time")
}

fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

impl Life {
    pub async fn begin(seed: u64) -> Self {
        let clock = Arc::new(TestClock::at(start()));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let chance = Arc::new(SeededChance::new(seed.wrapping_mul(7)));
        let services = Services::new(Arc::clone(&store), chance.clone(), PlanLimits::default());
        let user = UserId("ada".to_owned());
        let job = services
            .create_job(&user, "group", "", &once())
            .await
            .expect("a job")
            .id;
        let mut life = Self {
            queue: StoreQueue::new(Arc::clone(&store), chance),
            store,
            services,
            clock,
            dice: SeededChance::new(seed),
            user,
            without_hints: seed.is_multiple_of(2),
            job,
            endpoints: Vec::new(),
            flights: Vec::new(),
        };
        for _ in 0..4 {
            life.wait_a_little();
            life.add_endpoint().await;
        }
        life
    }

    fn below(&self, bound: u64) -> u64 {
        u64::try_from(self.dice.bits() % u128::from(bound)).expect("below a u64")
    }

    fn seconds(&self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.below(to - from))
    }

    /// So that no two things happen in one microsecond, as in life.
    fn wait_a_little(&self) {
        self.clock.advance(Duration::from_micros(1 + self.below(900)));
    }

    async fn add_endpoint(&mut self) {
        let cron = |text: &str| Some((text.to_owned(), "Europe/Berlin".to_owned()));
        let (interval, cron) = match self.below(8) {
            0 => (None, cron("* * * * *")),
            1 => (None, cron("*/20 * * * * *")),
            2 => (None, None),
            _ => (Some(self.seconds(5, 60)), None),
        };
        let draft = EndpointDraft {
            name: "endpoint".to_owned(),
            method: "POST".to_owned(),
            url: "http://shop.example/hook".to_owned(),
            interval,
            cron,
            min_interval: Some(self.seconds(1, 5)),
            max_interval: (self.below(3) == 0).then(|| self.seconds(100, 300)),
            retry: Some(RetryPolicy {
                max_attempts: 1 + u32::try_from(self.below(3)).expect("small"),
                base_delay: Duration::from_secs(1),
                max_delay: Duration::from_secs(8),
            }),
            overlap: Some(self.overlap()),
            ..EndpointDraft::default()
        };
        let job = (self.below(2) == 0).then_some(self.job);
        let made = self.services.create_endpoint(&self.user, job, &draft, &once()).await;
        self.endpoints.push(made.expect("a good draft").endpoint.id);
    }

    fn overlap(&self) -> OverlapKind {
        match self.below(4) {
            0 => OverlapKind::Queue,
            1 => OverlapKind::Allow,
            _ => OverlapKind::Skip,
        }
    }

    /// Lives until `until`, with something happening every few seconds.
    pub async fn live_until(&mut self, until: Timestamp) {
        let mut next_action = self.clock.now();
        while self.clock.now() < until {
            let next_due = self.serve().await;
            let now = self.clock.now();
            if now >= next_action {
                self.act().await;
                next_action = after(self.clock.now(), self.seconds(1, 30));
                continue;
            }
            let ends = self.flights.iter().map(|flight| flight.ends);
            let next = ends
                .chain([next_action])
                .chain(next_due)
                .min()
                .expect("an action at least");
            self.clock.set(next.max(now));
            self.wait_a_little();
        }
    }

    /// Takes back what was lost, reports what is over, claims what is due. Says when something comes due.
    async fn serve(&mut self) -> Option<Timestamp> {
        self.queue.recover_lost(100).await.expect("recovers");
        let now = self.clock.now();
        let (over, flying): (Vec<_>, Vec<_>) = self.flights.drain(..).partition(|flight| flight.ends <= now);
        self.flights = flying;
        for flight in over {
            self.queue.finish_runs(&[flight.report]).await.expect("finishes");
            self.wait_a_little();
        }
        let claim = Claim {
            owner: "engine".to_owned(),
            lease: LEASE,
            limit: 100,
            host_concurrency: None,
            as_of: None,
        };
        let claims = self.queue.claim_due(&claim).await.expect("claims");
        let now = self.clock.now();
        for claimed in claims.runs {
            // One in twenty engines dies with the call.
            if self.below(20) == 0 {
                continue;
            }
            let failed = self.below(4) == 0;
            self.flights.push(Flight {
                report: claimed.report(CallOutcome {
                    status_code: Some(if failed { 503 } else { 200 }),
                    ..CallOutcome::default()
                }),
                ends: after(now, Duration::from_millis(50 + self.below(14_000))),
            });
        }
        let next = self.queue.next_due(Some(claims.at), None).await.expect("looks");
        next.wait.map(|wait| after(now, wait))
    }

    /// Somebody does something; what is refused is refused.
    async fn act(&self) {
        let id = self.endpoints[usize::try_from(self.below(4)).expect("small")];
        let (services, user) = (&self.services, &self.user);
        let ttl = Some(self.seconds(1, 200));
        let what = self.below(13);
        match if self.without_hints { what.max(5) } else { what } {
            0 | 1 => {
                let gap = Instruction::Interval(self.seconds(1, 90));
                services.apply_hint(user, id, gap, ttl, "").await.ok();
            }
            2 => {
                let shot = Instruction::OneShot(after(self.clock.now(), self.seconds(0, 60)));
                services
                    .apply_hint(user, id, shot, Some(self.seconds(60, 90)), "")
                    .await
                    .ok();
            }
            3 | 4 => self.hint_as_planner(id).await,
            5 => {
                services.clear_endpoint_hints(user, id).await.ok();
            }
            6 => {
                let until = Pause::Until(after(self.clock.now(), self.seconds(1, 120)));
                let pause = if self.below(3) == 0 { Pause::UntilResumed } else { until };
                services.pause_endpoint(user, id, pause).await.ok();
            }
            7 => {
                services.resume_endpoint(user, id).await.ok();
            }
            8 => {
                let gap = self.seconds(5, 90);
                let overlap = self.overlap();
                let most = (overlap == OverlapKind::Allow).then(|| 1 + u32::try_from(self.below(3)).expect("small"));
                let redefine = |draft: &mut EndpointDraft| {
                    draft.interval = draft.interval.and(Some(gap));
                    draft.overlap = Some(overlap);
                    draft.max_concurrency = most;
                };
                services.update_endpoint(user, id, None, redefine).await.ok();
            }
            9 => {
                services.reset_failures(user, id).await.ok();
            }
            10 => {
                let request = RunRequest {
                    endpoint_id: id,
                    purpose: Purpose::Work,
                    planned_at: None,
                    trace_parent: None,
                };
                services.submit_run(user, request, &once()).await.ok();
            }
            11 => {
                let target = if self.below(3) == 0 {
                    JobStatus::Paused
                } else {
                    JobStatus::Active
                };
                services.set_job_status(user, self.job, target).await.ok();
            }
            _ => {
                let job = (self.below(2) == 0).then_some(self.job);
                services.assign_endpoint(user, id, job).await.ok();
            }
        }
        self.wait_a_little();
    }

    async fn hint_as_planner(&self, id: EndpointId) {
        let mut tx = self.store.begin().await.expect("a transaction");
        let now = tx.now();
        let mut schedules = tx.lock_schedules(&[id]).await.expect("reads");
        let instruction = match self.below(3) {
            0 => Instruction::Interval(self.seconds(1, 90)),
            1 => Instruction::OneShot(after(now, self.seconds(0, 30))),
            _ => Instruction::Pause,
        };
        let draft = HintDraft {
            author: Author::Planner,
            instruction,
            expires_at: after(now, self.seconds(30, 200)),
            reason: String::new(),
            plan_id: None,
        };
        schedules[0].apply_hint(draft, &PlanLimits::default(), now, &self.dice);
        tx.save_schedules(&schedules).await.expect("writes");
        tx.commit().await.expect("commits");
    }

    /// What the record has, for a failed assertion.
    pub async fn tell(&self, id: EndpointId, around: Timestamp) -> String {
        let near = |at: Timestamp| (at - around).abs() < chrono::TimeDelta::seconds(150);
        let mut tx = self.store.read().await.expect("reads");
        let changes = tx.recorded_changes(id).await.expect("reads");
        let runs = tx
            .recorded_runs(id, start(), Timestamp::MAX_UTC, 0)
            .await
            .expect("reads");
        let changes = changes.iter().filter(|change| near(change.at)).map(|change| {
            let hints = change.terms.as_ref().map(|terms| terms.hints.clone());
            let pause = change
                .terms
                .as_ref()
                .map(|terms| (terms.pause, terms.job_runs, terms.baseline.clone()));
            (change.at, format!("{:?} {pause:?} {hints:?}", change.trigger))
        });
        let runs = runs.iter().filter(|run| near(run.planned_at)).map(|run| {
            let (cause, status) = (run.cause, run.status);
            let (started, finished, missed) = (run.started_at, run.finished_at, run.missed);
            let text = format!(
                "{cause:?} {status:?} {started:?} {finished:?} {missed:?} {:?}",
                run.reason
            );
            (run.planned_at, text)
        });
        let mut lines: Vec<_> = changes.chain(runs).collect();
        lines.sort();
        let lines = lines
            .into_iter()
            .map(|(at, text)| format!("{} {text}", at.to_rfc3339()));
        lines.collect::<Vec<_>>().join("\n")
    }
}
