//! The sink as the scheduler's calls see it.

use std::time::Duration;

use baton_demo::{
    scenario::{FLASH_SALE, Scenario},
    sink::{Misbehaviour, Sink},
};
use serde_json::{Value, json};

async fn shop() -> (Scenario, Sink, reqwest::Client) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let scenario = Scenario::parse(FLASH_SALE, "sale").unwrap();
    let sink = Sink::start(&scenario.phases[0]).await.unwrap();
    (scenario, sink, reqwest::Client::new())
}

async fn call(client: &reqwest::Client, sink: &Sink, endpoint: &str, run_id: &str) -> (u16, Value) {
    let response = client
        .post(sink.url_of(endpoint))
        .header("Idempotency-Key", run_id)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn it_answers_as_the_phase_says_and_logs_who_called() {
    let (scenario, sink, client) = shop().await;
    let pages = "slow_page_analyzer";
    assert_eq!(
        call(&client, &sink, pages, "run-1").await,
        (200, json!({ "slow_pages": [] }))
    );
    sink.enter(scenario.phase("strain").unwrap());
    let (_, named) = call(&client, &sink, pages, "run-2").await;
    assert_eq!(named["slow_pages"][2], "/checkout");
    client.post(sink.url_of("cache_warm_up")).send().await.unwrap();
    let received = sink.received();
    let seen: Vec<_> = received
        .iter()
        .map(|request| (request.endpoint.as_str(), request.run_id.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [(pages, Some("run-1")), (pages, Some("run-2")), ("cache_warm_up", None)]
    );
    assert!(received[0].at <= received[1].at);
}

#[tokio::test]
async fn an_endpoint_that_does_not_exist_is_not_found_but_logged() {
    let (_, sink, client) = shop().await;
    assert_eq!(call(&client, &sink, "nobody", "run-1").await.0, 404);
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn one_endpoint_misbehaves_until_told_otherwise() {
    let (_, sink, client) = shop().await;
    sink.set_misbehaviour("cache_warm_up", Some(Misbehaviour::Status(500)));
    assert_eq!(call(&client, &sink, "cache_warm_up", "run-1").await.0, 500);
    assert_eq!(call(&client, &sink, "slack_operations", "run-2").await.0, 200);
    sink.set_misbehaviour("cache_warm_up", None);
    assert_eq!(call(&client, &sink, "cache_warm_up", "run-3").await.0, 200);

    sink.set_misbehaviour("cache_warm_up", Some(Misbehaviour::Delay(Duration::from_secs(60))));
    let impatient = client
        .post(sink.url_of("cache_warm_up"))
        .timeout(Duration::from_millis(200))
        .send()
        .await;
    assert!(impatient.unwrap_err().is_timeout());
    assert_eq!(sink.received().len(), 4, "it was received all the same");
}
