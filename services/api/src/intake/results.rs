//! The results of one stream of runs, within what one answer may hold.

use baton_proto::v1 as pb;
use pb::submit_runs_result::Outcome;
use prost::Message as _;
use tonic::Status;
use tonic_types::StatusExt as _;

/// The answer is full when its results exceed this, so that it passes the 4 MiB that clients accept by default.
const BYTES: usize = 3 * 1_024 * 1_024;

#[derive(Debug, Default)]
pub(super) struct Results {
    results: Vec<pb::SubmitRunsResult>,
    bytes: usize,
}

impl Results {
    /// Adds the outcomes of the next messages.
    pub(super) fn extend(&mut self, outcomes: Vec<Result<String, Status>>) {
        for outcome in outcomes {
            self.push(match outcome {
                Ok(id) => Outcome::RunId(id),
                Err(status) => Outcome::Error(error(&status)),
            });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes > BYTES
    }

    /// The answer; `cut` is why the stream was not taken to its end.
    pub(super) fn into_response(mut self, cut: Option<Status>) -> pb::SubmitRunsResponse {
        if let Some(status) = cut {
            self.push(Outcome::Error(pb::ItemError {
                not_taken: true,
                ..error(&status)
            }));
        }
        pb::SubmitRunsResponse { results: self.results }
    }

    fn push(&mut self, outcome: Outcome) {
        let result = pb::SubmitRunsResult {
            index: i32::try_from(self.results.len()).unwrap_or(i32::MAX),
            outcome: Some(outcome),
        };
        self.bytes += result.encoded_len();
        self.results.push(result);
    }
}

/// What a call of its own would have been answered.
fn error(status: &Status) -> pb::ItemError {
    let details = status.get_error_details();
    let violations = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    pb::ItemError {
        code: status.code().into(),
        reason: details
            .error_info()
            .map_or_else(String::new, |info| info.reason.clone()),
        message: status.message().to_owned(),
        violations: violations
            .iter()
            .map(|violation| pb::FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            })
            .collect(),
        not_taken: false,
    }
}
