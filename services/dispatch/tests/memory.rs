//! What a call holds in memory while its receiver sends ten gigabytes. A process of its own: it counts every allocation.

use std::{sync::Arc, time::Duration};

use baton_dispatch::{EgressPolicy, HttpDispatcher};
use baton_domain::{
    call::{CallOutcome, Dispatcher as _, HttpCall, HttpRequest},
    ids::RunId,
};
use peak_alloc::PeakAlloc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const TEN_GIGABYTES: u64 = 10_000_000_000;
const MIB: usize = 1 << 20;

/// Answers one call with as much of ten gigabytes as is taken. Returns how much that was.
async fn send_ten_gigabytes(listener: TcpListener) -> u64 {
    let (mut stream, _) = listener.accept().await.expect("somebody calls");
    let mut request = [0; 4_096];
    assert!(stream.read(&mut request).await.expect("it asks") > 0);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {TEN_GIGABYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it listens");
    let chunk = vec![b'x'; 64 * 1_024];
    let mut sent = 0;
    while sent < TEN_GIGABYTES {
        match stream.write(&chunk).await {
            Ok(written) => sent += u64::try_from(written).expect("a chunk is small"),
            Err(_) => break,
        }
    }
    sent
}

async fn call(url: String, max_response_bytes: usize) -> CallOutcome {
    let allow = vec!["127.0.0.0/8".parse().expect("a network")];
    let dispatcher = HttpDispatcher::new(EgressPolicy { allow }).expect("a dispatcher");
    let request = HttpRequest {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: None,
    };
    let call = HttpCall {
        run_id: RunId(uuid::Uuid::from_u128(1)),
        attempt: 1,
        request: Arc::new(request),
        timeout: Duration::from_secs(60),
        max_response_bytes,
    };
    dispatcher.call(call).await
}

#[tokio::test]
async fn a_ten_gigabyte_response_is_cut_and_memory_stays_flat() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let sender = tokio::spawn(send_ten_gigabytes(listener));

    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let outcome = call(url, MIB).await;
    let held = MEMORY.peak_usage() - before;

    assert_eq!(
        (outcome.status_code, outcome.response.len(), outcome.truncated),
        (Some(200), MIB, true)
    );
    assert!(outcome.is_success(), "{:?}", outcome.error);
    assert!(held < 8 * MIB, "{held} bytes were held at once");
    let sent = sender.await.expect("the sender does not panic");
    assert!(sent < 64 * 1_048_576, "{sent} bytes were taken from the sender");
}
