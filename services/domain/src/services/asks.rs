//! Asks of the model: beginning one takes the job's planner lease and freezes the context; failing one records why.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Resource, Violations},
    ids::{JobId, PlanId, UserId, uuid_at},
    limits,
    plan::{AskDue, ModelCall, PLANNER_STOPPED, Plan, PlanState},
    ports::{Topic, Tx},
    time::{Timestamp, after, before, elapsed},
};

use super::{
    PlanningContext, Services,
    contexts::{PlanView, Standing},
    found,
    jobs::require_active,
    plans::{Begun, check_call},
};

/// A planner's own timer may be this much ahead of the store's clock.
const EARLY: Duration = Duration::from_millis(100);

/// An ask that may begin.
struct Ready {
    context: PlanningContext,
    /// The context as it is stored.
    record: String,
    ask: AskDue,
}

impl Services {
    /// Starts an ask: a plan record with its frozen context, and the lease on the job's planning.
    ///
    /// All that decides is read beside whoever writes, so that an ask that is refused locks nothing, and one that begins
    /// holds its lock, and on SQLite the only writer, for a moment.
    pub async fn begin_plan(&self, user: &UserId, job: JobId, planner: &str) -> Result<Begun, Error> {
        let mut violations = Violations::default();
        check_planner(planner, &mut violations);
        violations.into_result()?;
        let mut seen = self.store.read().await?;
        let mut ready = self.ready_to_ask(seen.as_mut(), user, job).await?;
        drop(seen);
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let mut planning = found(Resource::Job, tx.lock_planning(&[job]).await?.pop())?;
        if planning != ready.context.planning {
            // Somebody has changed something meanwhile, but nobody can any more.
            ready = self.ready_to_ask(tx.as_mut(), user, job).await?;
        }
        if let Some((expired, _)) = planning.asking {
            expire(tx.as_mut(), user, expired, now).await?;
        }
        let plan = self.new_plan(&ready, planner, now);
        planning.begin(plan.id, plan.lease_until);
        tx.insert_plan(&plan).await?;
        tx.save_planning(&planning).await?;
        tx.wake(Topic::Contexts);
        tx.commit().await?;
        let context = ready.context;
        Ok(Begun { plan, context })
    }

    /// What the model is to be asked, if it may be asked now.
    async fn ready_to_ask(&self, tx: &mut dyn Tx, user: &UserId, job: JobId) -> Result<Ready, Error> {
        let now = tx.now();
        let standing = self.load_standing(tx, user, job).await?;
        require_active(&standing.job)?;
        require_free(&standing)?;
        let ask = require_due(&standing, now)?;
        self.require_calls(&standing, now)?;
        self.require_tokens(tx, user, now).await?;
        // Only now: it is many times as much to load as all that may refuse the ask.
        let mut context = self.fill_context(tx, standing).await?;
        let record = context.freeze();
        Ok(Ready { context, record, ask })
    }

    /// Moves the end of an ask's lease, up to the longest that an ask may take. A lease that has run out can be taken up
    /// again as long as nobody else has the job.
    pub async fn renew_plan(&self, user: &UserId, id: PlanId) -> Result<Plan, Error> {
        let mut tx = self.store.begin().await?;
        let seen = found(Resource::Plan, tx.get_plan(user, id).await?)?;
        let mut planning = found(Resource::Job, tx.lock_planning(&[seen.job_id]).await?.pop())?;
        let mut plan = found(Resource::Plan, tx.get_plan(user, id).await?)?;
        require_asking(&plan)?;
        let longest = after(plan.created_at, self.limits.ask_max);
        plan.lease_until = after(tx.now(), self.limits.lease).min(longest).max(plan.lease_until);
        planning.asking = Some((plan.id, plan.lease_until));
        // No wake: whoever waits for the lease learns of the new end when it asks.
        tx.update_plan(&plan).await?;
        tx.save_planning(&planning).await?;
        tx.commit().await?;
        Ok(plan)
    }

    /// Records that an ask gave nothing usable. Sending it again answers with the record.
    pub async fn fail_plan(
        &self,
        user: &UserId,
        id: PlanId,
        verdict: &str,
        detail: &str,
        call: ModelCall,
    ) -> Result<PlanView, Error> {
        let mut violations = Violations::default();
        check_failure(verdict, detail, &call, &mut violations);
        violations.into_result()?;
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let seen = found(Resource::Plan, tx.get_plan(user, id).await?)?;
        let mut planning = found(Resource::Job, tx.lock_planning(&[seen.job_id]).await?.pop())?;
        let mut plan = found(Resource::Plan, tx.get_plan(user, id).await?)?;
        if plan.state == PlanState::Failed {
            return Ok(PlanView { plan, runs: Vec::new() });
        }
        require_asking(&plan)?;
        plan.call = call;
        verdict.clone_into(&mut plan.verdict);
        detail.clone_into(&mut plan.detail);
        plan.answered_at = Some(now);
        plan.close(PlanState::Failed, now);
        let pause = if verdict == PLANNER_STOPPED {
            Duration::ZERO
        } else {
            self.limits.review_min
        };
        planning.fail(after(now, pause));
        tx.update_plan(&plan).await?;
        tx.save_planning(&planning).await?;
        tx.wake(Topic::Contexts);
        tx.commit().await?;
        Ok(PlanView { plan, runs: Vec::new() })
    }

    fn new_plan(&self, ready: &Ready, planner: &str, now: Timestamp) -> Plan {
        let Ready { context, record, ask } = ready;
        Plan {
            id: PlanId(uuid_at(now, self.chance.as_ref())),
            job_id: context.job.id,
            user_id: context.job.user_id.clone(),
            state: PlanState::Asking,
            definition_revision: context.planning.definition_revision,
            context_revision: context.planning.context_revision,
            ask_reasons: ask.reasons.clone(),
            replaces: context.planning.accepted,
            planner: planner.to_owned(),
            lease_until: after(now, self.limits.lease),
            steps: Vec::new(),
            hints: Vec::new(),
            rationale: String::new(),
            wave: 0,
            waves: 0,
            call: ModelCall::default(),
            verdict: String::new(),
            detail: String::new(),
            created_at: now,
            answered_at: None,
            ended_at: None,
            review_at: None,
            context_digest: hex(&Sha256::digest(record.as_bytes())),
            context: record.clone(),
            charged: 0,
            decided_at: None,
            decision_reason: String::new(),
        }
    }

    fn require_calls(&self, standing: &Standing, now: Timestamp) -> Result<(), Error> {
        let (window, usage) = (self.limits.budget_window, &standing.usage);
        if usage.asks < self.limits.asks_per_window {
            return Ok(());
        }
        let retry_after = usage
            .oldest
            .map_or(window, |oldest| elapsed(now, after(oldest, window)));
        let message = format!(
            "the job's budget of {} model calls is used up",
            self.limits.asks_per_window
        );
        Err(Error::Exhausted {
            reason: "ASK_BUDGET",
            message,
            retry_after,
        })
    }

    /// Asks that run now have not been charged yet: the budget is exceeded by them at most.
    async fn require_tokens(&self, tx: &mut dyn Tx, user: &UserId, now: Timestamp) -> Result<(), Error> {
        let budget = self.limits.tokens_per_day;
        let since = before(now, limits::TOKEN_WINDOW);
        let Some(used_up) = tx.tokens_used_up(user, since, budget).await? else {
            return Ok(());
        };
        Err(Error::Exhausted {
            reason: "TOKEN_BUDGET",
            message: format!("the user's budget of {budget} tokens a day is used up"),
            // Once this ask is a day old, those after it leave something again.
            retry_after: elapsed(now, after(used_up, limits::TOKEN_WINDOW)),
        })
    }
}

async fn expire(tx: &mut dyn Tx, user: &UserId, id: PlanId, now: Timestamp) -> Result<(), Error> {
    let Some(mut plan) = tx.get_plan(user, id).await? else {
        return Ok(());
    };
    if plan.state == PlanState::Asking {
        plan.close(PlanState::Expired, now);
        tx.update_plan(&plan).await?;
    }
    Ok(())
}

fn require_free(standing: &Standing) -> Result<(), Error> {
    let Some((planner, until)) = &standing.holder else {
        return Ok(());
    };
    Err(Error::Aborted {
        reason: "PLAN_LEASE_HELD",
        message: format!("planner {planner:?} is asking for this job"),
        details: vec![("planner", planner.clone()), ("lease_expire_time", until.to_rfc3339())],
    })
}

fn require_due(standing: &Standing, now: Timestamp) -> Result<AskDue, Error> {
    match &standing.ask {
        Some(ask) if ask.at <= after(now, EARLY) => Ok(ask.clone()),
        ask => Err(Error::Aborted {
            reason: "ASK_NOT_DUE",
            message: "there is nothing to ask about this job now".to_owned(),
            details: ask.iter().map(|ask| ("due_time", ask.at.to_rfc3339())).collect(),
        }),
    }
}

/// Fails unless the plan still waits for its answer.
pub(super) fn require_asking(plan: &Plan) -> Result<(), Error> {
    if plan.state == PlanState::Asking {
        return Ok(());
    }
    Err(Error::Aborted {
        reason: "PLAN_NOT_ASKING",
        message: format!("plan is {}: its ask is over", plan.state.as_str()),
        details: vec![("state", plan.state.as_str().to_owned())],
    })
}

/// The bounds of a planner's name.
pub fn check_planner(planner: &str, violations: &mut Violations) {
    let fits = (1..=limits::PLANNER_NAME_CHARS).contains(&planner.chars().count());
    violations.check(
        fits && !planner.chars().any(char::is_control),
        "planner",
        "must have 1 to 128 printable characters",
    );
}

/// The bounds of a failed ask's record.
pub fn check_failure(verdict: &str, detail: &str, call: &ModelCall, violations: &mut Violations) {
    let kebab = verdict
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let named = kebab && (1..=64).contains(&verdict.len());
    violations.check(named, "verdict", "must have 1 to 64 characters in kebab-case");
    let short = detail.chars().count() <= limits::DESCRIPTION_CHARS;
    violations.check(short, "detail", "must have at most 4000 characters");
    check_call(call, violations);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
