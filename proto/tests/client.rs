//! The client against a server that answers as a test says: what is repeated, what is sent along, and what is waited for.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use baton_proto::{
    client::{Connect, Connection},
    v1,
};
use http::{HeaderMap, Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Status, body::Body};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// What the server does with a call.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// An empty message, which every response can be.
    Ok,
    Refuse(Code),
    Never,
}

/// What it should do next, and the headers of what it was sent.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Script {
    fn next(&self, headers: &HeaderMap) -> Answer {
        self.seen.lock().expect("not poisoned").push(headers.clone());
        let next = self.answers.lock().expect("not poisoned").pop_front();
        next.unwrap_or(Answer::Ok)
    }

    fn seen(&self) -> Vec<HeaderMap> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

async fn answer(script: Script, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(match script.next(request.headers()) {
        Answer::Ok => ok(),
        Answer::Refuse(code) => Status::new(code, "as the test says").into_http(),
        Answer::Never => std::future::pending().await,
    })
}

fn ok() -> Response<Body> {
    let message = v1::Job::default().encode_to_vec();
    assert!(message.is_empty());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("a header value"));
    let frames = [
        http_body::Frame::data(bytes::Bytes::from_static(&[0; 5])),
        http_body::Frame::trailers(trailers),
    ];
    let frames = tokio_stream::iter(frames.map(Ok::<_, Infallible>));
    let mut response = Response::new(Body::new(http_body_util::StreamBody::new(frames)));
    let content = "application/grpc".parse().expect("a header value");
    response.headers_mut().insert("content-type", content);
    response
}

/// A server that does these things in turn, then answers, and a client of it.
async fn scripted(answers: &[Answer], settings: impl FnOnce(Connect) -> Connect) -> (Script, Connection) {
    let script = Script::default();
    script
        .answers
        .lock()
        .expect("not poisoned")
        .extend(answers.iter().copied());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let served = script.clone();
    let service = tower::service_fn(move |request| answer(served.clone(), request));
    let serving = tonic::transport::Server::builder().serve_with_incoming(service, TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let connect = settings(Connect::to(format!("http://{address}")).jitter(|| 0.0));
    (script, connect.lazily().expect("a connection"))
}

fn get() -> v1::GetJobRequest {
    v1::GetJobRequest { id: "1".to_owned() }
}

fn create(request_id: &str) -> v1::CreateJobRequest {
    v1::CreateJobRequest {
        name: "shop".to_owned(),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

const AWAY: Answer = Answer::Refuse(Code::Unavailable);

#[tokio::test]
async fn what_is_safe_is_repeated_while_the_scheduler_is_unavailable() {
    let (script, baton) = scripted(&[AWAY, AWAY], |connect| connect).await;
    baton.jobs().get_job(get()).await.expect("the third time");
    assert_eq!(script.seen().len(), 3);
    let (script, baton) = scripted(&[AWAY], |connect| connect).await;
    baton.jobs().create_job(create("once")).await.expect("the second time");
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test]
async fn nothing_else_is_repeated() {
    let (script, baton) = scripted(&[AWAY], |connect| connect).await;
    let refused = baton.jobs().create_job(create("")).await.expect_err("once only");
    assert_eq!((refused.code(), script.seen().len()), (Code::Unavailable, 1));
    let (script, baton) = scripted(&[Answer::Refuse(Code::Aborted)], |connect| connect).await;
    let refused = baton.jobs().get_job(get()).await.expect_err("another reason");
    assert_eq!((refused.code(), script.seen().len()), (Code::Aborted, 1));
    let (script, baton) = scripted(&[AWAY; 9], |connect| connect.attempts(2)).await;
    let refused = baton.jobs().get_job(get()).await.expect_err("away for longer");
    assert_eq!((refused.code(), script.seen().len()), (Code::Unavailable, 2));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_repeats_included() {
    let limit = Duration::from_millis(300);
    let (script, baton) = scripted(&[Answer::Never], |connect| connect.deadline(limit)).await;
    let begun = tokio::time::Instant::now();
    let refused = baton.jobs().get_job(get()).await.expect_err("no answer");
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert!(begun.elapsed() >= limit, "{:?}", begun.elapsed());
    assert!(script.seen()[0].contains_key("grpc-timeout"), "the server knows of it");
    let (script, baton) = scripted(&[AWAY, AWAY, AWAY, AWAY], |connect| connect.deadline(limit)).await;
    let refused = baton.jobs().get_job(get()).await.expect_err("away for longer");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(script.seen().len() < 5, "a repeat that would come too late is not made");
}

#[tokio::test]
async fn the_token_goes_along_and_is_never_shown() {
    let token = "baton_0123abcd_secret";
    let (script, baton) = scripted(&[], |connect| {
        assert!(!format!("{connect:?}").contains("secret"));
        connect.token(token.into())
    })
    .await;
    baton.jobs().get_job(get()).await.expect("answered");
    let sent = script.seen()[0]["authorization"].to_str().expect("text").to_owned();
    assert_eq!(sent, format!("Bearer {token}"));
    let refused = Connect::to("http://127.0.0.1:1").token("a\u{7}b".into()).check();
    assert!(
        refused
            .expect_err("no header")
            .to_string()
            .contains("no header can carry")
    );
}

#[tokio::test]
async fn the_trace_of_the_current_span_goes_along() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
    let _default = tracing::subscriber::set_default(subscriber);
    let (script, baton) = scripted(&[], |connect| connect).await;
    let span = tracing::info_span!("work");
    let mut jobs = baton.jobs();
    jobs.get_job(get()).instrument(span).await.expect("answered");
    let sent = script.seen()[0]["traceparent"].to_str().expect("text").to_owned();
    assert!(sent.starts_with("00-") && sent.ends_with("-01"), "{sent}");
}
