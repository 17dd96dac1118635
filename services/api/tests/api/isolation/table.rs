//! One row for each RPC (more where an RPC names several things): who may call it, a request that names somebody's
//! things, and what another user gets for it.

use baton_proto::v1 as pb;
use prost::Message;

use crate::harness::{UNKNOWN, dormant, mask, seconds_long};

/// One of everything.
#[derive(Debug, Clone)]
pub struct Ids {
    pub job: String,
    pub endpoint: String,
    pub run: String,
    pub sale: String,
    pub plan: String,
}

impl Ids {
    pub fn unknown() -> Self {
        let [job, endpoint, run, sale, plan] = [(); 5].map(|()| UNKNOWN.to_owned());
        Self {
            job,
            endpoint,
            run,
            sale,
            plan,
        }
    }
}

/// Which scopes may make a call: written down here once more, so that the server's own table cannot change unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Person,
    PersonOrPlanner,
    Jobs,
    Runs,
    Planner,
}

impl By {
    pub fn allows(self, scope: &str) -> bool {
        let scopes: &[&str] = match self {
            Self::Person => &["jobs", "runs", "admin"],
            Self::PersonOrPlanner => &["jobs", "runs", "admin", "planner"],
            Self::Jobs => &["jobs", "admin"],
            Self::Runs => &["runs", "admin"],
            Self::Planner => &["planner"],
        };
        scopes.contains(&scope)
    }
}

/// What a user gets who names another's things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The same NOT_FOUND as for what does not exist.
    NotFound,
    /// An empty list, or a count of nothing.
    Nothing,
    EmptySnapshot,
    /// The same of runs.
    NoRuns,
    NoSummary,
    /// The stream is answered; its item is not found, like one that does not exist.
    ItemNotFound,
    /// Names nothing of anybody: something of the caller's own is made.
    Own,
}

/// An encoded request that names these things.
type Request = Box<dyn Fn(&Ids) -> Vec<u8>>;

pub struct Case {
    method: &'static str,
    pub by: By,
    pub expect: Expect,
    pub request: Request,
}

impl Case {
    pub fn path(&self) -> String {
        format!("/baton.v1.{}", self.method)
    }
}

fn row<M: Message>(method: &'static str, by: By, expect: Expect, request: impl Fn(&Ids) -> M + 'static) -> Case {
    Case {
        method,
        by,
        expect,
        request: Box::new(move |ids| request(ids).encode_to_vec()),
    }
}

/// Requests whose one field is an id, as most verbs have it: `GetJobRequest` stands for all of them on the wire.
fn id(id: &str) -> pb::GetJobRequest {
    pb::GetJobRequest { id: id.to_owned() }
}

pub fn table() -> Vec<Case> {
    [jobs(), endpoints(), hints(), runs(), sales(), decisions(), plans()]
        .into_iter()
        .flatten()
        .collect()
}

fn jobs() -> Vec<Case> {
    use By::{Jobs, Person};
    use Expect::{NotFound, Nothing, Own};
    vec![
        row("JobsService/CreateJob", Jobs, Own, |_| pb::CreateJobRequest {
            name: "mine".to_owned(),
            ..Default::default()
        }),
        row("JobsService/GetJob", Person, NotFound, |ids| id(&ids.job)),
        row("JobsService/UpdateJob", Jobs, NotFound, |ids| pb::UpdateJobRequest {
            job: Some(pb::Job {
                id: ids.job.clone(),
                name: "taken".to_owned(),
                ..Default::default()
            }),
            update_mask: mask(&["name"]),
        }),
        row("JobsService/PauseJob", Jobs, NotFound, |ids| id(&ids.job)),
        row("JobsService/ResumeJob", Jobs, NotFound, |ids| id(&ids.job)),
        row("JobsService/ArchiveJob", Jobs, NotFound, |ids| id(&ids.job)),
        row("JobsService/DeleteJob", Jobs, NotFound, |ids| id(&ids.job)),
        // Bob has a job by now, but only archived ones are asked for.
        row("JobsService/ListJobs", Person, Nothing, |_| pb::ListJobsRequest {
            status: pb::JobStatus::Archived.into(),
            ..Default::default()
        }),
    ]
}

fn endpoints() -> Vec<Case> {
    use By::{Jobs, Person};
    use Expect::{NotFound, Own};
    vec![
        row("JobsService/CreateEndpoint", Jobs, NotFound, |ids| {
            let job = pb::Job {
                id: ids.job.clone(),
                ..Default::default()
            };
            pb::CreateEndpointRequest {
                endpoint: Some(dormant("intruder", Some(&job))),
                ..Default::default()
            }
        }),
        row("JobsService/CreateEndpoint", Jobs, Own, |_| pb::CreateEndpointRequest {
            endpoint: Some(dormant("mine", None)),
            ..Default::default()
        }),
        row("JobsService/GetEndpoint", Person, NotFound, |ids| id(&ids.endpoint)),
        row("JobsService/ListEndpoints", Person, NotFound, |ids| {
            pb::ListEndpointsRequest {
                job_id: Some(ids.job.clone()),
                ..Default::default()
            }
        }),
        row("JobsService/UpdateEndpoint", Jobs, NotFound, |ids| {
            pb::UpdateEndpointRequest {
                endpoint: Some(pb::Endpoint {
                    id: ids.endpoint.clone(),
                    name: "taken".to_owned(),
                    ..Default::default()
                }),
                update_mask: mask(&["name"]),
            }
        }),
        row("JobsService/AssignEndpoint", Jobs, NotFound, |ids| {
            pb::AssignEndpointRequest {
                id: ids.endpoint.clone(),
                job_id: ids.job.clone(),
            }
        }),
        row("JobsService/PauseEndpoint", Jobs, NotFound, |ids| id(&ids.endpoint)),
        row("JobsService/ResumeEndpoint", Jobs, NotFound, |ids| id(&ids.endpoint)),
        row("JobsService/ResetFailures", Jobs, NotFound, |ids| id(&ids.endpoint)),
        row("JobsService/ArchiveEndpoint", Jobs, NotFound, |ids| id(&ids.endpoint)),
        row("JobsService/DeleteEndpoint", Jobs, NotFound, |ids| id(&ids.endpoint)),
        row("JobsService/PreviewSchedule", Person, NotFound, |ids| id(&ids.endpoint)),
    ]
}

fn hints() -> Vec<Case> {
    use By::Jobs;
    use Expect::NotFound;
    use pb::clear_hints_request::Target;
    let clear = |target: Target| pb::ClearHintsRequest { target: Some(target) };
    vec![
        row("JobsService/ApplyHint", Jobs, NotFound, |ids| pb::ApplyHintRequest {
            endpoint_id: ids.endpoint.clone(),
            instruction: Some(pb::apply_hint_request::Instruction::Interval(seconds_long(60))),
            reason: "because".to_owned(),
            ..Default::default()
        }),
        row("JobsService/ClearHints", Jobs, NotFound, move |ids| {
            clear(Target::EndpointId(ids.endpoint.clone()))
        }),
        row("JobsService/ClearHints", Jobs, NotFound, move |ids| {
            clear(Target::JobId(ids.job.clone()))
        }),
    ]
}

fn runs() -> Vec<Case> {
    use By::{Person, Runs};
    use Expect::{ItemNotFound, NoRuns, NoSummary, NotFound, Nothing};
    let of = |filter: pb::ListRunsRequest| row("RunsService/ListRuns", Person, Nothing, move |_| filter.clone());
    vec![
        row("RunsService/SubmitRun", Runs, NotFound, |ids| id(&ids.endpoint)),
        row("RunsService/SubmitRuns", Runs, ItemNotFound, |ids| {
            pb::SubmitRunsRequest {
                run: Some(pb::SubmitRunRequest {
                    endpoint_id: ids.endpoint.clone(),
                    ..Default::default()
                }),
            }
        }),
        row("RunsService/ExplainRun", Person, NotFound, |ids| id(&ids.run)),
        row("RunsService/SummarizeRuns", Person, NoSummary, |_| {
            pb::SummarizeRunsRequest::default()
        }),
        row("RunsService/SummarizeRuns", Person, NoSummary, |ids| {
            pb::SummarizeRunsRequest {
                endpoint_id: Some(ids.endpoint.clone()),
                ..Default::default()
            }
        }),
        row("RunsService/TestEndpoint", Runs, NotFound, |ids| id(&ids.endpoint)),
        row("RunsService/GetRun", Person, NotFound, |ids| id(&ids.run)),
        row("RunsService/CancelRun", Runs, NotFound, |ids| id(&ids.run)),
        of(pb::ListRunsRequest::default()),
        row("RunsService/WatchRuns", Person, NoRuns, |_| pb::WatchRunsRequest {
            snapshot: true,
            ..Default::default()
        }),
        row("RunsService/WatchRuns", Person, NoRuns, |ids| pb::WatchRunsRequest {
            endpoint_id: Some(ids.endpoint.clone()),
            snapshot: true,
            ..Default::default()
        }),
        row("RunsService/ListRuns", Person, Nothing, |ids| pb::ListRunsRequest {
            job_id: Some(ids.job.clone()),
            ..Default::default()
        }),
        row("RunsService/ListRuns", Person, Nothing, |ids| pb::ListRunsRequest {
            endpoint_id: Some(ids.endpoint.clone()),
            ..Default::default()
        }),
        row("RunsService/ListRuns", Person, Nothing, |ids| pb::ListRunsRequest {
            plan_id: Some(ids.plan.clone()),
            ..Default::default()
        }),
    ]
}

fn sales() -> Vec<Case> {
    use By::{Jobs, Person};
    use Expect::{NotFound, Nothing};
    vec![
        row("FlashSalesService/ListFlashSales", Person, Nothing, |_| {
            pb::ListFlashSalesRequest::default()
        }),
        row("FlashSalesService/CreateFlashSale", Jobs, NotFound, |ids| {
            let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
            pb::CreateFlashSaleRequest {
                flash_sale: Some(pb::FlashSale {
                    name: "intruder".to_owned(),
                    start_time: at(1_800_000_000),
                    end_time: at(1_800_003_600),
                    job_ids: vec![ids.job.clone()],
                    ..Default::default()
                }),
                ..Default::default()
            }
        }),
        row("FlashSalesService/GetFlashSale", Person, NotFound, |ids| id(&ids.sale)),
        row("FlashSalesService/UpdateFlashSale", Jobs, NotFound, |ids| {
            pb::UpdateFlashSaleRequest {
                flash_sale: Some(pb::FlashSale {
                    id: ids.sale.clone(),
                    name: "taken".to_owned(),
                    ..Default::default()
                }),
                update_mask: mask(&["name"]),
            }
        }),
        row("FlashSalesService/EndFlashSale", Jobs, NotFound, |ids| id(&ids.sale)),
    ]
}

/// What people decide about planners.
fn decisions() -> Vec<Case> {
    use By::Jobs;
    use Expect::NotFound;
    vec![
        row("PlansService/SetPlannerMode", Jobs, NotFound, |ids| {
            pb::SetPlannerModeRequest {
                job_id: ids.job.clone(),
                mode: pb::PlannerMode::Observe.into(),
                ..Default::default()
            }
        }),
        row("PlansService/ApprovePlan", Jobs, NotFound, |ids| id(&ids.plan)),
        row("PlansService/RejectPlan", Jobs, NotFound, |ids| id(&ids.plan)),
    ]
}

fn plans() -> Vec<Case> {
    use By::{PersonOrPlanner, Planner};
    use Expect::{EmptySnapshot, NotFound, Nothing};
    vec![
        row("PlansService/WatchPlanningContexts", Planner, EmptySnapshot, |_| {
            pb::WatchPlanningContextsRequest::default()
        }),
        row("PlansService/WatchPlanningContexts", Planner, NotFound, |ids| {
            pb::WatchPlanningContextsRequest {
                job_ids: vec![ids.job.clone()],
            }
        }),
        row("PlansService/BeginPlan", Planner, NotFound, |ids| {
            pb::BeginPlanRequest {
                job_id: ids.job.clone(),
                planner: "intruder".to_owned(),
                ..Default::default()
            }
        }),
        row("PlansService/RenewPlan", Planner, NotFound, |ids| id(&ids.plan)),
        row("PlansService/SubmitPlan", Planner, NotFound, |ids| {
            pb::SubmitPlanRequest {
                plan_id: ids.plan.clone(),
                review_after: Some(seconds_long(300)),
                ..Default::default()
            }
        }),
        row("PlansService/AdvancePlan", Planner, NotFound, |ids| {
            pb::AdvancePlanRequest {
                plan_id: ids.plan.clone(),
                wave: 2,
            }
        }),
        row("PlansService/FailPlan", Planner, NotFound, |ids| pb::FailPlanRequest {
            plan_id: ids.plan.clone(),
            verdict: "model-error".to_owned(),
            ..Default::default()
        }),
        row("PlansService/GetPlan", PersonOrPlanner, NotFound, |ids| id(&ids.plan)),
        row("PlansService/ListPlans", PersonOrPlanner, Nothing, |_| {
            pb::ListPlansRequest::default()
        }),
        row("PlansService/ListPlans", PersonOrPlanner, Nothing, |ids| {
            pb::ListPlansRequest {
                job_id: Some(ids.job.clone()),
                ..Default::default()
            }
        }),
    ]
}
