//! Schedulers on one PostgreSQL: refused while it is behind, then sharing runs, changes and planners.

use std::{process::Stdio, time::Duration};

use baton_proto::v1::{self, PlanState, runs_service_client::RunsServiceClient};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::{Stage, binary, eventually, forget_configuration, free_address, scheduler_command, start_scheduler};

/// A database of its own in the test server, dropped by `drop_database`.
pub struct Database {
    server: String,
    name: String,
    pub url: String,
}

impl Database {
    pub async fn create(name: &str) -> Self {
        let server = std::env::var("BATON_TEST_DATABASE_URL").expect("BATON_TEST_DATABASE_URL: run `cargo xtask test`");
        let name = format!("baton_process_{name}_{}", std::process::id());
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&server).expect("a database URL");
        url.set_path(&name);
        Self {
            server,
            name,
            url: url.to_string(),
        }
    }

    pub async fn drop_database(self) {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn execute(server: &str, statement: &str) {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls)
        .await
        .expect("the test server");
    let connection = tokio::spawn(connection);
    client.batch_execute(statement).await.expect(statement);
    drop(client);
    connection
        .await
        .expect("the connection ends")
        .expect("without an error");
}

pub async fn migrate(url: &str) {
    let mut command = Command::new(binary("baton-migrations"));
    forget_configuration(&mut command);
    let status = command
        .args(["up", "--database-url", url])
        .stdin(Stdio::null())
        .status()
        .await;
    assert!(status.expect("the binary starts").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_behind_is_refused() {
    let database = Database::create("behind").await;
    let directory = TempDir::new().expect("a temporary folder");
    let mut command = scheduler_command(directory.path());
    command
        .args(["--listen", "127.0.0.1:0", "--database-url", &database.url])
        .stdin(Stdio::null());
    let output = command.output().await.expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("baton-migrations up"), "{message}");
    database.drop_database().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_share_runs_changes_and_a_planner() {
    let database = Database::create("shared").await;
    migrate(&database.url).await;
    let directory = TempDir::new().expect("a temporary folder");
    let arguments = ["--time-compression", "60", "--lease", "2s"];
    let stage = Stage::on(directory, &database.url, &arguments).await;
    let other_address = free_address().to_string();
    let other = start_scheduler(stage.directory.path(), &database.url, &other_address, &arguments).await;

    let model = stage.start_model(None).await;
    // The planner watches the other scheduler; jobs, sales and signals are written to the first.
    let mut elsewhere = Command::new(binary("baton-planner"));
    forget_configuration(&mut elsewhere);
    elsewhere.args([
        "run",
        "--scheduler",
        &format!("http://{other_address}"),
        "--base-url",
        &model.base_url(),
    ]);
    elsewhere
        .args(["--model", "scripted-rules", "--debounce", "4ms"])
        .env("BATON_PLANNER_API_KEY", "none");
    let planner = crate::stage::Process::start(elsewhere, &stage.directory.path().join("planner.log"));

    let job = stage.create_job().await;
    stage
        .create_endpoint(Some(&job), "traffic_monitor", Some(Duration::from_secs(2)))
        .await;
    let endpoint = stage
        .create_endpoint(None, "order_processor_health", Some(Duration::from_millis(400)))
        .await;
    stage.create_sale(&job, "surge").await;
    stage.await_plan(PlanState::Completed, &[], &[]).await;
    stage.await_started("ai-hint", 2).await;

    let mut runs = RunsServiceClient::connect(format!("http://{other_address}"))
        .await
        .expect("the other scheduler");
    let submit = v1::SubmitRunRequest {
        endpoint_id: endpoint,
        ..Default::default()
    };
    let run = runs.submit_run(submit).await.expect("accepted").into_inner();
    eventually("the run is done, whoever did it", || async {
        let request = v1::GetRunRequest { id: run.id.clone() };
        let run = stage.runs_client().get_run(request).await.ok()?.into_inner();
        (run.status() == v1::RunStatus::Succeeded).then_some(())
    })
    .await;

    planner.kill().await;
    other.kill().await;
    stage.await_started("baseline", 5).await;
    let received = stage.sink.received();
    let ids: std::collections::BTreeSet<_> = received.iter().map(|call| call.run_id.clone()).collect();
    assert!(
        received.len() <= ids.len() + 2,
        "at most what was in flight at the kill is called twice"
    );
    drop(stage);
    database.drop_database().await;
}
