//! The OpenAI client against a local HTTP server that answers well, badly, late or not at all.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::post,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

use super::{
    openai::{OpenAiConfig, OpenAiModel},
    *,
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A server that gives one prepared answer, and keeps what it was asked.
struct Stub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Prepared {
    status: StatusCode,
    retry_after: Option<&'static str>,
    body: Bytes,
    /// Answers only once notified.
    hold: Option<Arc<Notify>>,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stub {
    async fn start(status: u16, body: impl Into<Bytes>) -> Self {
        Self::start_with(status, body, |_| {}).await
    }

    async fn start_with(status: u16, body: impl Into<Bytes>, change: impl FnOnce(&mut Prepared)) -> Self {
        let asked = Arc::default();
        let mut prepared = Prepared {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: body.into(),
            hold: None,
            asked: Arc::clone(&asked),
        };
        change(&mut prepared);
        let app = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(prepared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked, server }
    }

    fn model(&self) -> OpenAiModel {
        model_at(self.address)
    }

    async fn ask(&self) -> Result<Reply, ModelError> {
        self.model().ask(&messages(), &json!({"type": "object"}), TIMEOUT).await
    }

    async fn error(&self) -> ModelError {
        self.ask().await.unwrap_err()
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn answer(State(prepared): State<Prepared>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let question = serde_json::from_slice(&body).unwrap();
    prepared.asked.lock().unwrap().push((headers, question));
    if let Some(hold) = &prepared.hold {
        hold.notified().await;
    }
    let mut response = Response::builder()
        .status(prepared.status)
        .header("content-type", "application/json");
    if let Some(seconds) = prepared.retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(Body::from(prepared.body)).unwrap()
}

fn model_at(address: SocketAddr) -> OpenAiModel {
    rustls::crypto::ring::default_provider().install_default().ok();
    let config = OpenAiConfig {
        base_url: format!("http://{address}/v1"),
        api_key: "secret-key".to_owned().into(),
        model: "model-1".to_owned(),
        temperature: None,
    };
    OpenAiModel::new(config).unwrap()
}

fn messages() -> Vec<Message> {
    vec![
        Message::system("instructions"),
        Message::user("question"),
        Message::assistant("bad"),
        Message::user("again"),
    ]
}

fn completion(message: Value, finish_reason: &str) -> String {
    let choice = json!({"index": 0, "message": message, "finish_reason": finish_reason});
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage})
        .to_string()
}

fn said(text: &str, finish_reason: &str) -> String {
    completion(json!({"role": "assistant", "content": text}), finish_reason)
}

#[tokio::test]
async fn an_answer_comes_with_what_it_cost() {
    let stub = Stub::start(200, said("{}", "stop")).await;
    let usage = Usage {
        input_tokens: 11,
        output_tokens: 7,
    };
    assert_eq!(
        stub.ask().await.unwrap(),
        Reply {
            text: "{}".to_owned(),
            usage
        }
    );
}

#[tokio::test]
async fn the_request_has_the_key_the_messages_and_a_strict_schema() {
    let stub = Stub::start(200, said("{}", "stop")).await;
    stub.ask().await.unwrap();
    let (headers, request) = stub.asked.lock().unwrap().remove(0);
    assert_eq!(headers["authorization"], "Bearer secret-key");
    assert!(!headers.contains_key("openai-organization"));
    assert_eq!(request["model"], "model-1");
    let roles: Vec<_> = request["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["role"])
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "plan", "schema": {"type": "object"}, "strict": true}});
    assert_eq!(request["response_format"], format);
    assert!(request.get("temperature").is_none());
}

#[tokio::test]
async fn errors_by_status_are_told_apart_and_not_retried() {
    let body = json!({"error": {"message": "said the server", "type": null, "param": null, "code": null}}).to_string();
    let cases = [
        (400, ErrorKind::BadRequest),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Unauthorized),
        (404, ErrorKind::BadRequest),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::ServerError),
        (503, ErrorKind::ServerError),
    ];
    for (status, kind) in cases {
        let stub = Stub::start(status, body.clone()).await;
        let error = stub.error().await;
        assert_eq!(error.kind, kind, "{status}");
        assert!(error.message.contains(&status.to_string()), "{}", error.message);
        assert_eq!(stub.requests(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_error_that_is_not_json_keeps_its_status_and_text() {
    let stub = Stub::start(404, "<html>not here</html>").await;
    let error = stub.error().await;
    assert_eq!(
        (error.kind, error.raw.as_str()),
        (ErrorKind::BadRequest, "<html>not here</html>")
    );
}

#[tokio::test]
async fn a_wrong_key_is_one_clear_line_without_the_key_and_opens_the_circuit() {
    let stub = Stub::start(401, r#"{"error":{"message":"Incorrect API key provided: secret-key"}}"#).await;
    let error = stub.error().await;
    assert_eq!(
        error.message,
        "the model server refused the API key with HTTP status 401 Unauthorized"
    );
    assert_eq!(error.failure(), Failure::Lasting);
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let stub = Stub::start_with(429, "slow down", |prepared| prepared.retry_after = Some("17")).await;
    let error = stub.error().await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
    assert_eq!(error.failure(), Failure::HoldFor(Duration::from_secs(17)));
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let refusal = completion(
        json!({"role": "assistant", "content": null, "refusal": "I will not"}),
        "stop",
    );
    let without_choice = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []});
    let cases = [
        (refusal, ErrorKind::Refused, "I will not"),
        (said("half an ans", "length"), ErrorKind::Truncated, "half an ans"),
        (said("", "content_filter"), ErrorKind::Refused, ""),
        (said(" \n", "stop"), ErrorKind::Empty, " \n"),
        (without_choice.to_string(), ErrorKind::Empty, ""),
        ("garbage".to_owned(), ErrorKind::BadResponse, "garbage"),
        ("{}".to_owned(), ErrorKind::BadResponse, "{}"),
    ];
    for (body, kind, raw) in cases {
        let error = Stub::start(200, body.clone()).await.error().await;
        assert_eq!((error.kind, error.raw.as_str()), (kind, raw), "{body}");
    }
}

#[tokio::test]
async fn a_truncated_answer_still_tells_its_cost() {
    let error = Stub::start(200, said("half", "length")).await.error().await;
    assert_eq!(
        error.usage,
        Usage {
            input_tokens: 11,
            output_tokens: 7
        }
    );
}

#[tokio::test]
async fn an_enormous_response_is_not_read_to_its_end() {
    let stub = Stub::start(200, vec![b' '; 3 * 1024 * 1024]).await;
    assert_eq!(stub.error().await.kind, ErrorKind::TooLong);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    // Bound and dropped: nobody listens on it now.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = model_at(address)
        .ask(&messages(), &json!({}), TIMEOUT)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("refused"), "{}", error.message);
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    let hold = Arc::new(Notify::new());
    let stub = Stub::start_with(200, said("{}", "stop"), |prepared| {
        prepared.hold = Some(Arc::clone(&hold))
    })
    .await;
    let error = stub
        .model()
        .ask(&messages(), &json!({}), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("50ms"), "{}", error.message);
}
