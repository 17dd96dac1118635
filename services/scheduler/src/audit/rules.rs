//! What a schedule says, read from the record: when the next cadence time is, given what has happened so far.
//!
//! The rules of scheduling written down a second time, on purpose: the audit must not believe the code that it checks.
//! Nothing here calls the governor. Used by the replay, which feeds it what happened.

use std::time::Duration;

use anyhow::Context as _;
use baton_domain::{
    run::Cause,
    schedule::{BaselineTerms, HintTerms, Terms},
    time::{Timestamp, after},
};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// Backoff: at most so many doublings, and at most an hour unless the interval is longer.
const DOUBLINGS: u32 = 5;
/// None, or up to `DOUBLINGS`.
const BACKOFFS: usize = 6;
const BACKOFF_CAP: Duration = Duration::from_secs(3_600);
/// A hint slows an interval down to at most so many times its length, unless `max_interval` says otherwise.
const SLOWDOWN: u32 = 4;
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The terms of an endpoint, ready to be calculated with.
pub struct Rules {
    terms: Terms,
    rhythm: Rhythm,
}

enum Rhythm {
    Cron(Box<Cron>, Tz),
    Every(Duration),
    Never,
}

/// What has happened so far, as far as it moves the next time.
#[derive(Debug, Clone)]
pub struct Past {
    /// The last cadence time that came due; the creation at first.
    pub anchor: Timestamp,
    /// Times up to here are over.
    pub cursor: Timestamp,
    /// When something last happened: what that let come due is due since then.
    pub seen: Timestamp,
    /// Latest planned time of what was claimed.
    pub last_claimed: Option<Timestamp>,
    /// Failed cadence runs in a row, as far as known.
    pub failures: u32,
    /// False where the history does not reach back far enough to count them.
    pub failures_known: bool,
}

/// A cadence time that comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub planned: Timestamp,
    /// When it may start.
    pub at: Timestamp,
    pub cause: Cause,
    /// Where the exact time depends on what the record does not tell: the times that would do as well.
    pub bounds: Option<Bounds>,
}

/// Times after `after` up to `until`; with `steps`, only those a whole number of one of the steps after `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub after: Timestamp,
    pub until: Timestamp,
    pub steps: Option<[Duration; BACKOFFS]>,
}

impl Bounds {
    pub fn admit(&self, time: Timestamp) -> bool {
        let within = time > self.after && time <= self.until;
        let whole = |step: Duration| match (time - self.after).num_microseconds() {
            Some(gap) => u128::from(gap.unsigned_abs()).is_multiple_of(step.as_micros().max(1)),
            None => false,
        };
        within && self.steps.is_none_or(|steps| steps.into_iter().any(whole))
    }
}

impl Rules {
    pub fn new(terms: &Terms) -> anyhow::Result<Self> {
        let rhythm = match &terms.baseline {
            BaselineTerms::Cron { expression, zone } => {
                let parser = CronParser::builder()
                    .seconds(Seconds::Optional)
                    .year(Year::Disallowed)
                    .build();
                let cron = parser
                    .parse(expression)
                    .with_context(|| format!("cron {expression:?}"))?;
                let zone = zone.parse().map_err(|_| anyhow::anyhow!("time zone {zone:?}"))?;
                Rhythm::Cron(Box::new(cron), zone)
            }
            BaselineTerms::Interval { interval_us } => Rhythm::Every(length(*interval_us)),
            BaselineTerms::Dormant => Rhythm::Never,
        };
        Ok(Self {
            terms: terms.clone(),
            rhythm,
        })
    }

    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    pub fn min_interval(&self) -> Duration {
        length(self.terms.min_interval_us)
    }

    /// When the pauses in force end; `None` without one, the end of time for one without an end.
    pub fn pause_end(&self) -> Option<Timestamp> {
        let own = self.terms.pause.map(|pause| pause.until.unwrap_or(Timestamp::MAX_UTC));
        own.max(self.pause_hints().map(|hint| hint.expires_at).max())
    }

    /// True while a person's pause keeps the endpoint from running.
    pub fn is_paused_by_person(&self, now: Timestamp) -> bool {
        let pause = self.terms.pause;
        pause.is_some_and(|pause| pause.until.is_none_or(|end| end > now))
    }

    pub fn pause_hints(&self) -> impl Iterator<Item = &HintTerms> {
        self.terms.hints.iter().filter(|hint| hint.kind == "pause")
    }

    /// The next cadence time, if nothing else happens before.
    pub fn next(&self, past: &Past) -> Option<Due> {
        let floor = self.pause_end().unwrap_or(Timestamp::MIN_UTC);
        if !self.terms.active || !self.terms.job_runs || floor == Timestamp::MAX_UTC {
            return None;
        }
        let from = past.cursor.max(floor);
        let (hinted, void_until) = self.hinted(past, from, floor);
        let own = match &self.rhythm {
            Rhythm::Cron(cron, zone) => {
                let next = cron.find_next_occurrence(&from.max(past.anchor).with_timezone(zone), false);
                let next = next.ok().map(|next| next.to_utc());
                next.map(|next| plain(next, next, Cause::Cron))
            }
            Rhythm::Every(_) if hinted.is_some() => None,
            Rhythm::Every(interval) => Some(self.interval_time(past, *interval, from, void_until)),
            Rhythm::Never => None,
        };
        let earlier = match (hinted, own) {
            (Some(hinted), Some(own)) if hinted.at < own.at => Some(hinted),
            (hinted, None) => hinted,
            (_, own) => own,
        };
        earlier.map(|due| Due {
            bounds: self.bounds(past, &due),
            ..due
        })
    }

    /// The time that the interval hints give, and until when hints without a time left keep the interval waiting.
    fn hinted(&self, past: &Past, from: Timestamp, floor: Timestamp) -> (Option<Due>, Timestamp) {
        let mut floor = floor;
        while let Some(hint) = self.hint_in_force(floor.max(past.cursor).max(past.seen)) {
            let due = self.hint_time(past, hint, from, floor);
            if due.planned <= hint.expires_at {
                return (Some(due), floor);
            }
            floor = hint.expires_at;
        }
        (None, floor)
    }

    /// The interval hint that counts at some time: a person's before a planner's.
    fn hint_in_force(&self, at: Timestamp) -> Option<&HintTerms> {
        let fresh = self.interval_hints().filter(|hint| hint.expires_at > at);
        fresh.max_by_key(|hint| hint.is_persons())
    }

    fn interval_hints(&self) -> impl Iterator<Item = &HintTerms> {
        self.terms.hints.iter().filter(|hint| hint.kind == "interval")
    }

    fn hint_time(&self, past: &Past, hint: &HintTerms, from: Timestamp, floor: Timestamp) -> Due {
        let step = self.hint_step(hint);
        let phase = if after(past.anchor, step) > hint.written_at {
            first_after(past.anchor, step, from)
        } else if from <= hint.written_at {
            hint.written_at
        } else {
            first_after(hint.written_at, step, from)
        };
        let moved = past
            .last_claimed
            .map_or(phase, |last| phase.max(after(last, self.min_interval())));
        if let Rhythm::Every(interval) = self.rhythm
            && moved > phase
            && phase <= hint.expires_at
        {
            let own = self.interval_time(past, interval, from, floor.max(phase));
            if own.at < moved.max(floor) {
                return own;
            }
        }
        plain(moved, moved.max(floor), Cause::HintInterval)
    }

    /// A hint's interval within the guardrails.
    fn hint_step(&self, hint: &HintTerms) -> Duration {
        let most = match (self.terms.max_interval_us, &self.rhythm) {
            (Some(max), _) => length(max),
            (None, Rhythm::Every(interval)) => interval.saturating_mul(SLOWDOWN),
            (None, Rhythm::Cron(..) | Rhythm::Never) => LONGEST,
        };
        let asked = hint.interval_us.map_or(most, length);
        asked.min(most).max(self.min_interval())
    }

    fn interval_time(&self, past: &Past, interval: Duration, from: Timestamp, floor: Timestamp) -> Due {
        let time = first_after(past.anchor, self.backed_off(interval, past.failures), from);
        plain(time, time.max(floor), Cause::Interval)
    }

    fn backed_off(&self, interval: Duration, failures: u32) -> Duration {
        let doubled = interval.saturating_mul(2_u32.pow(failures.min(DOUBLINGS)));
        let capped = doubled.min(interval.max(BACKOFF_CAP));
        let max = self.terms.max_interval_us.map_or(capped, length);
        capped.min(max).max(interval)
    }

    /// Around hints, the order of starts within an instant counts; before the first known result, the backoff is open.
    fn bounds(&self, past: &Past, due: &Due) -> Option<Bounds> {
        let hints = self.interval_hints().filter(|hint| hint.expires_at >= past.anchor);
        let steps = hints.map(|hint| self.hint_step(hint).max(self.min_interval()));
        if let Some(slack) = steps.max() {
            let until = after(due.planned, slack);
            return Some(Bounds {
                after: past.anchor,
                until,
                steps: None,
            });
        }
        let Rhythm::Every(interval) = self.rhythm else {
            return None;
        };
        let steps = [0, 1, 2, 3, 4, DOUBLINGS].map(|failures| self.backed_off(interval, failures));
        let [.., longest] = steps;
        (!past.failures_known).then(|| Bounds {
            after: past.anchor,
            until: after(past.cursor.max(due.planned), longest),
            steps: Some(steps),
        })
    }
}

fn plain(planned: Timestamp, at: Timestamp, cause: Cause) -> Due {
    Due {
        planned,
        at,
        cause,
        bounds: None,
    }
}

/// The first of `start + step`, `start + 2 × step` … after `from`.
fn first_after(start: Timestamp, step: Duration, from: Timestamp) -> Timestamp {
    let gap = (from - start).num_microseconds().unwrap_or(0).max(0);
    let step_us = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    let passed = u64::try_from(gap / step_us).unwrap_or_default();
    let step_us = u64::try_from(step_us).unwrap_or(u64::MAX);
    after(start, Duration::from_micros(step_us.saturating_mul(passed + 1)))
}

fn length(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests;
