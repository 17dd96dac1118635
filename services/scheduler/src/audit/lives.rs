//! Random lives through the real domain in virtual time, audited: a healthy ledger gives no finding.
//!
//! An engine that keeps up claims everything when it comes due. Calls fail, leases are lost, people and planners change
//! schedules at any moment, jobs pause: [`life`].

mod life;

use std::time::Duration;

use baton_domain::{
    run::Cause,
    time::{Timestamp, after},
};

use super::{Ledger, Question, Report, accounts::stands_for_a_time, audit};
use life::{Life, start};

fn question(from: Timestamp, to: Timestamp) -> Question {
    Question {
        from,
        to,
        user: None,
        epsilon: Duration::from_secs(1),
    }
}

async fn audited(life: &Life, from: Timestamp, to: Timestamp) -> Report {
    let report = audit(life.store.as_ref(), &question(from, to)).await;
    report.expect("the record can be read")
}

#[tokio::test]
async fn random_lives_are_audited_clean() {
    let (mut due, mut bounded) = (0, 0);
    for seed in 1..=100 {
        let mut life = Life::begin(seed).await;
        let end = after(start(), Duration::from_secs(30 * 60));
        life.live_until(end).await;
        // The whole life, a part that begins in the middle, and one that ends there.
        let middle = after(start(), Duration::from_secs(15 * 60));
        let far = after(end, Duration::from_secs(600));
        for (from, to) in [(start(), far), (middle, far), (start(), middle)] {
            let report = audited(&life, from, to).await;
            assert_eq!(report.endpoints, 4);
            if let Some(finding) = report.findings.first() {
                let record = life.tell(finding.endpoint_id, finding.at).await;
                panic!("seed {seed}, from {from} to {to}:\n{report}\n{record}");
            }
            assert_eq!(report.matched, report.due);
            due += report.due;
            bounded += report.bounded;
        }
    }
    assert!(due > 20_000, "only {due} were due");
    assert!(bounded * 2 < due, "{bounded} of {due} were not checked exactly");
}

#[tokio::test]
async fn whatever_row_is_taken_out_of_a_life_is_missed() {
    let (mut removed, mut shots) = (0, 0);
    for seed in 1_000..1_030 {
        let mut life = Life::begin(seed).await;
        let end = after(start(), Duration::from_secs(15 * 60));
        life.live_until(end).await;
        let asked = question(start(), end);
        for id in life.endpoints.clone() {
            let whole = Ledger::read(life.store.as_ref(), id, &asked).await.expect("reads");
            let exact = whole.check(&asked).expect("good terms").bounded == 0;
            let pending_from = whole.busy_since().unwrap_or(end);
            // Beside others, a cadence run that was tried again may be the one that used a one-shot up.
            let terms = || whole.changes.iter().filter_map(|change| change.terms.as_ref());
            let alone = terms().all(|terms| terms.overlap != "allow");
            for place in 0..whole.runs.len() {
                let run = &whole.runs[place];
                let cadence = exact && stands_for_a_time(run) && run.planned_at < pending_from;
                let shot = alone && run.cause == Cause::HintOneShot && run.started_at.is_some();
                if !run.status.is_terminal() || !(cadence || shot) {
                    continue;
                }
                let mut damaged = Ledger::read(life.store.as_ref(), id, &asked).await.expect("reads");
                let gone = damaged.runs.remove(place);
                let findings = damaged.check(&asked).expect("good terms").list;
                assert!(!findings.is_empty(), "seed {seed}: nobody misses {gone:?}");
                removed += u32::from(cadence);
                shots += u32::from(shot);
            }
        }
    }
    assert!(
        removed > 500 && shots > 20,
        "only {removed} rows and {shots} one-shots were removed"
    );
}
