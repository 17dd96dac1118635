//! Calls an RPC that is known by its descriptor only: messages travel as the bytes they are.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

use super::messages::Sent;

/// What came back: every message until the stream ended or fell silent, or the status that ended it.
pub type Answer = Result<Vec<DynamicMessage>, Status>;

/// Virtual time without a message after which a stream counts as silent; shorter than any poll of the server.
const SILENCE: Duration = Duration::from_millis(500);

/// Sends the messages; unary calls are streams of one.
pub async fn call(channel: &Channel, method: &MethodDescriptor, messages: Vec<Bytes>) -> Answer {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = PathAndQuery::from_maybe_shared(path).expect("a path");
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    client.ready().await.expect("connected");
    let request = Request::new(tokio_stream::iter(messages));
    let mut answers = client.streaming(request, path, AsBytes).await?.into_inner();
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

#[derive(Clone, Copy)]
struct AsBytes;

impl Codec for AsBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
