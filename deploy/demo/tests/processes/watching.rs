//! Watches of runs across schedulers: what one does is told by the other, and a watch outlives the scheduler it began at.

use std::{collections::BTreeSet, time::Duration};

use baton_proto::{
    client::{Connect, Transport},
    v1::{self, RunStatus, runs_service_client::RunsServiceClient, watch_runs_response::Event},
};
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::Streaming;

use crate::{
    postgres::{Database, migrate},
    stage::{LIMIT, Stage, eventually, free_address, start_scheduler},
};

type Watch = Streaming<v1::WatchRunsResponse>;

/// What a watch of successful runs has told, in order, and where it stands.
#[derive(Default)]
struct Told {
    ids: Vec<String>,
    cursor: String,
}

impl Told {
    async fn open(&self, runs: &mut RunsServiceClient<Transport>) -> Watch {
        let request = v1::WatchRunsRequest {
            statuses: vec![RunStatus::Succeeded.into()],
            cursor: self.cursor.clone(),
            ..Default::default()
        };
        runs.watch_runs(request).await.expect("the watch opens").into_inner()
    }

    /// Takes the next message; true when it was a run.
    async fn take(&mut self, watch: &mut Watch) -> bool {
        let message = timeout(LIMIT, watch.message()).await.expect("a message in time");
        let message = message.expect("the stream is well").expect("the stream goes on");
        self.cursor = message.cursor;
        match message.event.expect("an event") {
            Event::Run(run) => {
                self.ids.push(run.id);
                true
            }
            Event::Progress(_) | Event::SnapshotEnd(_) => false,
        }
    }

    async fn take_runs(&mut self, watch: &mut Watch, more: usize) {
        let wanted = self.ids.len() + more;
        while self.ids.len() < wanted {
            self.take(watch).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_at_another_scheduler_without_gap_or_repeat() {
    let database = Database::create("watched").await;
    migrate(&database.url).await;
    let directory = TempDir::new().expect("a temporary folder");
    let arguments = ["--lease", "2s"];
    let stage = Stage::on(directory, &database.url, &arguments).await;
    let doomed_address = free_address().to_string();
    let doomed = start_scheduler(stage.directory.path(), &database.url, &doomed_address, &arguments).await;
    let doomed_runs = Connect::to(format!("http://{doomed_address}")).attempts(1).lazily();
    let mut doomed_runs = doomed_runs.expect("the scheduler to be killed").runs();

    let mut told = Told::default();
    let mut watch = told.open(&mut doomed_runs).await;
    assert!(!told.take(&mut watch).await, "a first cursor before any run");
    let endpoint = stage
        .create_endpoint(None, "order_processor_health", Some(Duration::from_millis(100)))
        .await;
    let hook = stage.create_endpoint(None, "traffic_monitor", None).await;
    // Written and asked for at the other scheduler.
    let submit = v1::SubmitRunRequest {
        endpoint_id: hook,
        ..Default::default()
    };
    let submitted = stage
        .runs_client()
        .submit_run(submit)
        .await
        .expect("accepted")
        .into_inner();
    told.take_runs(&mut watch, 10).await;
    assert!(told.ids.contains(&submitted.id), "{:?}", told.ids);

    doomed.kill().await;
    while let Ok(Ok(Some(message))) = timeout(LIMIT, watch.message()).await {
        told.cursor = message.cursor;
        if let Some(Event::Run(run)) = message.event {
            told.ids.push(run.id);
        }
    }
    let mut resumed = told.open(&mut stage.runs_client()).await;
    told.take_runs(&mut resumed, 10).await;

    let pause = v1::PauseEndpointRequest {
        id: endpoint,
        until: None,
    };
    stage.jobs().pause_endpoint(pause).await.expect("paused");
    let all = eventually("nothing is under way any more", || async {
        let runs = stage.runs().await;
        let over = |run: &v1::Run| !matches!(run.status(), RunStatus::Planned | RunStatus::Running);
        runs.iter().all(over).then_some(runs)
    })
    .await;
    let succeeded = all.iter().filter(|run| run.status() == RunStatus::Succeeded);
    let succeeded: BTreeSet<&String> = succeeded.map(|run| &run.id).collect();
    let missing = succeeded.len().saturating_sub(told.ids.len());
    told.take_runs(&mut resumed, missing).await;
    let distinct: BTreeSet<&String> = told.ids.iter().collect();
    assert_eq!(distinct.len(), told.ids.len(), "a run was told twice");
    assert_eq!(distinct, succeeded, "a run was not told");
    drop(stage);
    database.drop_database().await;
}
