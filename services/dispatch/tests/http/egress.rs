//! Whom a dispatcher reaches, by name and by address, over real connections.

use crate::receiver::{Receiver, Then, call, dispatcher};
use baton_domain::call::{CallErrorKind, CallOutcome, Dispatcher as _};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn get(allow: &[&str], url: &str) -> CallOutcome {
    dispatcher(allow).call(call("GET", url, None)).await
}

/// Why the call was refused, if that is what came of it.
fn refusal(outcome: &CallOutcome) -> Option<&str> {
    let error = outcome
        .error
        .as_ref()
        .filter(|error| error.kind == CallErrorKind::EgressDenied);
    error.map(|error| &*error.message)
}

#[tokio::test]
async fn loopback_is_refused_unless_allowed() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let refused = get(&[], &receiver.url()).await;
    assert_eq!(
        refusal(&refused),
        Some("127.0.0.1 may not be called: 127.0.0.1 is loopback")
    );
    assert!(!refused.is_retryable());
    assert_eq!(receiver.connections(), 0);
    assert!(get(&["127.0.0.1/32"], &receiver.url()).await.is_success());
}

#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let url = format!("http://localhost:{}/", receiver.address.port());
    let refused = get(&[], &url).await;
    let told = refusal(&refused).expect("a refusal");
    assert!(
        told.starts_with("localhost may not be called:") && told.contains("is loopback"),
        "{told}"
    );
    assert_eq!(receiver.connections(), 0);
    assert!(get(&["127.0.0.0/8"], &url).await.is_success());
}

#[tokio::test]
async fn loopback_in_disguise_is_refused() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let disguises = [
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "0",
        "[::]",
    ];
    for host in disguises {
        let url = format!("http://{host}:{}/", receiver.address.port());
        let outcome = get(&["10.0.0.0/8", "::/0"], &url).await;
        let may_be_allowed = matches!(host, "[::1]" | "[::]");
        assert!(may_be_allowed || refusal(&outcome).is_some(), "{host}: {outcome:?}");
        assert!(refusal(&get(&[], &url).await).is_some(), "{host} without any hole");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_redirect_does_not_lead_past_the_guard() {
    let inner = Receiver::answering(OK, Then::KeepAlive).await;
    let location = format!("http://localhost:{}/", inner.address.port());
    let head = format!("HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let outer = Receiver::answering(head, Then::KeepAlive).await;
    let outcome = get(&["127.0.0.1/32"], &outer.url()).await;
    assert_eq!((outcome.status_code, inner.connections()), (Some(307), 0));
}
