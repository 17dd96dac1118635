//! Ports: what the use cases need from a store. Traits only.
//!
//! A store hands out units of work ([`Tx`]); every rule is written once, in [`crate::services`], over these primitives,
//! and holds for the in-memory, SQLite and PostgreSQL stores alike. Rules for implementers:
//!   - what one `Tx` wrote is seen by others after `commit`, all of it or nothing; a dropped `Tx` leaves no trace;
//!   - `lock_*` methods keep other transactions from changing what they return, until the end of this one;
//!   - locks are taken in one order: endpoints by id, then planning rows by id;
//!   - not found is `None`, `false` or an empty list, never an error;
//!   - deleting a job deletes its endpoints, and deleting an endpoint its state, hints and live runs; run history, plans
//!     and schedule changes stay.

mod changes;
mod ledger;
mod successors;
mod summaries;
mod tokens;

pub use changes::{ChangeCursor, ChangeQuery, ChangedRun, Changes, ChangesRepo, Feed};
pub use ledger::{LedgerRepo, TimeRecord};
pub use successors::SuccessorsRepo;
pub use summaries::{EndpointSummary, Percentiles, RunSummary, SummariesRepo};
pub use tokens::TokensRepo;

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use uuid::Uuid;

use crate::{
    credential::Reach,
    endpoint::Endpoint,
    error::StoreError,
    ids::{EndpointId, FlashSaleId, JobId, PlanId, RunId, UserId},
    job::{Job, JobStatus},
    plan::{JobPlanning, Plan},
    run::{LiveRun, Run, RunStatus, Source},
    sale::{FlashSale, SignalChange},
    schedule::{Schedule, ScheduleChange},
    time::Timestamp,
};

pub type StoreResult<T> = Result<T, StoreError>;

/// One page of a list ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only rows beyond this id, in list order.
    pub after: Option<Uuid>,
    pub limit: usize,
}

impl Page {
    /// The first `limit` rows.
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

/// Which runs to list. `None` does not restrict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    pub user_id: UserId,
    pub job_id: Option<JobId>,
    pub endpoint_id: Option<EndpointId>,
    pub source: Option<Source>,
    /// Empty means every status.
    pub statuses: Vec<RunStatus>,
    pub plan_id: Option<PlanId>,
    /// Planned at or after.
    pub from: Option<Timestamp>,
    /// Planned before.
    pub to: Option<Timestamp>,
}

impl RunFilter {
    /// Every run of a user.
    pub fn of_user(user_id: UserId) -> Self {
        Self {
            user_id,
            job_id: None,
            endpoint_id: None,
            source: None,
            statuses: Vec::new(),
            plan_id: None,
            from: None,
            to: None,
        }
    }

    /// True for a run that the list would have.
    pub fn matches(&self, run: &Run) -> bool {
        run.user_id == self.user_id
            && self.job_id.is_none_or(|job| run.job_id == Some(job))
            && self.endpoint_id.is_none_or(|endpoint| run.endpoint_id == endpoint)
            && self.source.as_ref().is_none_or(|source| run.source == *source)
            && (self.statuses.is_empty() || self.statuses.contains(&run.status))
            && self.plan_id.is_none_or(|plan| run.plan_id == Some(plan))
            && self.from.is_none_or(|from| run.planned_at >= from)
            && self.to.is_none_or(|to| run.planned_at < to)
    }
}

/// What a committed transaction may have changed for somebody who waits. Waking is a hint, polling the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Something in the live queue may be due earlier than was known.
    Queue,
    /// A planning context changed.
    Contexts,
}

/// A database, or what stands in for one.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A transaction that writes.
    async fn begin(&self) -> StoreResult<Box<dyn Tx>>;
    /// Reads of committed data; writing through it is an error.
    async fn read(&self) -> StoreResult<Box<dyn Tx>>;
    /// An item after each commit of any process that woke the topic, as far as that is known here.
    fn wakes(&self, topic: Topic) -> BoxStream<'static, ()>;
    /// Succeeds when the store can serve.
    async fn check(&self) -> StoreResult<()>;
    /// Where the history stands in pieces: makes those of the days to come and drops those that end before `kept_from`.
    /// Elsewhere it does nothing. Others who are at it are left alone. Returns how many pieces were dropped.
    async fn arrange_history(&self, kept_from: Timestamp) -> StoreResult<u64>;
}

/// A unit of work.
#[async_trait]
pub trait Tx:
    JobsRepo
    + EndpointsRepo
    + RunsRepo
    + ChangesRepo
    + SummariesRepo
    + SuccessorsRepo
    + QueueRepo
    + FlashSalesRepo
    + PlansRepo
    + RequestsRepo
    + RetentionRepo
    + LedgerRepo
    + TokensRepo
    + Send
    + Sync
{
    /// The store's time when the transaction began or, once it has locked endpoints, when it had them: not before anything
    /// that whoever had them last has done.
    fn now(&self) -> Timestamp;
    /// Wakes those who wait for the topic once this is committed.
    fn wake(&mut self, topic: Topic);
    async fn commit(self: Box<Self>) -> StoreResult<()>;
}

/// Jobs.
#[async_trait]
pub trait JobsRepo {
    /// Adds a job together with its fresh planning row.
    async fn create_job(&mut self, job: &Job) -> StoreResult<()>;
    async fn get_job(&mut self, user: &UserId, id: JobId) -> StoreResult<Option<Job>>;
    /// Whose job it is.
    async fn owner_of_job(&mut self, id: JobId) -> StoreResult<Option<UserId>>;
    /// Oldest first.
    async fn list_jobs(&mut self, user: &UserId, status: Option<JobStatus>, page: Page) -> StoreResult<Vec<Job>>;
    /// Writes every field if the stored version is one less than the given; false when it is not.
    async fn update_job(&mut self, job: &Job) -> StoreResult<bool>;
    /// Writes the archived status; false when the job is missing or archived already.
    async fn archive_job(&mut self, user: &UserId, id: JobId, at: Timestamp) -> StoreResult<bool>;
    async fn delete_job(&mut self, user: &UserId, id: JobId) -> StoreResult<bool>;
    /// Oldest first.
    async fn list_endpoints_by_job(&mut self, user: &UserId, job: JobId, page: Page) -> StoreResult<Vec<Endpoint>>;
}

/// Endpoints with their state, hints and plan row.
#[async_trait]
pub trait EndpointsRepo {
    async fn get_schedule(&mut self, user: &UserId, id: EndpointId) -> StoreResult<Option<Schedule>>;
    /// Oldest first; of one job, or all of the user's.
    async fn list_schedules(&mut self, user: &UserId, job: Option<JobId>, page: Page) -> StoreResult<Vec<Schedule>>;
    /// Locks and loads, in id order; missing ones are left out.
    async fn lock_schedules(&mut self, ids: &[EndpointId]) -> StoreResult<Vec<Schedule>>;
    /// Locks and loads every endpoint of a job, in id order.
    async fn lock_job_schedules(&mut self, job: JobId) -> StoreResult<Vec<Schedule>>;
    /// Adds a new endpoint with its state, hints and plan row.
    async fn insert_schedule(&mut self, schedule: &Schedule) -> StoreResult<()>;
    /// Writes what is dirty, appends `ended` to the history and `changes` to the schedule changes.
    async fn save_schedules(&mut self, schedules: &[Schedule]) -> StoreResult<()>;
    async fn delete_endpoint(&mut self, user: &UserId, id: EndpointId) -> StoreResult<bool>;
    /// How many endpoints of a job are not archived.
    async fn count_endpoints(&mut self, job: JobId) -> StoreResult<usize>;
    /// Newest first.
    async fn list_schedule_changes(&mut self, id: EndpointId, limit: usize) -> StoreResult<Vec<ScheduleChange>>;
}

/// What a run counts for beside its response, where the size of an answer is bounded.
pub const RUN_BYTES: usize = 512;

/// Runs, and whether more follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPage {
    pub runs: Vec<Run>,
    pub has_more: bool,
}

/// Runs, live and over.
#[async_trait]
pub trait RunsRepo {
    /// Live and finished runs in one list, by descending id. Ends before the responses, and [`RUN_BYTES`] for each run,
    /// exceed `bytes`; the first run is given in any case. Read in one snapshot.
    async fn list_runs(&mut self, filter: &RunFilter, page: Page, bytes: usize) -> StoreResult<RunPage>;
    async fn get_run_details(&mut self, user: &UserId, id: RunId) -> StoreResult<Option<Run>>;
    /// The last `limit` runs of each endpoint that started, the last planned first; responses cut to `response_bytes`.
    async fn recent_runs(&mut self, ids: &[EndpointId], limit: usize, response_bytes: usize) -> StoreResult<Vec<Run>>;
    /// Runs of each endpoint that started, planned for `since` or later.
    async fn count_starts(&mut self, ids: &[EndpointId], since: Timestamp) -> StoreResult<BTreeMap<EndpointId, u32>>;
}

/// The live queue.
#[async_trait]
pub trait QueueRepo {
    /// Adds waiting rows (manual runs and steps).
    async fn enqueue(&mut self, rows: &[LiveRun]) -> StoreResult<()>;
    /// Up to `limit` rows that are due and whose endpoint is free, at most one an endpoint, a due cadence row before the
    /// endpoint's other rows. Every lane has the same share: first the earliest of each, then the second of each, and so
    /// on; what one lane leaves goes to the others, but none has more than [`LANE_PER_CLAIM`](crate::limits::LANE_PER_CLAIM) of one claim. Rows
    /// that another transaction has locked are left out.
    ///
    /// With `per_host`, calls to one host in flight and rows returned for it are at most so many together, whoever else
    /// asks at the same time: until the end of this transaction others wait. Where there is no more room, rows of other
    /// hosts take their place.
    async fn due_runs(&mut self, limit: usize, per_host: Option<u32>) -> StoreResult<Vec<LiveRun>>;
    /// Up to `limit` running rows whose lease has run out.
    async fn expired_leases(&mut self, limit: usize) -> StoreResult<Vec<LiveRun>>;
    /// When the next waiting row of a free endpoint, or the next lease, comes due; with `later_than`, the next after that.
    /// With `per_host`, rows of hosts to which so many calls are in flight do not count: the end of one of those says more.
    async fn next_due(
        &mut self,
        later_than: Option<Timestamp>,
        per_host: Option<u32>,
    ) -> StoreResult<Option<Timestamp>>;
    /// These rows, whatever their status; missing ones are left out. Endpoints are locked by the caller.
    async fn live_runs(&mut self, ids: &[RunId]) -> StoreResult<Vec<LiveRun>>;
    /// The waiting rows of these endpoints but their plan rows: manual runs, steps, and whatever waits for a retry.
    async fn waiting_runs(&mut self, ids: &[EndpointId]) -> StoreResult<Vec<LiveRun>>;
    /// The live rows of a plan.
    async fn live_runs_of_plan(&mut self, plan: PlanId) -> StoreResult<Vec<LiveRun>>;
    /// Writes every field of existing rows.
    async fn update_live(&mut self, rows: &[LiveRun]) -> StoreResult<()>;
    /// Of the running rows that still carry these fences, moves those whose lease ends before `soon` to `until`.
    /// Returns the ids of all of them.
    async fn extend_leases(
        &mut self,
        leases: &[(RunId, i64)],
        soon: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Vec<RunId>>;
    /// Removes the rows from the queue, where they stand there, and appends the runs to the history.
    async fn move_to_history(&mut self, runs: &[Run]) -> StoreResult<()>;
    /// Keeps an attempt that did not end its run.
    async fn keep_attempt(&mut self, run: &Run) -> StoreResult<()>;
    /// The kept attempts of a run, oldest first.
    async fn list_attempts(&mut self, id: RunId) -> StoreResult<Vec<Run>>;
}

/// Flash sales and the history of their signals.
#[async_trait]
pub trait FlashSalesRepo {
    async fn create_sale(&mut self, sale: &FlashSale, changes: &[SignalChange]) -> StoreResult<()>;
    async fn get_sale(&mut self, user: &UserId, id: FlashSaleId) -> StoreResult<Option<FlashSale>>;
    /// Oldest first.
    async fn list_sales(&mut self, user: &UserId, page: Page) -> StoreResult<Vec<FlashSale>>;
    /// Writes every field if the stored version is one less than the given, and appends the changes; false when not.
    async fn update_sale(&mut self, sale: &FlashSale, changes: &[SignalChange]) -> StoreResult<bool>;
    /// Sales of a job that end after `ended_after`, by start.
    async fn sales_of_job(&mut self, job: JobId, ended_after: Timestamp) -> StoreResult<Vec<FlashSale>>;
    /// Changes since `since`, and at least the last `keep` of each signal; oldest first.
    async fn signal_changes(
        &mut self,
        id: FlashSaleId,
        since: Timestamp,
        keep: usize,
    ) -> StoreResult<Vec<SignalChange>>;
}

/// A job's planning state as the watch compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanningHead {
    pub job_id: JobId,
    pub user_id: UserId,
    pub context_revision: i64,
}

/// Plans and the planning state of jobs.
#[async_trait]
pub trait PlansRepo {
    async fn get_planning(&mut self, job: JobId) -> StoreResult<Option<JobPlanning>>;
    /// Locks and loads, in id order; missing ones are left out.
    async fn lock_planning(&mut self, jobs: &[JobId]) -> StoreResult<Vec<JobPlanning>>;
    async fn save_planning(&mut self, planning: &JobPlanning) -> StoreResult<()>;
    /// Active jobs within reach with a sale that ends in the future or after the job's last ask, in id order.
    async fn planning_heads(&mut self, reach: &Reach) -> StoreResult<Vec<PlanningHead>>;
    /// Whose plan it is.
    async fn owner_of_plan(&mut self, id: PlanId) -> StoreResult<Option<UserId>>;
    async fn insert_plan(&mut self, plan: &Plan) -> StoreResult<()>;
    async fn get_plan(&mut self, user: &UserId, id: PlanId) -> StoreResult<Option<Plan>>;
    /// Newest first; `context` left empty.
    async fn list_plans(&mut self, user: &UserId, job: Option<JobId>, page: Page) -> StoreResult<Vec<Plan>>;
    /// Writes every field.
    async fn update_plan(&mut self, plan: &Plan) -> StoreResult<()>;
    /// Asks begun since `since`, and the steps charged since then: when the ask began, or when a person approved it.
    async fn plan_usage(&mut self, job: JobId, since: Timestamp) -> StoreResult<PlanUsage>;
    /// When the ask began with which, counted from the newest back to `since`, the user's asks have used up `budget`
    /// tokens; `None` while they have not.
    async fn tokens_used_up(&mut self, user: &UserId, since: Timestamp, budget: u64) -> StoreResult<Option<Timestamp>>;
}

/// What a job has used of its budgets within a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanUsage {
    pub asks: u32,
    pub steps: u32,
    /// When the oldest ask in the window began.
    pub oldest: Option<Timestamp>,
}

/// What a repeated request finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    pub user_id: UserId,
    /// Name of the RPC.
    pub method: &'static str,
    pub request_id: String,
    /// SHA-256 of the request without its id, in hex.
    pub digest: String,
}

/// What was stored for an earlier request with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    pub digest: String,
    pub resource_id: Uuid,
}

/// Idempotency keys of create and submit requests.
#[async_trait]
pub trait RequestsRepo {
    /// Stores the key for `resource_id`, or returns what is stored under it. A second transaction with the same key
    /// waits for the first, or fails with a conflict.
    async fn claim_request(&mut self, key: &RequestKey, resource_id: Uuid) -> StoreResult<Option<StoredRequest>>;
}

/// What is kept, by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Runs by planned time; plans, flash sales, schedules and denials by when they ended, changed or last happened.
    pub records_from: Timestamp,
    /// Request keys by when they were stored.
    pub request_keys_from: Timestamp,
}

/// How many rows were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    pub runs: u64,
    pub attempts: u64,
    pub plans: u64,
    pub schedule_changes: u64,
    pub signal_changes: u64,
    pub request_keys: u64,
    pub denials: u64,
}

impl Pruned {
    /// Every table with its count.
    pub fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("runs", self.runs),
            ("attempts", self.attempts),
            ("plans", self.plans),
            ("schedule-changes", self.schedule_changes),
            ("signal-changes", self.signal_changes),
            ("request-keys", self.request_keys),
            ("denials", self.denials),
        ]
    }

    pub fn total(&self) -> u64 {
        self.counts().iter().map(|(_, count)| count).sum()
    }
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.attempts += other.attempts;
        self.plans += other.plans;
        self.schedule_changes += other.schedule_changes;
        self.signal_changes += other.signal_changes;
        self.request_keys += other.request_keys;
        self.denials += other.denials;
    }
}

/// The end of what has been kept long enough.
#[async_trait]
pub trait RetentionRepo {
    /// Removes up to `limit` rows of each table that are older than what is kept: finished runs, attempts of runs that are
    /// not live, plans that are over and that no job stands on, signal changes of sales that are over, request keys, denials,
    /// and schedule changes but the last before the limit of each endpoint, which still says what applies.
    async fn prune(&mut self, kept: &Kept, limit: usize) -> StoreResult<Pruned>;
}
