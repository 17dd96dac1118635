//! Sends a request and reads the response into an outcome that stays valid at every await.
//!
//! The deadline may end this anywhere: what has arrived until then is already in the outcome.

use baton_domain::call::{CallError, CallOutcome};
use reqwest::{Client, Request, Response};

use crate::{failure, retry_after::retry_after};

/// Sends `request` and keeps at most `max_bytes` of the response's body.
pub(crate) async fn exchange(
    client: &Client,
    request: Request,
    max_bytes: usize,
    outcome: &mut CallOutcome,
) -> Result<(), CallError> {
    let mut response = client.execute(request).await.map_err(failure::broken)?;
    outcome.status_code = Some(response.status().as_u16());
    outcome.retry_after = retry_after(response.headers());
    read_body(&mut response, max_bytes, outcome).await
}

/// Stops reading at the cap; dropping the response then closes its connection.
async fn read_body(response: &mut Response, max_bytes: usize, outcome: &mut CallOutcome) -> Result<(), CallError> {
    while let Some(chunk) = response.chunk().await.map_err(failure::broken)? {
        let room = max_bytes - outcome.response.len();
        if chunk.len() > room {
            outcome.response.extend_from_slice(&chunk[..room]);
            outcome.truncated = true;
            return Ok(());
        }
        outcome.response.extend_from_slice(&chunk);
    }
    Ok(())
}
