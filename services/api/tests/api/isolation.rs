//! Two users, every RPC: nobody reaches what is another's, and nobody gets in without the right credential.
//!
//! Driven by the descriptors: a method without a row in [`table`] fails the first test. The rows are in `isolation/table`.

pub mod raw;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use baton_proto::v1 as pb;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use raw::{Two, outcome};
use table::{By, Case, Expect, Ids, table};

fn methods() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(baton_proto::FILE_DESCRIPTOR_SET).expect("compiled in");
    let files = set.file.iter();
    let services = files.flat_map(|file| file.service.iter().map(move |service| (file.package(), service)));
    services
        .flat_map(|(package, service)| {
            let methods = service.method.iter();
            methods.map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
        })
        .collect()
}

#[test]
fn every_method_has_a_row() {
    let rows: BTreeSet<String> = table().iter().map(Case::path).collect();
    let missing: Vec<String> = methods().difference(&rows).cloned().collect();
    assert!(
        missing.is_empty(),
        "these methods need a row in isolation/table.rs: {missing:?}"
    );
    let unknown: Vec<String> = rows.difference(&methods()).cloned().collect();
    assert!(unknown.is_empty(), "these rows stand for no method: {unknown:?}");
}

/// A body that no message can be read from: the refusal comes before it is looked at.
const GARBAGE: [u8; 3] = [0xff; 3];

#[tokio::test]
async fn without_a_credential_nothing_is_looked_at() {
    let two = Two::new().await;
    for path in methods() {
        for (token, expected) in [
            (None, "UNAUTHENTICATED"),
            (Some("not a token"), "CREDENTIAL_INVALID"),
            (Some(raw::UNKNOWN_TOKEN), "CREDENTIAL_INVALID"),
        ] {
            let refused = two.call(&path, token, GARBAGE.to_vec()).await;
            assert_eq!(
                outcome(&refused),
                (Code::Unauthenticated, expected.to_owned()),
                "{path}"
            );
        }
    }
    assert!(
        two.denials().await.is_empty(),
        "nothing is kept of callers nobody knows"
    );
}

#[tokio::test]
async fn a_scope_opens_its_calls_and_no_others() {
    let two = Two::new().await;
    let mut denied = BTreeMap::new();
    for case in table() {
        let path = case.path();
        for (scope, token) in two.adas_by_scope() {
            // A body that cannot be read: who gets that far was let in.
            let seen = outcome(&two.call(&path, Some(token), GARBAGE.to_vec()).await);
            if case.by.allows(scope) {
                assert!(
                    !matches!(seen.0, Code::PermissionDenied | Code::Unauthenticated),
                    "{path} {scope}: {seen:?}"
                );
            } else {
                assert_eq!(
                    seen,
                    (Code::PermissionDenied, "SCOPE_MISSING".to_owned()),
                    "{path} {scope}"
                );
                *denied.entry((two.credential(scope), path.clone())).or_insert(0) += 1;
            }
        }
    }
    let kept = two.denials().await;
    let kept: BTreeMap<(String, String), u64> = kept
        .into_iter()
        .map(|record| ((record.denial.credential, record.denial.method), record.count))
        .collect();
    assert_eq!(kept, denied, "every denial of a known caller is kept");
}

/// Everything of a status that a caller can see.
fn visible(status: &Status) -> (Code, String, Vec<u8>) {
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

#[tokio::test]
async fn what_is_another_users_is_like_what_does_not_exist() {
    let two = Two::new().await;
    let before = two.adas_things().await;
    let cases = table();
    let by_scope = cases.iter().flat_map(|case| {
        let tokens = two.bobs_by_scope().filter(|(scope, _)| case.by.allows(scope));
        tokens.map(move |(_, bob)| (case, bob))
    });
    for (case, bob) in by_scope {
        let path = case.path();
        let foreign = two.call(&path, Some(bob), (case.request)(&two.adas_ids())).await;
        match case.expect {
            Expect::NotFound => {
                let unknown = two.call(&path, Some(bob), (case.request)(&Ids::unknown())).await;
                let [foreign, unknown] = [foreign, unknown].map(|answer| answer.expect_err("must not be found"));
                assert_eq!(foreign.code(), Code::NotFound, "{path}: {foreign:?}");
                assert_eq!(visible(&foreign), visible(&unknown), "{path}");
                let details = foreign.get_error_details();
                assert!(details.error_info().is_some(), "{path}");
            }
            Expect::Nothing => {
                let answer = foreign.expect("answered");
                assert_eq!(answer, Vec::<u8>::new(), "{path} must show nothing of another's");
            }
            Expect::EmptySnapshot => {
                let answer = pb::WatchPlanningContextsResponse::decode(foreign.expect("answered").as_slice());
                let end = pb::watch_planning_contexts_response::Event::SnapshotEnd(pb::SnapshotEnd {});
                assert_eq!(answer.expect("decodes").event, Some(end), "{path}");
            }
            Expect::NoRuns => {
                let answer = pb::WatchRunsResponse::decode(foreign.expect("answered").as_slice());
                let end = pb::watch_runs_response::Event::SnapshotEnd(pb::RunSnapshotEnd {});
                assert_eq!(answer.expect("decodes").event, Some(end), "{path}");
            }
            Expect::NoSummary => {
                let answer = pb::SummarizeRunsResponse::decode(foreign.expect("answered").as_slice());
                assert!(answer.expect("decodes").endpoints.is_empty(), "{path}");
            }
            Expect::ItemNotFound => {
                let unknown = two.call(&path, Some(bob), (case.request)(&Ids::unknown())).await;
                let [foreign, unknown] = [foreign, unknown].map(|answer| answer.expect("answered"));
                assert_eq!(foreign, unknown, "{path}");
                let answer = pb::SubmitRunsResponse::decode(foreign.as_slice()).expect("decodes");
                let code = answer.results.first().and_then(|result| match &result.outcome {
                    Some(pb::submit_runs_result::Outcome::Error(error)) => Some(error.code),
                    Some(pb::submit_runs_result::Outcome::RunId(_)) | None => None,
                });
                assert_eq!(code, Some(i32::from(Code::NotFound)), "{path}");
            }
            Expect::Own => {
                foreign.expect("answered");
            }
        }
    }
    assert_eq!(two.adas_things().await, before, "nothing of Ada's has changed");
}

/// The rows would prove little if their requests failed for another reason.
#[tokio::test]
async fn the_same_requests_of_the_owner_find_what_they_ask_for() {
    for case in table() {
        let two = Two::new().await;
        let path = case.path();
        let answer = two
            .call(&path, Some(two.adas(case.by)), (case.request)(&two.adas_ids()))
            .await;
        if let Err(status) = answer {
            assert!(
                !matches!(
                    status.code(),
                    Code::NotFound | Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated
                ),
                "{path}: {status:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_planners_attempts_beyond_its_users_are_kept() {
    let two = Two::new().await;
    let mut expected = BTreeSet::new();
    for case in table() {
        if case.by == By::Planner && case.expect == Expect::NotFound {
            let request = (case.request)(&two.adas_ids());
            let refused = two.call(&case.path(), Some(two.bobs(By::Planner)), request).await;
            refused.expect_err("is not found");
            expected.insert(case.path());
        }
    }
    let kept = two.denials().await;
    assert!(kept.iter().all(|record| record.denial.reason == "NOT_ITS_USER"));
    let kept: BTreeSet<String> = kept.into_iter().map(|record| record.denial.method).collect();
    assert_eq!(kept, expected);
}
