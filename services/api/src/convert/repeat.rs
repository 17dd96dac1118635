//! Requests that may be repeated: what makes the second of two the same as the first.
//!
//! A `request_id` stands for the request it came with, so the digest covers every other field.

use baton_domain::{limits, services::Idempotency};
use baton_proto::v1 as pb;
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::Fields;

/// A create or submit request.
pub(crate) trait Repeatable: Message + Clone {
    /// Name of the RPC.
    const METHOD: &'static str;

    fn request_id(&mut self) -> &mut String;

    /// Takes out what has no fixed order in the encoded form, as bytes that have one.
    fn take_unordered(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// Reads the request's id.
pub(crate) fn read<T: Repeatable>(fields: &mut Fields, request: &T) -> Idempotency {
    let mut rest = request.clone();
    let request_id = std::mem::take(rest.request_id());
    if request_id.is_empty() {
        // Nobody asks what it was.
        return Idempotency {
            method: T::METHOD,
            request_id,
            digest: String::new(),
        };
    }
    if request_id.chars().count() > limits::REQUEST_ID_CHARS {
        let bound = format!("must have at most {} characters", limits::REQUEST_ID_CHARS);
        fields.push("request_id", bound);
    }
    let unordered = rest.take_unordered();
    let digest = Sha256::new_with_prefix(rest.encode_to_vec())
        .chain_update(unordered)
        .finalize();
    Idempotency {
        method: T::METHOD,
        request_id,
        digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

impl Repeatable for pb::CreateJobRequest {
    const METHOD: &'static str = "CreateJob";

    fn request_id(&mut self) -> &mut String {
        &mut self.request_id
    }
}

impl Repeatable for pb::CreateEndpointRequest {
    const METHOD: &'static str = "CreateEndpoint";

    fn request_id(&mut self) -> &mut String {
        &mut self.request_id
    }
}

impl Repeatable for pb::SubmitRunRequest {
    const METHOD: &'static str = "SubmitRun";

    fn request_id(&mut self) -> &mut String {
        &mut self.request_id
    }
}

impl Repeatable for pb::TestEndpointRequest {
    const METHOD: &'static str = "TestEndpoint";

    fn request_id(&mut self) -> &mut String {
        &mut self.request_id
    }
}

impl Repeatable for pb::CreateFlashSaleRequest {
    const METHOD: &'static str = "CreateFlashSale";

    fn request_id(&mut self) -> &mut String {
        &mut self.request_id
    }

    /// The signals: a map is encoded in whatever order it is held.
    fn take_unordered(&mut self) -> Vec<u8> {
        let signals = self.flash_sale.as_mut().map(|sale| std::mem::take(&mut sale.signals));
        let mut signals: Vec<(String, f64)> = signals.into_iter().flatten().collect();
        signals.sort_by(|(one, _), (other, _)| one.cmp(other));
        let entry = |(name, value): (String, f64)| {
            let length = (name.len() as u64).to_be_bytes();
            [&length[..], name.as_bytes(), &value.to_bits().to_be_bytes()[..]].concat()
        };
        signals.into_iter().flat_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest<T: Repeatable>(request: &T) -> String {
        read(&mut Fields::default(), request).digest
    }

    fn sale(signals: &[(&str, f64)], request_id: &str) -> pb::CreateFlashSaleRequest {
        let signals = signals
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        pb::CreateFlashSaleRequest {
            flash_sale: Some(pb::FlashSale {
                signals,
                ..pb::FlashSale::default()
            }),
            request_id: request_id.to_owned(),
        }
    }

    #[test]
    fn the_digest_is_of_everything_but_the_id() {
        let request = |name: &str, id: &str| pb::CreateJobRequest {
            name: name.to_owned(),
            request_id: id.to_owned(),
            ..pb::CreateJobRequest::default()
        };
        assert_eq!(digest(&request("a", "1")), digest(&request("a", "2")));
        assert_ne!(digest(&request("a", "1")), digest(&request("b", "1")));
        assert_eq!(digest(&request("a", "1")).len(), 64);
    }

    #[test]
    fn equal_maps_have_equal_digests() {
        let names: Vec<String> = (0..32).map(|number| format!("signal-{number}")).collect();
        let signals: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.5)).collect();
        // Every map has its own order.
        let digests: Vec<String> = (0..8).map(|_| digest(&sale(&signals, "id"))).collect();
        assert!(digests.iter().all(|other| *other == digests[0]));
        assert_ne!(digest(&sale(&[("a", 1.0)], "id")), digest(&sale(&[("a", 2.0)], "id")));
        assert_ne!(digest(&sale(&[("a", 1.0)], "id")), digest(&sale(&[], "id")));
    }
}
