//! The real binary on a SQLite file: clean while the ledger is whole, and each kind of damage told as what it is.

mod ledger;

use std::sync::Arc;

use baton_domain::{
    fixtures::{SeededChance, TestClock},
    time::{Timestamp, after, before},
};
use serde_json::Value as Json;

use ledger::{Ledger, MINUTES, SKIPPED, minute, secs};

#[tokio::test]
async fn a_whole_ledger_is_clean() {
    let ledger = Ledger::new().await;
    let (code, report) = ledger.audit();
    assert_eq!(code, Some(0), "{report}");
    let mut keys: Vec<&String> = report.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        ["bounded", "due", "endpoints", "findings", "from", "matched", "to"]
    );
    assert_eq!(
        (&report["endpoints"], &report["due"]),
        (&Json::from(1), &Json::from(MINUTES))
    );
    assert_eq!(
        (&report["matched"], &report["bounded"]),
        (&Json::from(MINUTES), &Json::from(0))
    );
}

#[tokio::test]
async fn a_part_of_the_time_and_one_user_may_be_asked_about() {
    let ledger = Ledger::new().await;
    let (from, to) = (minute(3).to_rfc3339(), minute(7).to_rfc3339());
    let output = ledger.run(&["audit", "--from", &from, "--to", &to, "--user", "local"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let expected = "1 endpoints, 4 due, 4 matched (4 checked exactly, 0 bounded), 0 findings";
    assert_eq!(text.trim(), expected);
    let output = ledger.run(&["audit", "--from", &from, "--to", &to, "--user", "nobody"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("0 endpoints"));
}

#[tokio::test]
async fn a_row_that_is_gone_is_missed() {
    let ledger = Ledger::new().await;
    let gone = "DELETE FROM run_history WHERE planned_at = $1";
    ledger.damage(&[(gone, vec![minute(3).into()])]).await;
    ledger.assert_finds("missed", 3);
}

#[tokio::test]
async fn a_skipped_row_that_is_gone_is_missed() {
    let ledger = Ledger::new().await;
    let gone = "DELETE FROM run_history WHERE status = 'skipped' AND planned_at = $1";
    ledger.damage(&[(gone, vec![minute(SKIPPED).into()])]).await;
    ledger.assert_finds("missed", SKIPPED);
}

#[tokio::test]
async fn a_row_that_is_there_twice_is_extra() {
    let ledger = Ledger::new().await;
    let twin = "CREATE TEMPORARY TABLE twin AS SELECT * FROM run_history WHERE planned_at = $1";
    ledger
        .damage(&[
            (twin, vec![minute(4).into()]),
            ("UPDATE twin SET id = CAST(SUBSTR(id, 1, 15) || X'07' AS BLOB)", vec![]),
            ("INSERT INTO run_history SELECT * FROM twin", vec![]),
        ])
        .await;
    ledger.assert_finds("extra", 4);
}

#[tokio::test]
async fn a_window_that_counts_too_much_is_extra() {
    let ledger = Ledger::new().await;
    let more = "UPDATE run_history SET missed_count = 3 WHERE planned_at = $1";
    ledger.damage(&[(more, vec![minute(SKIPPED).into()])]).await;
    ledger.assert_finds("extra", SKIPPED);
}

#[tokio::test]
async fn a_start_before_its_time_is_early() {
    let ledger = Ledger::new().await;
    let shift = "UPDATE run_history SET started_at = $1 WHERE planned_at = $2";
    let at = minute(8);
    ledger
        .damage(&[(shift, vec![before(at, secs(5)).into(), at.into()])])
        .await;
    ledger.assert_finds("early", 8);
}

#[tokio::test]
async fn a_start_long_after_its_time_is_late() {
    let ledger = Ledger::new().await;
    let shift = "UPDATE run_history SET started_at = $1, finished_at = $2 WHERE planned_at = $3";
    let at = minute(9);
    let values = vec![after(at, secs(30)).into(), after(at, secs(31)).into(), at.into()];
    ledger.damage(&[(shift, values)]).await;
    ledger.assert_finds("late", 9);
}

#[tokio::test]
async fn a_skip_without_a_reason_is_unexplained() {
    let ledger = Ledger::new().await;
    let silence = "UPDATE run_history SET reason = NULL WHERE planned_at = $1";
    ledger.damage(&[(silence, vec![minute(SKIPPED).into()])]).await;
    ledger.assert_finds("unexplained", SKIPPED);
}

#[tokio::test]
async fn a_cause_that_does_not_fit_is_unexplained() {
    let ledger = Ledger::new().await;
    let other = "UPDATE run_history SET cause = 'cron' WHERE planned_at = $1";
    ledger.damage(&[(other, vec![minute(10).into()])]).await;
    ledger.assert_finds("unexplained", 10);
}

#[tokio::test]
async fn mistakes_in_the_flags_exit_with_2() {
    let ledger = Ledger::new().await;
    let output = ledger.run(&["audit", "--from", "noon", "--to", "2026", "--epsilon", "soon"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    for flag in ["--from", "--to", "--epsilon"] {
        assert!(message.contains(flag), "{message}");
    }
    let (later, sooner) = (minute(2).to_rfc3339(), minute(1).to_rfc3339());
    let output = ledger.run(&["audit", "--from", &later, "--to", &sooner]);
    assert_eq!(output.status.code(), Some(2));
    let nowhere = "--database-url=sqlite:/nowhere/baton.db";
    let output = ledger.run(&["audit", "--from", &sooner, "--to", &later, nowhere]);
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_time_is_explained() {
    let ledger = Ledger::new().await;
    let id = ledger.endpoint.0.to_string();
    let why = |at: Timestamp| {
        let output = ledger.run(&["why", &id, &at.to_rfc3339()]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let ran = why(minute(2));
    assert!(
        ran.contains("succeeded in attempt 1, started 0.003000 s after its time"),
        "{ran}"
    );
    let skipped = why(minute(SKIPPED));
    assert!(
        skipped.contains("skipped because of overlap, with 1 time(s)"),
        "{skipped}"
    );
    let waiting = why(minute(MINUTES + 1));
    assert!(waiting.contains("waits, may start from"), "{waiting}");
    let between = why(after(minute(2), secs(1)));
    assert!(between.contains("not due: the interval is 60.000000 s"), "{between}");
    let early = ledger.run(&["why", &id, &before(minute(0), secs(1)).to_rfc3339()]);
    assert_eq!(early.status.code(), Some(1), "nothing is recorded that early");
}

#[tokio::test]
async fn the_audit_reads_beside_a_serving_process() {
    let ledger = Ledger::new().await;
    let clock = Arc::new(TestClock::at(minute(MINUTES)));
    let options = baton_store::Options::new(clock, Arc::new(SeededChance::new(2)));
    let url = format!("sqlite:{}", ledger.file().display());
    let serving = baton_store::open(&url, &options).await.expect("the file opens again");
    // Even while a write is going on.
    let tx = serving.store.begin().await.expect("a transaction");
    let (code, report) = ledger.audit();
    assert_eq!(code, Some(0), "{report}");
    drop(tx);
}
