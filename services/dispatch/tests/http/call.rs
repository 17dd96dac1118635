//! What is sent, what is kept of the answer, and when a call ends, over real connections.

use std::time::Duration;

use crate::receiver::{Receiver, Then, call, dispatcher, get};
use baton_domain::call::{CallErrorKind, CallOutcome, Dispatcher as _};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SHORT: Duration = Duration::from_millis(200);

fn kind(outcome: &CallOutcome) -> Option<CallErrorKind> {
    outcome.error.as_ref().map(|error| error.kind)
}

#[tokio::test]
async fn a_complete_answer_is_a_success() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let outcome = get(&receiver.url()).await;
    assert!(outcome.is_success(), "{outcome:?}");
    assert_eq!(
        (outcome.status_code, &*outcome.response, outcome.truncated),
        (Some(200), &b"ok"[..], false)
    );
    assert!(outcome.duration > Duration::ZERO);
}

#[tokio::test]
async fn a_stalled_body_fails_at_the_deadline_with_its_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nretry-after: 7\r\n\r\npart";
    let receiver = Receiver::answering(head, Then::Stall).await;
    let mut call = call("GET", &receiver.url(), None);
    call.timeout = SHORT;
    let outcome = dispatcher(&["127.0.0.0/8"]).call(call).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (Some(200), Some(CallErrorKind::Timeout))
    );
    assert_eq!(outcome.error_text(), "the response did not end within 200ms");
    assert_eq!(
        (&*outcome.response, outcome.retry_after),
        (&b"part"[..], Some(Duration::from_secs(7)))
    );
    assert!(outcome.duration >= SHORT && !outcome.is_success());
}

#[tokio::test]
async fn a_silent_receiver_fails_at_the_deadline_without_status() {
    let receiver = Receiver::answering("", Then::Stall).await;
    let mut call = call("GET", &receiver.url(), None);
    call.timeout = SHORT;
    let outcome = dispatcher(&["127.0.0.0/8"]).call(call).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (None, Some(CallErrorKind::Timeout))
    );
    assert_eq!(outcome.error_text(), "no response within 200ms");
}

#[tokio::test]
async fn an_endless_body_is_cut_and_no_longer_read() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n";
    let mut receiver = Receiver::answering(head, Then::Endless).await;
    let outcome = get(&receiver.url()).await;
    assert_eq!(
        (outcome.response.len(), outcome.truncated, outcome.is_success()),
        (1_000, true, true)
    );
    let taken = receiver.endless_taken.recv().await.expect("the connection is closed");
    assert!(taken < 64 * 1024 * 1024, "{taken} bytes left the receiver");
}

#[tokio::test]
async fn a_body_of_exactly_the_cap_is_whole() {
    let body = "y".repeat(1_000);
    let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n\r\n{body}"), Then::Close).await;
    let outcome = get(&receiver.url()).await;
    assert_eq!(
        (outcome.response.len(), outcome.truncated, outcome.is_success()),
        (1_000, false, true)
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver = Receiver::answering(
        "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        Then::KeepAlive,
    )
    .await;
    let outcome = get(&receiver.url()).await;
    assert_eq!(
        (outcome.status_code, outcome.is_success(), outcome.is_retryable()),
        (Some(302), false, false)
    );
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn falsy_bodies_are_sent_as_they_are() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let dispatcher = dispatcher(&["127.0.0.0/8"]);
    let bodies = ["0", "false", r#""""#, "null", "", "{}"];
    for body in bodies {
        assert!(
            dispatcher
                .call(call("POST", &receiver.url(), Some(body)))
                .await
                .is_success()
        );
    }
    for (request, body) in receiver.requests().iter().zip(bodies) {
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(sent, body);
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
    }
    assert_eq!(receiver.requests().len(), bodies.len());
}

#[tokio::test]
async fn a_get_has_no_body() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let outcome = dispatcher(&["127.0.0.0/8"])
        .call(call("GET", &receiver.url(), Some("{}")))
        .await;
    assert!(outcome.is_success());
    let [request] = &receiver.requests()[..] else {
        panic!("one request")
    };
    assert!(
        request.ends_with("\r\n\r\n") && !request.contains("content-length"),
        "{request}"
    );
}

#[tokio::test]
async fn every_attempt_has_the_run_s_key() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let dispatcher = dispatcher(&["127.0.0.0/8"]);
    for attempt in 1..=2 {
        let mut call = call("POST", &receiver.url(), None);
        call.attempt = attempt;
        assert!(dispatcher.call(call).await.is_success());
    }
    assert_eq!(receiver.requests().len(), 2);
    for request in receiver.requests() {
        assert!(
            request.contains("idempotency-key: 01900000-0000-7000-8000-000000000001\r\n"),
            "{request}"
        );
        assert!(
            request.contains(concat!("user-agent: baton/", env!("CARGO_PKG_VERSION"), "\r\n")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn connections_are_kept() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let dispatcher = dispatcher(&["127.0.0.0/8"]);
    for _ in 0..5 {
        assert!(dispatcher.call(call("GET", &receiver.url(), None)).await.is_success());
    }
    assert_eq!((receiver.requests().len(), receiver.connections()), (5, 1));
}

#[tokio::test]
async fn problem_details_are_kept() {
    let problem = r#"{"title":"out of stock"}"#;
    let head = "HTTP/1.1 422 Unprocessable\r\ncontent-type: application/problem+json\r\n\r\n";
    let receiver = Receiver::answering(format!("{head}{problem}"), Then::Close).await;
    let outcome = get(&receiver.url()).await;
    assert_eq!(
        (outcome.status_code, &*outcome.response),
        (Some(422), problem.as_bytes())
    );
    assert_eq!(
        (outcome.error.as_ref(), outcome.error_text()),
        (None, "HTTP status 422".to_owned())
    );
}

#[tokio::test]
async fn an_encoded_body_is_kept_as_it_came() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nzzzz";
    let receiver = Receiver::answering(head, Then::KeepAlive).await;
    let outcome = get(&receiver.url()).await;
    assert_eq!((&*outcome.response, outcome.is_success()), (&b"zzzz"[..], true));
    assert!(!receiver.requests()[0].contains("accept-encoding"));
}

#[tokio::test]
async fn retry_after_is_read() {
    let head = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 120\r\n\r\n";
    let outcome = get(&Receiver::answering(head, Then::KeepAlive).await.url()).await;
    assert_eq!(
        (outcome.retry_after, outcome.is_retryable()),
        (Some(Duration::from_secs(120)), true)
    );
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?key=secret", listener.local_addr().unwrap());
    drop(listener);
    let outcome = get(&url).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (None, Some(CallErrorKind::Connect))
    );
    assert!(
        outcome.error_text().contains("refused") && !outcome.error_text().contains("secret"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_failed_tls_handshake_is_a_connect_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 No TLS here\r\n\r\n").await
    });
    let outcome = get(&url).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (None, Some(CallErrorKind::Connect)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let outcome = get(&Receiver::answering("SSH-2.0-OpenSSH\r\n\r\n", Then::Close).await.url()).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (None, Some(CallErrorKind::Protocol))
    );
    let outcome = get(&Receiver::answering("", Then::Close).await.url()).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (None, Some(CallErrorKind::Protocol))
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_protocol_error_with_its_status() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart";
    let outcome = get(&Receiver::answering(head, Then::Close).await.url()).await;
    assert_eq!(
        (outcome.status_code, kind(&outcome)),
        (Some(200), Some(CallErrorKind::Protocol))
    );
    assert_eq!((&*outcome.response, outcome.is_success()), (&b"part"[..], false));
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_invalid_request() {
    let outcome = get("http://user:word@127.0.0.1/").await;
    assert_eq!(
        (kind(&outcome), outcome.is_retryable()),
        (Some(CallErrorKind::InvalidRequest), false)
    );
}
