//! What a failed call is told as: a kind for the engine, one sentence for people.

use std::{error::Error as StdError, time::Duration};

use baton_domain::call::{CallError, CallErrorKind};

use crate::{request::InvalidRequest, resolver::EgressDenied};

impl From<InvalidRequest> for CallError {
    fn from(error: InvalidRequest) -> Self {
        Self {
            kind: CallErrorKind::InvalidRequest,
            message: error.to_string(),
        }
    }
}

impl From<EgressDenied> for CallError {
    fn from(error: EgressDenied) -> Self {
        Self {
            kind: CallErrorKind::EgressDenied,
            message: error.to_string(),
        }
    }
}

/// The deadline passed. `has_status` tells whether response headers had arrived.
pub(crate) fn timed_out(timeout: Duration, has_status: bool) -> CallError {
    let missing = if has_status {
        "the response did not end"
    } else {
        "no response"
    };
    CallError {
        kind: CallErrorKind::Timeout,
        message: format!("{missing} within {timeout:?}"),
    }
}

/// Sending failed, or the response broke off.
pub(crate) fn broken(error: reqwest::Error) -> CallError {
    if let Some(denied) = source_of::<EgressDenied>(&error) {
        return CallError {
            kind: CallErrorKind::EgressDenied,
            message: denied.to_string(),
        };
    }
    let kind = if error.is_connect() {
        CallErrorKind::Connect
    } else {
        CallErrorKind::Protocol
    };
    // URLs can hold secrets; the endpoint's own is known to whoever reads this.
    CallError {
        kind,
        message: chain(&error.without_url()),
    }
}

fn source_of<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    sources(error).find_map(|source| source.downcast_ref())
}

/// The error and what is behind it, each told once.
fn chain(error: &reqwest::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for source in sources(error) {
        let text = source.to_string();
        if !told.iter().any(|earlier| earlier.contains(&text)) {
            told.push(text);
        }
    }
    told.join(": ")
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| (*error).source())
}
