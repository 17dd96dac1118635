//! Signatures in the Standard Webhooks form: a receiver that knows a key can tell that a call is ours, whole, and fresh.
//!
//! The id is the run's, the same for every attempt; the time is the attempt's. Each key in use signs, so that receivers
//! may change from one to the next in their own time. Called by the dispatcher between `request` and `exchange`.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use baton_domain::{ids::RunId, time::Clock};
use reqwest::{
    Body, Request,
    header::{HeaderName, HeaderValue, InvalidHeaderValue},
};
use ring::hmac;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What secrets are written with.
const PREFIX: &str = "whsec_";
/// Of a key, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Why keys cannot be used. Never tells the key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("there is no key")]
    None,
    #[error("line {0}: a key begins with whsec_, followed by Base64")]
    Form(usize),
    #[error("line {0}: a key has 24 to 64 bytes")]
    Length(usize),
}

/// Signs calls.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<hmac::Key>,
    clock: Arc<dyn Clock>,
}

impl Signer {
    /// Keys in use, one a line in the form `whsec_` and Base64, the newest first. Empty lines and those that begin with `#`
    /// say nothing.
    ///
    /// # Errors
    /// When a line is no key, or none is.
    pub fn parse(text: &str, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let lines = text.lines().map(str::trim).zip(1..);
        let said = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let keys = said.map(|(line, number)| key_of(line, number));
        let keys: Vec<hmac::Key> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::None);
        }
        Ok(Self { keys, clock })
    }

    /// Writes the three headers, in place of stored ones of these names.
    pub(crate) fn sign(&self, run_id: RunId, request: &mut Request) -> Result<(), InvalidHeaderValue> {
        let timestamp = self.clock.now().timestamp();
        let payload = request.body().and_then(Body::as_bytes).unwrap_or_default();
        let signatures = self.signatures(&run_id.to_string(), timestamp, payload);
        let headers = request.headers_mut();
        headers.insert(ID, HeaderValue::try_from(run_id.to_string())?);
        headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
        headers.insert(SIGNATURE, HeaderValue::try_from(signatures)?);
        Ok(())
    }

    /// One of each key, separated by spaces.
    fn signatures(&self, id: &str, timestamp: i64, payload: &[u8]) -> String {
        let signed = self.keys.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{timestamp}.").as_bytes());
            context.update(payload);
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("keys", &self.keys.len()).finish()
    }
}

fn key_of(line: &str, number: usize) -> Result<hmac::Key, KeyError> {
    let secret = line.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let secret = secret.ok_or(KeyError::Form(number))?;
    if !LENGTHS.contains(&secret.len()) {
        return Err(KeyError::Length(number));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

#[cfg(test)]
mod tests {
    use baton_domain::{fixtures::TestClock, time::from_micros};

    use super::*;

    const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer(text: &str) -> Result<Signer, KeyError> {
        Signer::parse(text, Arc::new(TestClock::at(from_micros(1_649_367_553_999_999))))
    }

    #[test]
    fn the_example_of_the_specification_is_signed_as_there() {
        let payload = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signatures =
            signer(OLD)
                .expect("a key")
                .signatures("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, payload);
        assert_eq!(signatures, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn each_key_signs_the_newest_first() {
        let both = signer(&format!("# since Monday\n{NEW}\n\n  {OLD}  \n")).expect("keys");
        let alone = |key| signer(key).expect("a key").signatures("id", 7, b"\xff\x00");
        assert_eq!(
            both.signatures("id", 7, b"\xff\x00"),
            format!("{} {}", alone(NEW), alone(OLD))
        );
    }

    #[test]
    fn the_headers_are_ours_and_the_time_is_the_clocks() {
        let url = url::Url::parse("http://shop.test/").expect("a URL");
        let mut request = Request::new(reqwest::Method::GET, url);
        request.headers_mut().append(ID, HeaderValue::from_static("forged"));
        let run_id = RunId(uuid::Uuid::from_u128(7));
        signer(OLD)
            .expect("a key")
            .sign(run_id, &mut request)
            .expect("it can be signed");
        let ids: Vec<_> = request.headers().get_all(ID).iter().collect();
        assert_eq!(ids, [&run_id.to_string()]);
        assert_eq!(request.headers()[TIMESTAMP], "1649367553");
        let without_body = signer(OLD)
            .expect("a key")
            .signatures(&run_id.to_string(), 1_649_367_553, b"");
        assert_eq!(request.headers()[SIGNATURE], without_body);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_told() {
        let refusal = |text: &str| signer(text).map(|_| ()).unwrap_err();
        assert_eq!(refusal(" \n# nothing\n"), KeyError::None);
        assert_eq!(refusal("\nsecret"), KeyError::Form(2));
        assert_eq!(refusal("whsec_not base64"), KeyError::Form(1));
        assert_eq!(refusal("whsec_c2hvcnQ="), KeyError::Length(1));
        assert_eq!(format!("{:?}", signer(OLD).expect("a key")), "Signer { keys: 1 }");
    }
}
