//! A thousand watches of one user at once, one of which does not read.

use std::sync::Arc;

use baton_api::{FeedOptions, Options};
use baton_proto::v1::{self as pb, runs_service_client::RunsServiceClient, watch_runs_response::Event};
use tokio::{sync::Semaphore, task::JoinSet, time::advance};
use tonic::{Code, transport::Channel};

use crate::{
    harness::{World, dormant, ok, reason},
    watch_runs::Watch,
};

const WATCHES: usize = 1_000;
const RUNS: usize = 60;
/// Far fewer than there are runs, so that who does not read falls behind.
const WINDOW: usize = 16;

type Runs = RunsServiceClient<Channel>;

/// The ends of runs, beyond the cursor if there is one.
async fn watch_ends(mut runs: Runs, cursor: &str) -> Watch {
    let request = pb::WatchRunsRequest {
        statuses: vec![pb::RunStatus::Succeeded.into()],
        cursor: cursor.to_owned(),
        ..pb::WatchRunsRequest::default()
    };
    runs.watch_runs(request).await.expect("opened").into_inner()
}

/// What a reader has seen, in order, and where it stands.
#[derive(Default)]
struct Seen {
    ids: Vec<String>,
    cursor: String,
}

impl Seen {
    /// Reads until as many runs have been told, or the watch is cut.
    async fn read(&mut self, watch: &mut Watch, until: usize) -> Result<(), tonic::Status> {
        while self.ids.len() < until {
            let message = watch.message().await?.expect("the stream goes on");
            self.cursor = message.cursor;
            if let Some(Event::Run(run)) = message.event {
                self.ids.push(run.id);
            }
        }
        Ok(())
    }
}

/// Reads all of it, and says so run by run.
async fn follow(mut watch: Watch, heard: Arc<Semaphore>) -> Vec<String> {
    let mut seen = Seen::default();
    for run in 1..=RUNS {
        seen.read(&mut watch, run).await.expect("it keeps up");
        heard.add_permits(1);
    }
    seen.ids
}

#[tokio::test(start_paused = true)]
async fn a_thousand_watches_share_one_reader_and_the_slow_one_is_cut_and_resumes() {
    let options = Options {
        feed: FeedOptions {
            window_changes: WINDOW,
            ..FeedOptions::default()
        },
        ..Options::default()
    };
    let patience = options.feed.patience;
    let world = World::with(options).await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let (mut readers, heard) = (JoinSet::new(), Arc::new(Semaphore::new(0)));
    for _ in 1..WATCHES {
        let watch = watch_ends(world.runs(), "").await;
        readers.spawn(follow(watch, Arc::clone(&heard)));
    }
    // Room for a few messages: what it does not take stays with the server.
    let narrow = world.connect(|endpoint| endpoint.initial_stream_window_size(1_024));
    let slow_runs = RunsServiceClient::new(narrow);
    let mut slow = watch_ends(slow_runs.clone(), "").await;

    let before = world.mood.reads();
    for _ in 0..RUNS {
        let request = pb::SubmitRunRequest {
            endpoint_id: endpoint.id.clone(),
            ..pb::SubmitRunRequest::default()
        };
        world.runs().submit_run(request).await.expect("submitted");
        assert_eq!(world.run_due(&ok()).await, 1);
        let everybody = u32::try_from(WATCHES - 1).expect("few");
        heard.acquire_many(everybody).await.expect("it is open").forget();
    }
    let told = readers.join_all().await;
    let order = told.first().expect("there are readers").clone();
    assert_eq!(order.len(), RUNS);
    assert!(
        told.iter().all(|ids| *ids == order),
        "everybody is told the same, in the same order"
    );
    let reads = world.mood.reads() - before;
    assert!(
        reads < 10 * RUNS,
        "{reads} reads for {RUNS} runs: the store was not read once for all"
    );

    advance(2 * patience).await;
    let mut seen = Seen::default();
    let cut = seen.read(&mut slow, RUNS).await;
    assert_eq!(reason(cut, Code::ResourceExhausted), "WATCH_TOO_SLOW");
    assert!(seen.ids.len() < RUNS, "it was cut before the end");
    let mut resumed = watch_ends(slow_runs, &seen.cursor).await;
    seen.read(&mut resumed, RUNS).await.expect("the rest is told");
    assert_eq!(seen.ids, order, "without a gap and without a repeat");
}
