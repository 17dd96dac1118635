//! A receiver that answers every request with fixed bytes, well-formed or not, and keeps what it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use baton_dispatch::{EgressPolicy, HttpDispatcher};
use baton_domain::{
    call::{CallOutcome, Dispatcher as _, HttpCall, HttpRequest},
    ids::RunId,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What follows the fixed bytes.
#[derive(Clone, Copy, PartialEq)]
pub enum Then {
    /// The next request of the connection.
    KeepAlive,
    Close,
    /// Nothing, with the connection left open.
    Stall,
    /// More bytes for as long as somebody takes them.
    Endless,
}

pub struct Receiver {
    pub address: SocketAddr,
    received: Arc<Mutex<Received>>,
    /// How many endless bytes were taken, once the connection is closed.
    pub endless_taken: mpsc::UnboundedReceiver<usize>,
}

#[derive(Default)]
struct Received {
    connections: usize,
    requests: Vec<String>,
}

impl Receiver {
    pub async fn answering(response: impl Into<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Received>>::default();
        let (taken, endless_taken) = mpsc::unbounded_channel();
        let response: Arc<[u8]> = response.into().into();
        let shared = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                tokio::spawn(serve(
                    stream,
                    Arc::clone(&response),
                    then,
                    Arc::clone(&shared),
                    taken.clone(),
                ));
            }
        });
        Self {
            address,
            received,
            endless_taken,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?key=secret", self.address)
    }

    pub fn connections(&self) -> usize {
        self.received.lock().unwrap().connections
    }

    /// Head and body of each request, with lower-case header names as the client writes them.
    pub fn requests(&self) -> Vec<String> {
        self.received.lock().unwrap().requests.clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    response: Arc<[u8]>,
    then: Then,
    received: Arc<Mutex<Received>>,
    taken: mpsc::UnboundedSender<usize>,
) {
    while let Some(request) = read_request(&mut stream).await {
        received.lock().unwrap().requests.push(request);
        stream.write_all(&response).await.unwrap();
        match then {
            Then::KeepAlive => {}
            Then::Close => return,
            Then::Stall => std::future::pending().await,
            Then::Endless => {
                let chunk = vec![b'x'; 64 * 1024];
                let mut sent = 0;
                while let Ok(written) = stream.write(&chunk).await {
                    sent += written;
                }
                taken.send(sent).ok();
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return Some(text);
        }
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(name, _)| *name == "content-length")
        .find_map(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

/// A dispatcher that may call these networks besides the public internet.
pub fn dispatcher(allow: &[&str]) -> HttpDispatcher {
    rustls::crypto::ring::default_provider().install_default().ok();
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    HttpDispatcher::new(EgressPolicy { allow }).unwrap()
}

pub fn call(method: &str, url: &str, body: Option<&str>) -> HttpCall {
    HttpCall {
        run_id: RunId(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
        attempt: 1,
        request: Arc::new(HttpRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.map(|body| body.as_bytes().to_vec()),
        }),
        timeout: Duration::from_secs(20),
        max_response_bytes: 1_000,
    }
}

/// What comes of a GET by a dispatcher that may call loopback.
pub async fn get(url: &str) -> CallOutcome {
    dispatcher(&["127.0.0.0/8"]).call(call("GET", url, None)).await
}
