//! Health, reflection, start and stop.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use baton_api::{Options, ServeError, Server};
use baton_proto::v1::{self as pb, jobs_service_client::JobsServiceClient};
use http::Request;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming, body::Body};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    harness::{UNKNOWN, World, reason},
    store::Mood,
};

const SERVICES: [&str; 4] = [
    "baton.v1.FlashSalesService",
    "baton.v1.JobsService",
    "baton.v1.PlansService",
    "baton.v1.RunsService",
];

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn watch_health(world: &World) -> Streaming<HealthCheckResponse> {
    let watch = HealthClient::new(world.channel.clone()).watch(about("")).await;
    watch.expect("opened").into_inner()
}

/// Reads until health says so.
async fn until(watch: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    while watch.message().await.expect("open").expect("goes on").status() != wanted {}
}

#[tokio::test(start_paused = true)]
async fn health_follows_the_store_within_two_seconds() {
    let world = World::new().await;
    let mut watch = watch_health(&world).await;
    until(&mut watch, ServingStatus::Serving).await;
    for mood in [Mood::Unavailable, Mood::Stuck, Mood::Broken] {
        world.mood.set(mood);
        let begun = Instant::now();
        until(&mut watch, ServingStatus::NotServing).await;
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{mood:?}: {:?}",
            begun.elapsed()
        );
        world.mood.set(Mood::Well);
        until(&mut watch, ServingStatus::Serving).await;
    }
}

#[tokio::test]
async fn every_service_has_its_health() {
    let world = World::new().await;
    until(&mut watch_health(&world).await, ServingStatus::Serving).await;
    let mut client = HealthClient::new(world.channel.clone());
    for service in [&[""], &SERVICES[..]].concat() {
        let mut watch = client.watch(about(service)).await.expect("opened").into_inner();
        until(&mut watch, ServingStatus::Serving).await;
    }
    let unknown = client.check(about("baton.v1.Nonsense")).await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::NotFound);
}

#[tokio::test]
async fn a_store_that_is_away_at_the_start_is_not_serving() {
    let world = World::new().await;
    world.mood.set(Mood::Unavailable);
    let checked = HealthClient::new(world.channel.clone()).check(about("")).await;
    assert_eq!(
        checked.expect("answered").into_inner().status(),
        ServingStatus::NotServing
    );
}

#[tokio::test]
async fn a_shutdown_tells_health_ends_streams_and_returns() {
    let world = World::new().await;
    let mut health = watch_health(&world).await;
    until(&mut health, ServingStatus::Serving).await;
    let request = pb::WatchPlanningContextsRequest::default();
    let mut contexts = world
        .plans()
        .watch_planning_contexts(request)
        .await
        .expect("opened")
        .into_inner();
    contexts
        .message()
        .await
        .expect("open")
        .expect("the end of the snapshot");
    world.shutdown.cancel();
    until(&mut health, ServingStatus::NotServing).await;
    assert_eq!(reason(contexts.message().await, Code::Unavailable), "SERVER_STOPPING");
    assert_eq!(reason(health.message().await, Code::Unavailable), "SERVER_STOPPING");
    world.serving.await.expect("no panic").expect("served well");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_holds_the_shutdown_up_for_a_while_only() {
    let world = World::new().await;
    until(&mut watch_health(&world).await, ServingStatus::Serving).await;
    world.mood.set(Mood::Stuck);
    let mut jobs = world.jobs();
    let call = tokio::spawn(async move { jobs.get_job(pb::GetJobRequest { id: UNKNOWN.to_owned() }).await });
    // Virtual time moves on when everything else has come to rest, the call within the handler included.
    tokio::time::sleep(Duration::from_millis(1)).await;
    world.shutdown.cancel();
    let begun = Instant::now();
    world.serving.await.expect("no panic").expect("served well");
    assert_eq!(begun.elapsed().as_secs(), Options::default().drain.as_secs());
    call.abort();
}

#[tokio::test]
async fn a_real_listener_is_served_on_loopback_and_refused_elsewhere() {
    let world = World::new().await;
    let server = || Server::new(world.services.clone(), Options::default()).expect("built");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&seen);
    let noting = tower::util::MapRequestLayer::new(move |request: Request<Body>| {
        paths
            .lock()
            .expect("not poisoned")
            .push(request.uri().path().to_owned());
        request
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server().layer(noting).serve(listener, shutdown.clone()));
    let mut client = JobsServiceClient::connect(format!("http://{address}"))
        .await
        .expect("connected");
    client.list_jobs(pb::ListJobsRequest::default()).await.expect("listed");
    assert_eq!(*seen.lock().expect("not poisoned"), ["/baton.v1.JobsService/ListJobs"]);
    drop(client);
    shutdown.cancel();
    serving.await.expect("no panic").expect("served well");
    let everywhere = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    let refused = server().serve(everywhere, CancellationToken::new()).await;
    assert!(matches!(refused, Err(ServeError::NotLoopback(_))), "{refused:?}");
}

/// Every service that the server has, by its own reflection's word.
fn expected() -> BTreeSet<String> {
    let standard = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    SERVICES.iter().chain(&standard).map(ToString::to_string).collect()
}

#[tokio::test]
async fn reflection_lists_and_describes_every_service() {
    use v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest as Ask, server_reflection_response::MessageResponse as Told,
    };
    let world = World::new().await;
    let mut client = ServerReflectionClient::new(world.channel.clone());
    let asks = std::iter::once(Ask::ListServices(String::new()))
        .chain(expected().into_iter().map(Ask::FileContainingSymbol))
        .map(|ask| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(ask),
        });
    let asks: Vec<_> = asks.collect();
    let count = asks.len();
    let mut answers = client
        .server_reflection_info(tokio_stream::iter(asks))
        .await
        .expect("opened")
        .into_inner();
    let mut described = 0;
    while let Some(answer) = answers.message().await.expect("open") {
        match answer.message_response {
            Some(Told::ListServicesResponse(list)) => {
                let names: BTreeSet<String> = list.service.into_iter().map(|service| service.name).collect();
                assert_eq!(names, expected());
            }
            Some(Told::FileDescriptorResponse(_)) => described += 1,
            other => panic!("neither a list nor a file: {other:?}"),
        }
    }
    assert_eq!(described, count - 1);
}

#[tokio::test]
async fn the_older_reflection_lists_every_service_too() {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest as Ask, server_reflection_response::MessageResponse as Told,
    };
    let world = World::new().await;
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(Ask::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(world.channel.clone());
    let answers = client.server_reflection_info(tokio_stream::iter([ask])).await;
    let answer = answers
        .expect("opened")
        .into_inner()
        .message()
        .await
        .expect("open")
        .expect("an answer");
    let Some(Told::ListServicesResponse(list)) = answer.message_response else {
        panic!("not a list: {answer:?}");
    };
    let names: BTreeSet<String> = list.service.into_iter().map(|service| service.name).collect();
    assert_eq!(names, expected());
}
