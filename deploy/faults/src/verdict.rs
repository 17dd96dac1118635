//! What the evidence comes to, and the bars it is held to.
//!
//! A run is **finished twice** when it has two records; or was called more often than it was claimed; or was claimed
//! again before the lease of the claim before had run out, though no attempt of it failed. Delivery is at least once: a
//! call whose scheduler has died is made again after its lease, under the same idempotency key, and that is no fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::evidence::{Claim, Evidence, Recorded};

/// Clocks that are read by different processes on one machine may differ by as much as the kernel's tick.
const TICK: chrono::TimeDelta = chrono::TimeDelta::milliseconds(1);

/// What is counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub fault: &'static str,
    pub accepted: usize,
    pub finished: usize,
    pub lost: usize,
    pub started_early: usize,
    pub finished_twice: usize,
    pub recovery: Duration,
    pub recovery_bar: Duration,
    /// The smallest part of all claims that one of the schedulers had, where that is asked.
    pub smallest_share: Option<f64>,
    /// What else did not hold, in words.
    pub others: Vec<String>,
}

/// None of three schedulers may do less.
const SHARE_BAR: f64 = 0.15;

impl Verdict {
    pub fn of(fault: &'static str, evidence: &Evidence, recovery: Duration, recovery_bar: Duration) -> Self {
        let over = |id: &&Uuid| {
            evidence
                .records
                .get(*id)
                .is_some_and(|records| records.iter().any(is_over))
        };
        let known = |id: &&Uuid| evidence.records.contains_key(*id);
        Self {
            fault,
            accepted: evidence.accepted.len(),
            finished: evidence.accepted.iter().filter(over).count(),
            lost: evidence.accepted.len() - evidence.accepted.iter().filter(known).count(),
            started_early: started_early(evidence),
            finished_twice: finished_twice(evidence),
            recovery,
            recovery_bar,
            smallest_share: None,
            others: evidence
                .findings
                .iter()
                .map(|finding| format!("audit: {finding}"))
                .collect(),
        }
    }

    pub fn with_shares(mut self, evidence: &Evidence, schedulers: usize) -> Self {
        self.smallest_share = Some(smallest_share(evidence, schedulers));
        self
    }

    pub fn json(&self) -> Value {
        let mut line = json!({
            "fault": self.fault,
            "accepted": self.accepted,
            "finished": self.finished,
            "lost": self.lost,
            "started_early": self.started_early,
            "finished_twice": self.finished_twice,
            "recovery_s": (self.recovery.as_secs_f64() * 1_000.0).round() / 1_000.0,
        });
        if let Some(share) = self.smallest_share {
            line["smallest_share"] = json!((share * 1_000.0).round() / 1_000.0);
        }
        line
    }

    /// Every bar that did not hold.
    pub fn misses(&self) -> Vec<String> {
        let zero = [
            ("lost", self.lost),
            ("started early", self.started_early),
            ("finished twice", self.finished_twice),
            ("accepted and never finished", self.accepted - self.finished - self.lost),
        ];
        let mut misses: Vec<String> = zero
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} runs {what}"))
            .collect();
        if self.accepted == 0 {
            misses.push("nothing was accepted: there was no load".to_owned());
        }
        if self.recovery > self.recovery_bar {
            misses.push(format!(
                "recovery took {:.1?}, the bar is {:?}",
                self.recovery, self.recovery_bar
            ));
        }
        if let Some(share) = self.smallest_share.filter(|share| *share < SHARE_BAR) {
            misses.push(format!("a scheduler had {:.1} % of the work only", share * 100.0));
        }
        misses.extend(self.others.iter().cloned());
        misses
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<20} accepted {:>6}  finished {:>6}  lost {}  early {}  twice {}  recovery {:.1} s",
            self.fault,
            self.accepted,
            self.finished,
            self.lost,
            self.started_early,
            self.finished_twice,
            self.recovery.as_secs_f64()
        )?;
        self.smallest_share
            .map_or(Ok(()), |share| write!(f, "  smallest share {:.1} %", share * 100.0))
    }
}

fn is_over(record: &Recorded) -> bool {
    record.in_history && matches!(record.status.as_str(), "succeeded" | "failed")
}

fn started_early(evidence: &Evidence) -> usize {
    let planned = |id: &Uuid| Some(evidence.records.get(id)?.first()?.planned_at);
    let called = evidence
        .calls
        .iter()
        .filter(|call| planned(&call.run_id).is_some_and(|planned_at| call.at + TICK < planned_at))
        .map(|call| call.run_id);
    let recorded = evidence.records.iter().filter(|(_, records)| {
        let early = |record: &Recorded| record.started_at.is_some_and(|started| started < record.planned_at);
        records.iter().any(early)
    });
    called.chain(recorded.map(|(id, _)| *id)).collect::<BTreeSet<_>>().len()
}

fn finished_twice(evidence: &Evidence) -> usize {
    let mut calls: BTreeMap<Uuid, usize> = BTreeMap::new();
    for call in &evidence.calls {
        *calls.entry(call.run_id).or_default() += 1;
    }
    let twice = |(id, records): &(&Uuid, &Vec<Recorded>)| {
        let claims = evidence.claims.get(*id).map_or(&[][..], Vec::as_slice);
        let called = calls.get(*id).copied().unwrap_or_default();
        let retried = records.iter().any(|record| record.attempt > 1);
        records.len() > 1 || called > claims.len() || (!retried && claimed_while_held(claims))
    };
    evidence.records.iter().filter(twice).count()
}

fn claimed_while_held(claims: &[Claim]) -> bool {
    claims.windows(2).any(|pair| pair[1].at < pair[0].lease_until)
}

fn smallest_share(evidence: &Evidence, schedulers: usize) -> f64 {
    let mut shares: BTreeMap<&str, u32> = BTreeMap::new();
    for claim in evidence.claims.values().flatten() {
        *shares.entry(&claim.owner).or_default() += 1;
    }
    if shares.len() < schedulers {
        return 0.0;
    }
    let smallest = shares.values().min().copied().unwrap_or_default();
    f64::from(smallest) / f64::from(shares.values().sum::<u32>().max(1))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::sink::Call;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn succeeded() -> Recorded {
        Recorded {
            in_history: true,
            status: "succeeded".to_owned(),
            attempt: 1,
            planned_at: at(10),
            started_at: Some(at(10)),
        }
    }

    fn claim(owner: &str, seconds: i64) -> Claim {
        Claim {
            owner: owner.to_owned(),
            at: at(seconds),
            lease_until: at(seconds + 3),
        }
    }

    fn call(run: u128, seconds: i64) -> Call {
        Call {
            run_id: id(run),
            at: at(seconds),
        }
    }

    /// One run, accepted, claimed, called and recorded once.
    fn healthy() -> Evidence {
        Evidence {
            accepted: vec![id(1)],
            records: [(id(1), vec![succeeded()])].into(),
            claims: [(id(1), vec![claim("a", 10)])].into(),
            calls: vec![call(1, 10)],
            findings: Vec::new(),
        }
    }

    fn judge(evidence: &Evidence) -> Verdict {
        Verdict::of("test", evidence, Duration::from_secs(1), Duration::from_secs(5))
    }

    #[test]
    fn a_healthy_run_misses_nothing() {
        let verdict = judge(&healthy());
        assert_eq!(verdict.misses(), Vec::<String>::new());
        assert_eq!((verdict.accepted, verdict.finished), (1, 1));
        let line = r#"{"accepted":1,"fault":"test","finished":1,"finished_twice":0,"lost":0,"recovery_s":1.0,"started_early":0}"#;
        assert_eq!(verdict.json().to_string(), line);
    }

    #[test]
    fn each_kind_of_harm_is_counted() {
        let mut lost = healthy();
        lost.accepted.push(id(2));
        assert_eq!(judge(&lost).lost, 1);

        let mut early = healthy();
        early.calls[0].at = at(9);
        assert_eq!(judge(&early).started_early, 1);
        let mut early = healthy();
        early.records.entry(id(1)).or_default()[0].started_at = Some(at(9));
        assert_eq!(judge(&early).started_early, 1);

        let mut audited = healthy();
        audited.findings.push("missed".to_owned());
        assert_eq!(judge(&audited).misses(), ["audit: missed"]);

        let mut unfinished = healthy();
        unfinished.records.entry(id(1)).or_default()[0].in_history = false;
        assert_eq!(judge(&unfinished).misses(), ["1 runs accepted and never finished"]);
    }

    #[test]
    fn what_counts_as_twice() {
        let mut recorded = healthy();
        recorded.records.entry(id(1)).or_default().push(succeeded());
        assert_eq!(judge(&recorded).finished_twice, 1, "two records");
        let mut called = healthy();
        called.calls.push(call(1, 11));
        assert_eq!(judge(&called).finished_twice, 1, "called without a claim");
        called.claims.entry(id(1)).or_default().push(claim("b", 11));
        assert_eq!(
            judge(&called).finished_twice,
            1,
            "claimed while the first still held it"
        );
        called.records.entry(id(1)).or_default()[0].attempt = 2;
        assert_eq!(judge(&called).finished_twice, 0, "another attempt");
        let mut taken_over = healthy();
        taken_over.calls.push(call(1, 14));
        taken_over.claims.entry(id(1)).or_default().push(claim("b", 14));
        assert_eq!(judge(&taken_over).finished_twice, 0, "after the lease it is a takeover");
    }

    #[test]
    fn bars_are_told_in_words() {
        let mut verdict = judge(&Evidence::default());
        verdict.recovery = Duration::from_secs(6);
        verdict.smallest_share = Some(0.1);
        assert_eq!(verdict.misses().len(), 3, "{:?}", verdict.misses());
    }

    #[test]
    fn a_scheduler_without_a_claim_has_no_share() {
        let mut evidence = healthy();
        assert!(smallest_share(&evidence, 2).abs() < f64::EPSILON);
        evidence
            .claims
            .entry(id(2))
            .or_default()
            .extend([claim("b", 10), claim("b", 20), claim("b", 30)]);
        assert!((smallest_share(&evidence, 2) - 0.25).abs() < f64::EPSILON);
    }
}
