//! Calls an RPC that is known by its descriptor only.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{Status, transport::Channel};

use super::messages::Sent;
use crate::by_path;

/// What came back: every message until the stream ended or fell silent, or the status that ended it.
pub type Answer = Result<Vec<DynamicMessage>, Status>;

/// Virtual time without a message after which a stream counts as silent; shorter than any poll of the server.
const SILENCE: Duration = Duration::from_millis(500);

/// Sends the messages; unary calls are streams of one.
pub async fn call(channel: &Channel, method: &MethodDescriptor, messages: Vec<Bytes>) -> Answer {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut answers = by_path::send(channel, &path, None, messages).await?;
    let mut received = Vec::new();
    while let Ok(next) = tokio::time::timeout(SILENCE, answers.message()).await {
        let Some(bytes) = next? else { break };
        let answer = DynamicMessage::decode(method.output(), bytes).expect("an answer of the RPC's type");
        received.push(answer);
    }
    Ok(received)
}

pub fn encoded(messages: &[Sent]) -> Vec<Bytes> {
    messages
        .iter()
        .map(|Sent(message)| message.encode_to_vec().into())
        .collect()
}
