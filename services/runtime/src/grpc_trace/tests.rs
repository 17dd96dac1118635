use std::{convert::Infallible, sync::Arc};

use tonic::{Code, Status};
use tower::{ServiceExt as _, service_fn};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use super::*;

/// Keeps what is recorded on spans and the events that are told, as text.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<String>>>);

struct Fields<'a>(&'a mut Vec<String>);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Told {
    fn on_record(
        &self,
        _: &tracing::span::Id,
        values: &tracing::span::Record<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut told = self.0.lock().unwrap();
        told.push(event.metadata().level().to_string());
        event.record(&mut Fields(&mut told));
    }
}

/// What a server-side layer tells of a call to `path` that is answered with `response`.
async fn told_of(path: &str, response: Result<Response<Body>, BoxError>) -> Vec<String> {
    let told = Told::default();
    let _default = tracing::subscriber::set_default(Registry::default().with(told.clone()));
    let mut response = Some(response);
    let service = service_fn(move |_: Request<Body>| std::future::ready(response.take().expect("one call")));
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    if let Ok(response) = GrpcServerTrace.layer(service).oneshot(request).await {
        let mut body = response.into_body();
        while let Some(Ok(_)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
    }
    let told = told.0.lock().unwrap();
    told.clone()
}

const METHOD: &str = "/baton.v1.JobsService/GetJob";

fn refused(code: Code) -> Result<Response<Body>, BoxError> {
    Ok(Status::new(code, "because").into_http())
}

/// A response whose body ends with these trailers.
fn with_trailers(status: &'static str) -> Result<Response<Body>, BoxError> {
    struct Trailers(Option<http::HeaderMap>);
    impl HttpBody for Trailers {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.take().map(|trailers| Ok(http_body::Frame::trailers(trailers))))
        }
    }
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static(status),
    )]);
    Ok(Response::new(Body::new(Trailers(Some(trailers)))))
}

#[tokio::test]
async fn a_status_in_the_trailers_is_recorded() {
    assert_eq!(told_of(METHOD, with_trailers("0")).await, ["rpc.grpc.status_code=0"]);
}

#[tokio::test]
async fn refusals_are_not_told_as_failures() {
    for (code, number) in [(Code::InvalidArgument, 3), (Code::NotFound, 5), (Code::Aborted, 10)] {
        assert_eq!(
            told_of(METHOD, refused(code)).await,
            [format!("rpc.grpc.status_code={number}")]
        );
    }
}

#[tokio::test]
async fn the_servers_own_faults_are_told() {
    let expected = [
        "rpc.grpc.status_code=13",
        "otel.status_code=\"ERROR\"",
        "WARN",
        "message=rpc failed",
        "code=Internal",
    ];
    assert_eq!(told_of(METHOD, refused(Code::Internal)).await, expected);
    assert_eq!(told_of(METHOD, with_trailers("13")).await, expected);
}

#[tokio::test]
async fn a_response_that_is_not_read_to_its_end_is_cancelled() {
    let told = Told::default();
    let _default = tracing::subscriber::set_default(Registry::default().with(told.clone()));
    let service = service_fn(|_: Request<Body>| std::future::ready(with_trailers("0")));
    let request = Request::builder().uri(METHOD).body(Body::empty()).unwrap();
    drop(GrpcServerTrace.layer(service).oneshot(request).await.unwrap());
    assert_eq!(*told.0.lock().unwrap(), ["rpc.grpc.status_code=1"]);
}

#[tokio::test]
async fn a_response_without_a_status_is_a_fault() {
    let told = told_of(METHOD, Ok(Response::new(Body::empty()))).await;
    assert_eq!(told[..2], ["rpc.grpc.status_code=2", "otel.status_code=\"ERROR\""]);
    let told = told_of(METHOD, Err("handler gone".into())).await;
    assert_eq!(told[..2], ["rpc.grpc.status_code=2", "otel.status_code=\"ERROR\""]);
}

#[tokio::test]
async fn health_checks_are_not_traced() {
    assert!(
        told_of("/grpc.health.v1.Health/Check", refused(Code::Internal))
            .await
            .is_empty()
    );
}

#[test]
fn for_a_client_every_refusal_is_a_failure() {
    assert!(call::is_failure(Side::Client, Code::NotFound));
    assert!(!call::is_failure(Side::Client, Code::Ok));
    assert!(!call::is_failure(Side::Client, Code::Cancelled));
}

#[test]
fn paths_split_into_service_and_method() {
    assert_eq!(names(METHOD), ("baton.v1.JobsService", "GetJob"));
    assert_eq!(names("/odd"), ("odd", ""));
}
