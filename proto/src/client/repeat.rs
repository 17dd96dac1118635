//! Which calls may be made again when nobody knows whether the first one arrived. Pure; read from the descriptors.
//!
//! Reads may, and what a repeat of has no second effect by its own description; of other calls those with a `request_id`.

use std::{collections::HashMap, sync::LazyLock};

use bytes::Buf as _;
use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, skip_field, string},
};
use prost_types::{DescriptorProto, FileDescriptorSet, MethodDescriptorProto};

const READS: [&str; 6] = ["Get", "List", "Preview", "Summarize", "Explain", "Check"];
/// "Sending it again has no second effect."
const HARMLESS: [&str; 4] = ["RenewPlan", "SubmitPlan", "AdvancePlan", "FailPlan"];

/// What is known of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Streams in either direction.
    Stream,
    Repeatable,
    /// If this field of the request is not empty.
    WithRequestId(u32),
    Once,
}

impl Method {
    /// Of a request path; one that is not known is made once.
    pub fn of(path: &str) -> Self {
        METHODS.get(path).copied().unwrap_or(Self::Once)
    }

    /// Whether a request whose body is `framed`, as gRPC sends it, may be sent again.
    pub fn may_repeat(self, framed: &[u8]) -> bool {
        match self {
            Self::Repeatable => true,
            Self::WithRequestId(tag) => has_text(framed, tag),
            Self::Stream | Self::Once => false,
        }
    }
}

/// A compressed flag and four bytes of length come before each message.
const FRAME_HEADER: usize = 5;

fn has_text(framed: &[u8], wanted: u32) -> bool {
    match framed.split_at_checked(FRAME_HEADER) {
        Some(([0, ..], message)) => text_of(message, wanted).is_ok_and(|text| !text.is_empty()),
        Some(_) | None => false,
    }
}

/// The text in a field of an encoded message.
fn text_of(mut message: &[u8], wanted: u32) -> Result<String, prost::DecodeError> {
    let mut text = String::new();
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        if tag == wanted && wire_type == WireType::LengthDelimited {
            string::merge(wire_type, &mut text, &mut message, DecodeContext::default())?;
        } else {
            skip_field(wire_type, tag, &mut message, DecodeContext::default())?;
        }
    }
    Ok(text)
}

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    // Compiled in; a test proves that it decodes.
    let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap_or_default();
    let mut methods = HashMap::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                methods.insert(path, kind(method, &set));
            }
        }
    }
    methods
});

fn kind(method: &MethodDescriptorProto, set: &FileDescriptorSet) -> Method {
    let name = method.name();
    if method.client_streaming() || method.server_streaming() {
        return Method::Stream;
    }
    if HARMLESS.contains(&name) || READS.iter().any(|read| name.starts_with(read)) {
        return Method::Repeatable;
    }
    let request = messages(set).find(|(full_name, _)| full_name == method.input_type());
    let fields = request.into_iter().flat_map(|(_, message)| &message.field);
    let mut ids = fields.filter(|field| field.name() == "request_id");
    let tag = ids.next().and_then(|field| u32::try_from(field.number()).ok());
    tag.map_or(Method::Once, Method::WithRequestId)
}

fn messages(set: &FileDescriptorSet) -> impl Iterator<Item = (String, &DescriptorProto)> {
    set.file.iter().flat_map(|file| {
        let messages = file.message_type.iter();
        messages.map(move |message| (format!(".{}.{}", file.package(), message.name()), message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    fn framed(message: &impl prost::Message) -> Vec<u8> {
        let body = message.encode_to_vec();
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&[0][..], &length, &body].concat()
    }

    fn may_repeat(method: &str, message: &impl prost::Message) -> bool {
        Method::of(&format!("/baton.v1.{method}")).may_repeat(&framed(message))
    }

    #[test]
    fn reads_and_what_has_no_second_effect_may_be_repeated() {
        for method in [
            "JobsService/GetJob",
            "JobsService/PreviewSchedule",
            "RunsService/ListRuns",
            "PlansService/SubmitPlan",
            "PlansService/FailPlan",
        ] {
            assert!(may_repeat(method, &v1::GetJobRequest::default()), "{method}");
        }
        for method in [
            "JobsService/DeleteJob",
            "JobsService/ClearHints",
            "PlansService/BeginPlan",
            "PlansService/WatchPlanningContexts",
            "RunsService/Unheard",
        ] {
            assert!(!may_repeat(method, &v1::GetJobRequest::default()), "{method}");
        }
        assert_eq!(
            Method::of("/baton.v1.PlansService/WatchPlanningContexts"),
            Method::Stream
        );
    }

    #[test]
    fn a_write_may_be_repeated_with_a_request_id_only() {
        let mut job = v1::CreateJobRequest {
            name: "shop".to_owned(),
            description: "prose".to_owned(),
            ..Default::default()
        };
        let mut run = v1::SubmitRunRequest {
            endpoint_id: "an id".to_owned(),
            planned_time: Some(prost_types::Timestamp::default()),
            ..Default::default()
        };
        assert!(!may_repeat("JobsService/CreateJob", &job));
        assert!(!may_repeat("RunsService/SubmitRun", &run));
        job.request_id = "once".to_owned();
        run.request_id = "once".to_owned();
        assert!(may_repeat("JobsService/CreateJob", &job));
        assert!(may_repeat("RunsService/SubmitRun", &run));
    }

    #[test]
    fn what_cannot_be_read_is_sent_once() {
        let method = Method::of("/baton.v1.JobsService/CreateJob");
        assert!(matches!(method, Method::WithRequestId(_)));
        for body in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 1, 26],
            &[0, 0, 0, 0, 2, 0xff, 0xff],
        ] {
            assert!(!method.may_repeat(body), "{body:?}");
        }
    }
}
