//! Who may call: real schedulers with tokens, TLS and client certificates, and what they refuse.

mod certificates;

use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use baton_proto::{client::Connect, v1};
use tempfile::TempDir;
use tokio::{process::Command, time::Instant};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::stage::{Process, Stage, binary, eventually, forget_configuration, free_address, scheduler_command};
use certificates::Certificates;

/// The stated time within which a revoked token is refused.
const WITHIN: Duration = Duration::from_secs(5);

async fn token_command(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("baton-scheduler"));
    forget_configuration(&mut command);
    let output = command.arg("token").args(arguments).stdin(Stdio::null()).output().await;
    output.expect("the binary starts")
}

/// Runs it and gives what it printed.
async fn token(arguments: &[&str]) -> String {
    let output = token_command(arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

async fn create(database: &str, user: &str, scopes: &str, more: &[&str]) -> String {
    let flags = ["create", "--database-url", database, "--name", user];
    let arguments = [&flags[..], &["--user", user, "--scopes", scopes], more].concat();
    token(&arguments).await
}

async fn list_jobs(connect: Connect) -> Result<Vec<v1::Job>, Status> {
    let connection = connect.attempts(1).lazily().expect("a connection");
    let listed = connection.jobs().list_jobs(v1::ListJobsRequest::default()).await;
    listed.map(|answer| answer.into_inner().jobs)
}

fn reason(refused: Result<Vec<v1::Job>, Status>, code: Code) -> String {
    let status = refused.expect_err("must be refused");
    assert_eq!(status.code(), code, "{status:?}");
    status.get_details_error_info().expect("an ErrorInfo").reason
}

fn database_in(directory: &TempDir) -> String {
    format!("sqlite:{}/baton.db", directory.path().display())
}

/// A scheduler on a free loopback address; gives `ADDRESS`.
async fn serve(directory: &TempDir, database: &str, arguments: &[&str]) -> (Process, String) {
    let mut command = scheduler_command(directory.path());
    command
        .args(["--listen", "127.0.0.1:0", "--database-url", database])
        .args(arguments);
    let mut scheduler = Process::start(command, &directory.path().join("scheduler.log"));
    let address = scheduler.listening_address().await;
    (scheduler, address)
}

async fn await_a_planned_run(stage: &Stage) {
    let job = stage.create_job().await;
    stage.create_endpoint(Some(&job), "traffic_monitor", None).await;
    stage.create_endpoint(Some(&job), "order_processor_health", None).await;
    stage.create_sale(&job, "surge").await;
    stage.await_started("ai-hint", 1).await;
    assert_eq!(
        stage.started("manual").await,
        0,
        "the planner's credential decides the source"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planner_with_a_token_plans_over_tls() {
    let directory = TempDir::new().expect("a temporary folder");
    let database = database_in(&directory);
    let files = Certificates::write(directory.path());
    let ada = create(&database, "ada", "admin", &[]).await;
    let planner_token = files.path("planner.token");
    let flags = [
        "create",
        "--database-url",
        &database,
        "--name",
        "planner",
        "--all-users",
    ];
    let made = [&flags[..], &["--scopes", "planner", "--out", &planner_token]].concat();
    assert_eq!(token(&made).await, "", "what went into the file is not printed");
    let once_more = token_command(&made).await;
    assert!(once_more.status.success() && String::from_utf8_lossy(&once_more.stderr).contains("already"));

    let server = [
        "--auth",
        "tokens",
        "--tls-cert",
        &files.path("server.pem"),
        "--tls-key",
        &files.path("server.key"),
    ];
    let address = free_address().to_string();
    let ca = files.read("ca.pem");
    let connect = Connect::to(format!("https://{address}")).ca(ca.clone());
    let stage = Stage::secured(
        directory,
        &database,
        &address,
        &server,
        connect.clone().token(ada.into()),
    )
    .await;
    assert_eq!(
        reason(list_jobs(connect.clone()).await, Code::Unauthenticated),
        "UNAUTHENTICATED"
    );
    let strangers = Connect::to(format!("https://{address}"));
    list_jobs(strangers)
        .await
        .expect_err("the system does not trust this authority");
    list_jobs(Connect::to(format!("http://{address}")))
        .await
        .expect_err("without TLS nobody answers");

    let model = stage.start_model(None).await;
    let flags = ["--ca", &files.path("ca.pem"), "--token-file", &planner_token];
    let _planner = stage.start_planner(&model.base_url(), &flags);
    await_a_planned_run(&stage).await;
    let planner = std::fs::read_to_string(&planner_token).expect("the token");
    let refused = list_jobs(connect.token(planner.trim().into())).await;
    assert_eq!(reason(refused, Code::PermissionDenied), "SCOPE_MISSING");
    let denials = token(&["denials", "--database-url", &database]).await;
    assert!(
        denials.contains("/baton.v1.JobsService/ListJobs  SCOPE_MISSING  1 time(s)"),
        "{denials}"
    );
    for log in ["scheduler.log", "planner.log"] {
        let told = std::fs::read_to_string(stage.directory.path().join(log)).expect("a log");
        assert!(!told.contains(planner.trim()), "{log} shows a token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_stand_for_whom_the_operator_says() {
    let directory = TempDir::new().expect("a temporary folder");
    let database = database_in(&directory);
    let files = Certificates::write(directory.path());
    files.write_file(
        "names.json",
        r#"{"ada.internal": {"users": ["ada"], "scopes": ["jobs", "runs"]},
            "spiffe://internal/planner": {"users": "all", "scopes": ["planner"]}}"#,
    );
    let server = [
        "--auth",
        "tokens",
        "--tls-cert",
        &files.path("server.pem"),
        "--tls-key",
        &files.path("server.key"),
        "--tls-client-ca",
        &files.path("ca.pem"),
        "--tls-client-names",
        &files.path("names.json"),
    ];
    let address = free_address().to_string();
    let bare = Connect::to(format!("https://{address}")).ca(files.read("ca.pem"));
    let certified = |name: &str| {
        let [pem, key] = ["pem", "key"].map(|kind| files.read(&format!("{name}.{kind}")));
        bare.clone().client_certificate(pem, key)
    };
    let stage = Stage::secured(directory, &database, &address, &server, certified("ada")).await;
    let unknown = list_jobs(certified("unmapped")).await;
    assert_eq!(reason(unknown, Code::Unauthenticated), "CERTIFICATE_UNKNOWN");
    let none = list_jobs(bare.clone()).await.expect_err("the handshake fails");
    assert_ne!(none.code(), Code::Unauthenticated, "{none:?}");
    list_jobs(certified("self-signed"))
        .await
        .expect_err("nobody vouches for it");
    let both = certified("ada").token("baton_nonsense".into());
    assert_eq!(
        reason(list_jobs(both).await, Code::Unauthenticated),
        "CREDENTIAL_INVALID"
    );

    let model = stage.start_model(None).await;
    let flags = [
        "--ca",
        &files.path("ca.pem"),
        "--client-cert",
        &files.path("planner.pem"),
        "--client-key",
        &files.path("planner.key"),
    ];
    let _planner = stage.start_planner(&model.base_url(), &flags);
    await_a_planned_run(&stage).await;
}

/// On either database, beside the scheduler that serves from it.
async fn tokens_come_and_go(directory: &TempDir, database: &str) {
    let (_scheduler, address) = serve(directory, database, &["--auth", "tokens"]).await;
    let good = create(database, "ada", "jobs,runs", &[]).await;
    let short = create(database, "ada", "jobs", &["--expires", "1s"]).await;
    let connect = |text: &str| Connect::to(format!("http://{address}")).token(text.into());
    assert_eq!(list_jobs(connect(&good)).await.expect("the token is good").len(), 0);
    let expired = || async {
        let refused = list_jobs(connect(&short)).await.err()?;
        Some(refused.get_details_error_info().expect("an ErrorInfo").reason)
    };
    assert_eq!(eventually("the token expires", expired).await, "CREDENTIAL_EXPIRED");

    let prefix = good.rsplit_once('_').expect("prefix and secret").0;
    let told = token(&["revoke", prefix, "--database-url", database]).await;
    assert!(told.contains("is revoked"), "{told}");
    let revoked = Instant::now();
    let refused = || async { list_jobs(connect(&good)).await.err() };
    let refused = eventually("the token is refused", refused).await;
    assert!(revoked.elapsed() < WITHIN, "{:?}", revoked.elapsed());
    assert_eq!(reason(Err(refused), Code::Unauthenticated), "CREDENTIAL_REVOKED");

    let listed = token(&["list", "--json", "--database-url", database]).await;
    let standings: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|token| token["standing"].as_str().expect("a word").to_owned())
        .collect();
    assert_eq!(standings, ["revoked", "expired"]);
    for text in [&good, &short] {
        let secret = text.rsplit_once('_').expect("prefix and secret").1;
        assert!(!listed.contains(secret));
    }
    let unknown = token_command(&["revoke", "baton_00000000", "--database-url", database]).await;
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_and_go_beside_a_serving_scheduler_on_sqlite() {
    let directory = TempDir::new().expect("a temporary folder");
    tokens_come_and_go(&directory, &database_in(&directory)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_and_go_beside_a_serving_scheduler_on_postgres() {
    let database = crate::postgres::Database::create("tokens").await;
    crate::postgres::migrate(&database.url).await;
    let directory = TempDir::new().expect("a temporary folder");
    tokens_come_and_go(&directory, &database.url).await;
    database.drop_database().await;
}

async fn refused(directory: &Path, arguments: &[&str]) -> String {
    let mut command = scheduler_command(directory);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().await.expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn what_others_could_reach_or_read_is_not_served() {
    let directory = TempDir::new().expect("a temporary folder");
    let everywhere = ["--listen", "0.0.0.0:0"];
    let told = refused(directory.path(), &everywhere).await;
    assert_eq!(
        told.trim(),
        "--listen: refusing to listen on 0.0.0.0:0: callers are not authenticated, so only loopback addresses are served"
    );
    let told = refused(directory.path(), &[&everywhere[..], &["--auth", "tokens"]].concat()).await;
    assert!(told.contains("tokens would cross the network in clear text"), "{told}");
}

#[tokio::test]
async fn a_token_that_may_not_be_is_not_made() {
    let directory = TempDir::new().expect("a temporary folder");
    let database = database_in(&directory);
    let flags = [
        "create",
        "--database-url",
        &database,
        "--name",
        "x",
        "--user",
        "ada",
        "--scopes",
    ];
    let output = token_command(&[&flags[..], &["planner,runs"]].concat()).await;
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("--scopes: planner stands alone"), "{told}");
    assert!(!directory.path().join("baton.db").exists(), "nothing is made");
}
