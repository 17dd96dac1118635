//! Requests and cursors of WatchRuns.
//!
//! A cursor is a place in the change feed of the database with a digest, so that a cut or mistyped one is noticed. It is
//! opaque to callers, and no secret: whose runs are told of comes from the credential, never from a cursor.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use baton_domain::{
    error::Error,
    ids::{EndpointId, JobId, PlanId, UserId},
    ports::{ChangeCursor, RunFilter},
};
use baton_proto::v1 as pb;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    Fields,
    run::{read_source, read_statuses},
};

const NUMBER_BYTES: usize = 8;
const PLACE_BYTES: usize = NUMBER_BYTES + 16;
const DIGEST_BYTES: usize = 8;

/// What a watch is to tell of, and from where on.
pub(crate) struct WatchRequest {
    pub filter: RunFilter,
    /// `None` means from now on.
    pub cursor: Option<ChangeCursor>,
    pub snapshot: bool,
}

pub(crate) fn read(user: UserId, request: &pb::WatchRunsRequest) -> Result<WatchRequest, Error> {
    let mut fields = Fields::default();
    let filter = RunFilter {
        user_id: user,
        job_id: fields.optional_id("job_id", request.job_id.as_deref(), JobId),
        endpoint_id: fields.optional_id("endpoint_id", request.endpoint_id.as_deref(), EndpointId),
        source: read_source(&mut fields, request.source.as_deref()),
        statuses: read_statuses(&mut fields, &request.statuses),
        plan_id: fields.optional_id("plan_id", request.plan_id.as_deref(), PlanId),
        from: None,
        to: None,
    };
    let cursor = (!request.cursor.is_empty()).then(|| place_of(&request.cursor));
    if cursor == Some(None) {
        fields.push("cursor", "is not a cursor of WatchRuns");
    }
    if request.snapshot && cursor.is_some() {
        fields.push("snapshot", "must not be set together with a cursor");
    }
    fields.done()?;
    Ok(WatchRequest {
        filter,
        cursor: cursor.flatten(),
        snapshot: request.snapshot,
    })
}

/// The text of a place.
pub(crate) fn cursor(at: ChangeCursor) -> String {
    let place = [&at.number.to_be_bytes()[..], &at.run.as_bytes()[..]].concat();
    let digest = digest(&place);
    URL_SAFE_NO_PAD.encode([place, digest].concat())
}

fn place_of(cursor: &str) -> Option<ChangeCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (place, rest) = bytes.split_at_checked(PLACE_BYTES)?;
    let (number, run) = place.split_at_checked(NUMBER_BYTES)?;
    (rest == digest(place)).then_some(())?;
    Some(ChangeCursor {
        number: i64::from_be_bytes(number.try_into().ok()?),
        run: Uuid::from_slice(run).ok()?,
    })
}

fn digest(place: &[u8]) -> Vec<u8> {
    let whole = Sha256::new_with_prefix("WatchRuns").chain_update(place).finalize();
    whole[..DIGEST_BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_a_changed_one_is_not() {
        let at = ChangeCursor {
            number: 42,
            run: Uuid::from_u128(7),
        };
        let text = cursor(at);
        assert_eq!(place_of(&text), Some(at));
        assert_eq!(place_of(&text[1..]), None);
        assert_eq!(place_of(&text[..text.len() - 1]), None);
        for garbage in ["x", "====", "\u{fc}", &"A".repeat(43), &"A".repeat(5_000)] {
            assert_eq!(place_of(garbage), None, "{garbage}");
        }
    }
}
