//! The sink's process: says where it listens, serves, and tells what it has seen for each line of its standard input.

use std::io::Write as _;

use anyhow::Result;
use tokio::{net::TcpListener, sync::mpsc};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (ask, questions) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines();
        // Ends with the input, or with the sink.
        lines.map_while(Result::ok).all(|_| ask.blocking_send(()).is_ok())
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    baton_bench::sink::serve(listener, questions).await
}
