//! Which call needs which scope: one row for each method that this server has.
//!
//! A method of the descriptors without a row is denied to everybody who must authenticate, so that a new one is not open
//! by being forgotten. The same in words stands at the top of `jobs.proto`.

use std::collections::HashMap;

use baton_domain::credential::{Grant, Scope};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::reflection;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, without a credential.
    Open,
    /// Every valid credential.
    Known,
    /// Every scope of a person: reads of the user's own.
    Person,
    /// Reads that planners need as well.
    PersonOrPlanner,
    Jobs,
    Runs,
    Planner,
    /// A method that has no row.
    Nobody,
}

impl Access {
    /// The scopes of which one is needed.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Open | Self::Known | Self::PersonOrPlanner => Scope::ALL,
            Self::Person => &[Scope::Jobs, Scope::Runs, Scope::Admin],
            Self::Jobs => &[Scope::Jobs, Scope::Admin],
            Self::Runs => &[Scope::Runs, Scope::Admin],
            Self::Planner => &[Scope::Planner],
            Self::Nobody => &[],
        }
    }

    pub fn allows(self, grant: &Grant) -> bool {
        self.scopes().iter().any(|scope| grant.has(*scope))
    }
}

const JOBS: &[(&str, Access)] = &[
    ("CreateJob", Access::Jobs),
    ("GetJob", Access::Person),
    ("ListJobs", Access::Person),
    ("UpdateJob", Access::Jobs),
    ("PauseJob", Access::Jobs),
    ("ResumeJob", Access::Jobs),
    ("ArchiveJob", Access::Jobs),
    ("DeleteJob", Access::Jobs),
    ("CreateEndpoint", Access::Jobs),
    ("GetEndpoint", Access::Person),
    ("ListEndpoints", Access::Person),
    ("UpdateEndpoint", Access::Jobs),
    ("AssignEndpoint", Access::Jobs),
    ("PauseEndpoint", Access::Jobs),
    ("ResumeEndpoint", Access::Jobs),
    ("ResetFailures", Access::Jobs),
    ("ArchiveEndpoint", Access::Jobs),
    ("DeleteEndpoint", Access::Jobs),
    ("ApplyHint", Access::Jobs),
    ("ClearHints", Access::Jobs),
    ("PreviewSchedule", Access::Person),
];

const RUNS: &[(&str, Access)] = &[
    ("SubmitRun", Access::Runs),
    ("SubmitRuns", Access::Runs),
    ("TestEndpoint", Access::Runs),
    ("GetRun", Access::Person),
    ("ListRuns", Access::Person),
    ("CancelRun", Access::Runs),
    ("SummarizeRuns", Access::Person),
    ("ExplainRun", Access::Person),
    ("WatchRuns", Access::Person),
];

const FLASH_SALES: &[(&str, Access)] = &[
    ("CreateFlashSale", Access::Jobs),
    ("GetFlashSale", Access::Person),
    ("ListFlashSales", Access::Person),
    ("UpdateFlashSale", Access::Jobs),
    ("EndFlashSale", Access::Jobs),
];

const PLANS: &[(&str, Access)] = &[
    ("WatchPlanningContexts", Access::Planner),
    ("BeginPlan", Access::Planner),
    ("RenewPlan", Access::Planner),
    ("SubmitPlan", Access::Planner),
    ("AdvancePlan", Access::Planner),
    ("FailPlan", Access::Planner),
    ("SetPlannerMode", Access::Jobs),
    ("ApprovePlan", Access::Jobs),
    ("RejectPlan", Access::Jobs),
    ("GetPlan", Access::PersonOrPlanner),
    ("ListPlans", Access::PersonOrPlanner),
];

/// Whoever looks after the server asks for its health without a credential; what it can do is told to callers it knows.
const TABLE: &[(&str, &[(&str, Access)])] = &[
    ("baton.v1.JobsService", JOBS),
    ("baton.v1.RunsService", RUNS),
    ("baton.v1.FlashSalesService", FLASH_SALES),
    ("baton.v1.PlansService", PLANS),
    (
        "grpc.health.v1.Health",
        &[("Check", Access::Open), ("Watch", Access::Open)],
    ),
    (
        "grpc.reflection.v1.ServerReflection",
        &[("ServerReflectionInfo", Access::Known)],
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        &[("ServerReflectionInfo", Access::Known)],
    ),
];

/// Who may make which call, by request path.
#[derive(Debug)]
pub(crate) struct AccessTable(HashMap<String, Access>);

impl AccessTable {
    pub fn new() -> Self {
        let methods = methods().into_iter();
        Self(methods.map(|path| (path.clone(), row(&path))).collect())
    }

    /// A path that names no method passes every valid credential; the router says then that there is no such method.
    pub fn of(&self, path: &str) -> Access {
        self.0.get(path).copied().unwrap_or(Access::Known)
    }
}

fn row(path: &str) -> Access {
    let rows = TABLE.iter().flat_map(|(service, methods)| {
        let methods = methods.iter();
        methods.map(move |(method, access)| (format!("/{service}/{method}"), *access))
    });
    let mut found = rows.filter(|(known, _)| known == path);
    found.next().map_or(Access::Nobody, |(_, access)| access)
}

/// The path of every method in the descriptors.
pub(crate) fn methods() -> Vec<String> {
    let sets = reflection::DESCRIPTOR_SETS.iter();
    let sets = sets.filter_map(|bytes| FileDescriptorSet::decode(*bytes).ok());
    let files = sets.flat_map(|set| set.file);
    files
        .flat_map(|file| {
            let package = file.package().to_owned();
            file.service.into_iter().flat_map(move |service| {
                let name = format!("{package}.{}", service.name());
                let methods = service.method.into_iter();
                methods.map(move |method| format!("/{name}/{}", method.name()))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_row_and_every_row_a_method() {
        let methods = methods();
        let rows: usize = TABLE.iter().map(|(_, methods)| methods.len()).sum();
        for path in &methods {
            assert_ne!(
                row(path),
                Access::Nobody,
                "{path} needs a row in the table of this file"
            );
        }
        assert_eq!(rows, methods.len(), "a row stands for no method, or for one twice");
    }

    #[test]
    fn what_is_forgotten_is_denied() {
        assert_eq!(row("/baton.v1.JobsService/DropEverything"), Access::Nobody);
        for scope in Scope::ALL {
            let grant = Grant::unrestricted(baton_domain::ids::UserId("ada".to_owned()));
            assert!(grant.has(*scope) && !Access::Nobody.allows(&grant));
        }
    }
}
