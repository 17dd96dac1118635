//! Twelve minutes of one endpoint in a SQLite file, ways to damage them, and the real binary to look at them.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use baton_domain::{
    call::CallOutcome,
    fixtures::{SeededChance, TestClock},
    ids::{EndpointId, UserId},
    limits::PlanLimits,
    services::{Claim, ClaimedRun, EndpointDraft, Idempotency, Queue, Services},
    time::{Timestamp, after},
};
use chrono::{TimeZone as _, Utc};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, Statement, Value};
use serde_json::Value as Json;
use tempfile::TempDir;

/// The run of this minute takes so long that the next minute is skipped.
const LONG: u32 = 5;
pub const SKIPPED: u32 = LONG + 1;
pub const MINUTES: u32 = 12;

/// Twelve minutes of one endpoint that runs every minute, in a file that nobody serves from any more.
pub struct Ledger {
    folder: TempDir,
    pub endpoint: EndpointId,
}

pub fn minute(number: u32) -> Timestamp {
    let start = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a time");
    after(start, secs(60) * number)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Ledger {
    pub async fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let clock = Arc::new(TestClock::at(minute(0)));
        let chance = Arc::new(SeededChance::new(1));
        let options = baton_store::Options::new(clock.clone(), chance.clone());
        let url = format!("sqlite:{}", folder.path().join("baton.db").display());
        let opened = baton_store::open(&url, &options).await.expect("a fresh file opens");
        let services = Services::new(opened.store, chance, PlanLimits::default());
        let endpoint = create(&services).await;
        for number in (1..=MINUTES).filter(|number| *number != SKIPPED) {
            clock.set(after(minute(number), Duration::from_millis(3)));
            let claimed = claim(opened.queue.as_ref()).await;
            clock.advance(secs(if number == LONG { 90 } else { 2 }));
            finish(opened.queue.as_ref(), &claimed).await;
        }
        Self { folder, endpoint }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("baton.db")
    }

    /// Runs statements behind the scheduler's back, each with these values.
    pub async fn damage(&self, statements: &[(&str, Vec<Value>)]) {
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", self.file().display()));
        options.max_connections(1);
        let db = Database::connect(options).await.expect("the file opens");
        for (sql, values) in statements {
            let statement = Statement::from_sql_and_values(db.get_database_backend(), *sql, values.clone());
            let done = db.execute_raw(statement).await.expect("the statement runs");
            assert!(sql.starts_with("CREATE") || done.rows_affected() == 1, "{sql}");
        }
        db.close().await.expect("the connection closes");
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_baton-scheduler"))
            .args(arguments)
            .env("DATABASE_URL", format!("sqlite:{}", self.file().display()))
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts")
    }

    /// Audits all twelve minutes.
    pub fn audit(&self) -> (Option<i32>, Json) {
        let (from, to) = (minute(0).to_rfc3339(), minute(MINUTES + 1).to_rfc3339());
        let output = self.run(&["audit", "--json", "--from", &from, "--to", &to]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report = serde_json::from_str(&text);
        let report = report.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), report)
    }

    /// Exactly one finding, of this kind, about this minute.
    pub fn assert_finds(&self, kind: &str, number: u32) {
        let (code, report) = self.audit();
        assert_eq!(code, Some(1), "{report}");
        let findings = report["findings"].as_array().expect("a list");
        assert_eq!(findings.len(), 1, "{report}");
        assert_eq!(findings[0]["kind"], kind, "{report}");
        assert_eq!(findings[0]["endpoint_id"], self.endpoint.0.to_string());
        let at: Timestamp = serde_json::from_value(findings[0]["at"].clone()).expect("a time");
        assert_eq!(at, minute(number), "{report}");
        assert!(findings[0]["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
}

async fn create(services: &Services) -> EndpointId {
    let draft = EndpointDraft {
        name: "health".to_owned(),
        method: "GET".to_owned(),
        url: "http://shop.example/health".to_owned(),
        interval: Some(secs(60)),
        ..EndpointDraft::default()
    };
    let once = Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    };
    let user = UserId("local".to_owned());
    let made = services.create_endpoint(&user, None, &draft, &once).await;
    made.expect("a good draft").endpoint.id
}

async fn claim(queue: &dyn Queue) -> ClaimedRun {
    let claim = Claim {
        owner: "engine".to_owned(),
        lease: secs(15),
        limit: 10,
        host_concurrency: None,
        as_of: None,
    };
    let mut claimed = queue.claim_due(&claim).await.expect("claims").runs;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn finish(queue: &dyn Queue, claimed: &ClaimedRun) {
    let outcome = CallOutcome {
        status_code: Some(200),
        ..CallOutcome::default()
    };
    let report = claimed.report(outcome);
    queue.finish_runs(&[report]).await.expect("finishes");
}
