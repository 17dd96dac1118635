//! SubmitRuns: a stream of runs, answered item by item.

use baton_proto::v1::{self as pb, submit_runs_result::Outcome};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};

use crate::{
    harness::{UNKNOWN, World, dormant},
    store::Mood,
};

fn item(endpoint_id: &str, request_id: &str) -> pb::SubmitRunsRequest {
    pb::SubmitRunsRequest {
        run: Some(pb::SubmitRunRequest {
            endpoint_id: endpoint_id.to_owned(),
            request_id: request_id.to_owned(),
            ..pb::SubmitRunRequest::default()
        }),
    }
}

async fn submit(world: &World, items: Vec<pb::SubmitRunsRequest>) -> Result<Vec<pb::SubmitRunsResult>, Status> {
    let answer = world.runs().submit_runs(tokio_stream::iter(items)).await?;
    let results = answer.into_inner().results;
    let in_order = results.iter().zip(0..).all(|(result, index)| result.index == index);
    assert!(in_order, "{results:?}");
    Ok(results)
}

fn id(result: &pb::SubmitRunsResult) -> &str {
    match result.outcome.as_ref().expect("an outcome") {
        Outcome::RunId(id) => id,
        Outcome::Error(error) => panic!("refused: {error:?}"),
    }
}

fn error(result: &pb::SubmitRunsResult) -> &pb::ItemError {
    match result.outcome.as_ref().expect("an outcome") {
        Outcome::Error(error) => error,
        Outcome::RunId(id) => panic!("accepted: {id}"),
    }
}

async fn queued(world: &World) -> usize {
    let request = pb::ListRunsRequest {
        page_size: 1_000,
        ..pb::ListRunsRequest::default()
    };
    world
        .runs()
        .list_runs(request)
        .await
        .expect("listed")
        .into_inner()
        .runs
        .len()
}

#[tokio::test]
async fn every_item_has_its_own_answer() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await.id;
    let archived = world.endpoint(dormant("archived", None)).await.id;
    let archive = pb::ArchiveEndpointRequest { id: archived.clone() };
    world.jobs().archive_endpoint(archive).await.expect("archived");
    let mut far = item("nonsense", &"r".repeat(129));
    far.run.as_mut().expect("a run").planned_time = Some(world.in_seconds(31 * 86_400));
    let items = vec![
        item(&hook, ""),
        far,
        pb::SubmitRunsRequest { run: None },
        item(UNKNOWN, ""),
        item(&archived, ""),
        item(&hook, "once"),
        item(&hook, "once"),
    ];
    let results = submit(&world, items).await.expect("answered");
    assert_eq!(results.len(), 7);
    let bad = error(&results[1]);
    let mut fields: Vec<&str> = bad
        .violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["endpoint_id", "planned_time", "request_id"]);
    let refused: Vec<(i32, &str)> = results[1..5]
        .iter()
        .map(|result| (error(result).code, error(result).reason.as_str()))
        .collect();
    let expected = [
        (Code::InvalidArgument, "INVALID_REQUEST"),
        (Code::InvalidArgument, "INVALID_REQUEST"),
        (Code::NotFound, "ENDPOINT_NOT_FOUND"),
        (Code::FailedPrecondition, "ARCHIVED"),
    ];
    assert_eq!(refused, expected.map(|(code, reason)| (code as i32, reason)));
    assert_eq!(id(&results[5]), id(&results[6]), "the same request is the same run");
    assert_eq!(queued(&world).await, 2, "nothing was written for what was refused");
    let again = submit(&world, vec![item(&hook, "once")]).await.expect("answered");
    assert_eq!(id(&again[0]), id(&results[5]));
    assert!(submit(&world, Vec::new()).await.expect("answered").is_empty());
}

#[tokio::test]
async fn a_long_stream_is_committed_in_batches_in_its_order() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await.id;
    let items = (0..1_300).map(|number| item(&hook, &format!("r-{number}"))).collect();
    let results = submit(&world, items).await.expect("answered");
    let ids: std::collections::BTreeSet<&str> = results.iter().map(id).collect();
    assert_eq!((results.len(), ids.len()), (1_300, 1_300));
    for number in [0, 499, 500, 1_299] {
        let again = submit(&world, vec![item(&hook, &format!("r-{number}"))])
            .await
            .expect("answered");
        assert_eq!(id(&again[0]), id(&results[number]));
    }
}

#[tokio::test]
async fn an_outage_cuts_the_stream_and_says_so() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await.id;
    world.mood.set(Mood::Unavailable);
    let items = (0..3_000).map(|_| item(&hook, "")).collect();
    let results = submit(&world, items).await.expect("answered");
    let last = error(results.last().expect("a result"));
    assert_eq!(
        (last.code, last.reason.as_str(), last.not_taken),
        (Code::Unavailable as i32, "DATABASE_UNAVAILABLE", true)
    );
    assert!(results.len() < 3_000, "the rest was not taken");
    assert!(
        results
            .iter()
            .all(|result| error(result).code == Code::Unavailable as i32)
    );
}

#[tokio::test]
async fn a_stream_is_cut_when_the_server_stops() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await.id;
    let (sender, receiver) = mpsc::unbounded_channel();
    sender.send(item(&hook, "")).expect("open");
    let (mut runs, mut list) = (world.runs(), world.runs());
    let answering = tokio::spawn(async move { runs.submit_runs(UnboundedReceiverStream::new(receiver)).await });
    while list
        .list_runs(pb::ListRunsRequest::default())
        .await
        .expect("listed")
        .into_inner()
        .runs
        .is_empty()
    {}
    world.shutdown.cancel();
    let answer = answering.await.expect("no panic").expect("answered").into_inner();
    assert_eq!(answer.results.len(), 2);
    assert!(!id(&answer.results[0]).is_empty(), "what was committed is told");
    let last = error(&answer.results[1]);
    assert_eq!((last.reason.as_str(), last.not_taken), ("SERVER_STOPPING", true));
}
