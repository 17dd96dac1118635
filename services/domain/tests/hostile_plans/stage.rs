//! A job with guarded endpoints and a sale, endpoints that no planner may touch, and an engine that runs what is due.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    call::CallOutcome,
    endpoint::Pause,
    error::Error,
    fixtures::{MemoryStore, SeededChance, TestClock, contract::World},
    ids::{EndpointId, FlashSaleId, JobId, PlanId},
    ports::{Page, RunFilter, Store},
    run::Run,
    schedule::FinishedRun,
    services::{Claim, EndpointDraft, Idempotency, SaleDraft, StoreQueue},
    time::{Clock as _, after},
};
use proptest::test_runner::TestCaseError;

use crate::moves::Move;

/// How far time goes on between two looks of the engine.
const LOOK_S: u64 = 5;

pub struct Stage {
    pub world: World,
    pub job: JobId,
    /// The job's endpoints in order: `FREQUENT`, `GUARDED`, `DORMANT`, `PAUSED`.
    pub own: Vec<EndpointId>,
    pub foreign: Vec<EndpointId>,
    sale: FlashSaleId,
    signal: f64,
    /// The last plan begun, and the last that was answered.
    pub begun: Option<(PlanId, i64)>,
    pub answered: Option<PlanId>,
}

pub const FREQUENT: usize = 0;
pub const GUARDED: usize = 1;
pub const DORMANT: usize = 2;
pub const PAUSED: usize = 3;
/// Seconds, by endpoint.
pub const INTERVALS: [Option<u64>; 4] = [Some(60), Some(300), None, Some(120)];
pub const COOLDOWNS: [Option<u64>; 4] = [None, Some(250), Some(900), None];
pub const MIN_INTERVAL_S: u64 = 10;

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

impl Stage {
    pub async fn set() -> Self {
        let clock = Arc::new(TestClock::at(World::start()));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let queue = Arc::new(StoreQueue::new(Arc::clone(&store), Arc::new(SeededChance::new(1))));
        let world = World::new(store, queue, clock, ());
        let job = world.services.create_job(&world.user, "shop", "", &once()).await;
        let job = job.expect("job is created").id;
        let mut own = Vec::new();
        for (interval, cooldown) in INTERVALS.into_iter().zip(COOLDOWNS) {
            own.push(endpoint(&world, Some(job), interval, cooldown).await);
        }
        let paused = world
            .services
            .pause_endpoint(&world.user, own[PAUSED], Pause::UntilResumed);
        paused.await.expect("endpoint is paused");
        let foreign = vec![
            endpoint(&world, None, Some(60), None).await,
            endpoint(&world, None, None, None).await,
        ];
        let sale = sale(&world, job).await;
        Self {
            world,
            job,
            own,
            foreign,
            sale,
            signal: 0.0,
            begun: None,
            answered: None,
        }
    }

    /// Lets the planner do something, and a moment pass.
    pub async fn make(&mut self, one: Move) -> Result<(), TestCaseError> {
        match one {
            Move::Pass(seconds) => self.pass(seconds).await,
            Move::Ask => self.ask().await?,
            Move::Renew => {
                let Some((plan, _)) = self.begun else { return Ok(()) };
                refused_well(self.world.services.renew_plan(&self.world.user, plan).await)?;
            }
            Move::Answer(answer) => self.answer(&answer).await?,
            Move::Advance(wave) => {
                let Some(plan) = self.answered else { return Ok(()) };
                let advanced = self.world.services.advance_plan(&self.world.user, plan, wave, None);
                refused_well(advanced.await)?;
            }
            Move::SetMode(mode) => {
                let set = self
                    .world
                    .services
                    .set_planner_mode(&self.world.user, self.job, mode, None);
                refused_well(set.await)?;
            }
            Move::Approve => {
                let Some(plan) = self.answered else { return Ok(()) };
                let approved = self.world.services.approve_plan(&self.world.user, plan, "", None);
                refused_well(approved.await)?;
            }
        }
        self.run_due().await;
        Ok(())
    }

    /// A signal changes, so that an ask is due.
    async fn ask(&mut self) -> Result<(), TestCaseError> {
        self.signal += 1.0;
        let signal = self.signal;
        let change = |draft: &mut SaleDraft| {
            draft.signals.insert("visitors".to_owned(), signal);
        };
        let changed = self
            .world
            .services
            .update_sale(&self.world.user, self.sale, None, change);
        refused_well(changed.await)?;
        let begun = self
            .world
            .services
            .begin_plan(&self.world.user, self.job, "hostile")
            .await;
        if let Some(begun) = refused_well(begun)? {
            self.begun = Some((begun.plan.id, begun.plan.definition_revision));
        }
        Ok(())
    }

    async fn answer(&mut self, answer: &crate::moves::Wishes) -> Result<(), TestCaseError> {
        let Some((plan, revision)) = self.begun else {
            return Ok(());
        };
        let all: Vec<EndpointId> = self.own.iter().chain(&self.foreign).copied().collect();
        let answer = answer.to_answer(&all, revision);
        let submitted = self.world.services.submit_plan(&self.world.user, plan, answer).await;
        if refused_well(submitted)?.is_some() {
            self.answered = Some(plan);
        }
        Ok(())
    }

    pub async fn pass(&self, seconds: u64) {
        let end = after(self.world.clock.now(), secs(seconds));
        while self.world.clock.now() < end {
            self.world.clock.advance(secs(LOOK_S));
            self.run_due().await;
        }
    }

    /// Everything that is due runs and succeeds at once.
    async fn run_due(&self) {
        let claim = Claim {
            owner: "engine".to_owned(),
            lease: secs(15),
            limit: 100,
            host_concurrency: None,
            as_of: None,
        };
        loop {
            let claimed = self.world.queue.claim_due(&claim).await.expect("claim succeeds").runs;
            if claimed.is_empty() {
                return;
            }
            let ends: Vec<FinishedRun> = claimed
                .iter()
                .map(|claimed| {
                    claimed.report(CallOutcome {
                        status_code: Some(200),
                        ..CallOutcome::default()
                    })
                })
                .collect();
            self.world.queue.finish_runs(&ends).await.expect("finish succeeds");
        }
    }

    /// Every run that started, in order of start.
    pub async fn started(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut page = Page::first(1_000);
        loop {
            let filter = RunFilter::of_user(self.world.user.clone());
            let listing = self
                .world
                .services
                .list_runs(&filter, page)
                .await
                .expect("runs are listed");
            runs.extend(listing.items.into_iter().filter(|run| run.started_at.is_some()));
            let Some(next) = listing.next else { break };
            page.after = Some(next);
        }
        runs.sort_by_key(|run| run.started_at);
        runs
    }
}

/// The result, or none for a refusal that says why; anything else is a defect.
fn refused_well<T>(answer: Result<T, Error>) -> Result<Option<T>, TestCaseError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Error::Invalid(_) | Error::Aborted { .. } | Error::Precondition { .. } | Error::Exhausted { .. }) => {
            Ok(None)
        }
        Err(error) => Err(TestCaseError::fail(format!("not a refusal: {error}"))),
    }
}

async fn endpoint(world: &World, job: Option<JobId>, interval: Option<u64>, cooldown: Option<u64>) -> EndpointId {
    let draft = EndpointDraft {
        name: "endpoint".to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/hook".to_owned(),
        interval: interval.map(secs),
        cooldown: cooldown.map(secs),
        min_interval: Some(secs(MIN_INTERVAL_S)),
        ..EndpointDraft::default()
    };
    let created = world.services.create_endpoint(&world.user, job, &draft, &once()).await;
    created.expect("endpoint is created").endpoint.id
}

async fn sale(world: &World, job: JobId) -> FlashSaleId {
    let draft = SaleDraft {
        name: "sale".to_owned(),
        description: String::new(),
        starts_at: world.clock.now(),
        ends_at: after(world.clock.now(), secs(24 * 3_600)),
        phase: String::new(),
        signals: std::collections::BTreeMap::new(),
        job_ids: vec![job],
        unreadable: Vec::new(),
    };
    let created = world.services.create_sale(&world.user, draft, &once()).await;
    created.expect("sale is created").id
}
