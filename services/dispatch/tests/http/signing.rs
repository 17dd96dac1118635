//! Signed calls over real connections.

use std::sync::Arc;

use baton_dispatch::Signer;
use baton_domain::{
    call::Dispatcher as _,
    fixtures::TestClock,
    time::{Clock as _, from_micros},
};

use crate::receiver::{Receiver, Then, call, dispatcher};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const KEYS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = request.split_once("\r\n\r\n")?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[tokio::test]
async fn every_attempt_is_signed_anew_under_the_run_s_id() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let clock = Arc::new(TestClock::at(from_micros(1_800_000_000_000_000)));
    let signer = Signer::parse(KEYS, clock.clone()).expect("keys");
    let dispatcher = dispatcher(&["127.0.0.0/8"]).with_signer(signer);
    for (attempt, body) in [(1, Some("{}")), (2, Some("{}")), (3, None)] {
        let mut call = call("POST", &receiver.url(), body);
        call.attempt = attempt;
        assert!(dispatcher.call(call).await.is_success());
        clock.advance(std::time::Duration::from_secs(60));
    }
    let requests = receiver.requests();
    let all = |name| requests.iter().map(|request| header(request, name)).collect::<Vec<_>>();
    let id = Some("01900000-0000-7000-8000-000000000001");
    assert_eq!(all("webhook-id"), [id; 3]);
    assert_eq!(all("idempotency-key"), [id; 3]);
    assert_eq!(
        all("webhook-timestamp"),
        [Some("1800000000"), Some("1800000060"), Some("1800000120")]
    );
    let signatures = all("webhook-signature");
    for (place, signature) in signatures.iter().enumerate() {
        let parts: Vec<&str> = signature.expect("it is signed").split(' ').collect();
        assert!(
            parts.len() == 2 && parts.iter().all(|part| part.starts_with("v1,")),
            "{parts:?}"
        );
        assert!(!signatures[..place].contains(signature), "each has its own time");
    }
    assert_eq!(clock.now(), from_micros(1_800_000_180_000_000));
}

#[tokio::test]
async fn a_get_is_signed_without_a_body() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let clock = Arc::new(TestClock::at(from_micros(1_800_000_000_000_000)));
    let dispatcher = dispatcher(&["127.0.0.0/8"]).with_signer(Signer::parse(KEYS, clock).expect("keys"));
    for (method, body) in [("GET", Some("{}")), ("POST", None)] {
        assert!(dispatcher.call(call(method, &receiver.url(), body)).await.is_success());
    }
    let [get, post] = &receiver.requests()[..] else {
        panic!("two requests")
    };
    let signature = header(get, "webhook-signature");
    assert!(
        signature.is_some() && signature == header(post, "webhook-signature"),
        "both sign nothing behind the time"
    );
}

#[tokio::test]
async fn nothing_is_signed_without_keys() {
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let dispatcher = dispatcher(&["127.0.0.0/8"]);
    assert!(dispatcher.call(call("GET", &receiver.url(), None)).await.is_success());
    assert_eq!(header(&receiver.requests()[0], "webhook-signature"), None);
}
