//! PlansService: leases that are renewed, modes, and what people decide about suggestions.

use baton_proto::v1 as pb;
use tonic::{Code, Response, Status};

use crate::{
    harness::{UNKNOWN, ok, reason, violations},
    shop::Shop,
};

impl Shop {
    async fn set_mode(&self, mode: pb::PlannerMode, etag: &str) -> Result<pb::Job, Status> {
        let request = pb::SetPlannerModeRequest {
            job_id: self.job.id.clone(),
            mode: mode.into(),
            etag: etag.to_owned(),
        };
        self.world
            .plans()
            .set_planner_mode(request)
            .await
            .map(Response::into_inner)
    }

    async fn approve(&self, plan_id: &str, reason: &str) -> Result<pb::Plan, Status> {
        let (plan_id, reason) = (plan_id.to_owned(), reason.to_owned());
        let request = pb::ApprovePlanRequest { plan_id, reason };
        self.world.plans().approve_plan(request).await.map(Response::into_inner)
    }

    async fn reject(&self, plan_id: &str, reason: &str) -> Result<pb::Plan, Status> {
        let (plan_id, reason) = (plan_id.to_owned(), reason.to_owned());
        let request = pb::RejectPlanRequest { plan_id, reason };
        self.world.plans().reject_plan(request).await.map(Response::into_inner)
    }

    async fn renew(&self, plan_id: &str) -> Result<pb::Plan, Status> {
        let plan_id = plan_id.to_owned();
        let request = pb::RenewPlanRequest { plan_id };
        self.world.plans().renew_plan(request).await.map(Response::into_inner)
    }

    async fn suggest(&self) -> pb::Plan {
        self.set_mode(pb::PlannerMode::Suggest, "").await.expect("set");
        let begun = self.begin(0).await.expect("begun");
        let plan = self.submit(self.answer(&begun)).await.expect("taken");
        assert_eq!(plan.state(), pb::PlanState::Suggested);
        plan
    }
}

#[tokio::test]
async fn a_job_acts_until_its_mode_is_set_and_shows_it() {
    let shop = Shop::open().await;
    assert_eq!(shop.job.planner_mode(), pb::PlannerMode::Act);
    let set = shop.set_mode(pb::PlannerMode::Observe, &shop.job.etag).await;
    let set = set.expect("set");
    assert_eq!(set.planner_mode(), pb::PlannerMode::Observe);
    let stale = shop.set_mode(pb::PlannerMode::Act, &shop.job.etag).await;
    assert_eq!(reason(stale, Code::Aborted), "ETAG_MISMATCH");
    let begun = shop.begin(0).await.expect("begun");
    let shown = begun.context.as_ref().and_then(|context| context.job.clone());
    assert_eq!(shown, Some(set), "the planner sees it too");
    let plan = shop.submit(shop.answer(&begun)).await.expect("recorded");
    assert_eq!(plan.state(), pb::PlanState::Observed);
    assert_eq!(shop.world.run_due(&ok()).await, 0);
}

#[tokio::test]
async fn a_suggestion_runs_once_it_is_approved() {
    let shop = Shop::open().await;
    let plan = shop.suggest().await;
    assert_eq!(shop.world.run_due(&ok()).await, 0);
    let approved = shop.approve(&plan.id, "go").await.expect("approved");
    assert_eq!(approved.state(), pb::PlanState::Running);
    assert_eq!(
        (approved.decision_reason.as_str(), approved.decision_time),
        ("go", Some(shop.world.now()))
    );
    let again = shop.approve(&plan.id, "").await.expect("has no second effect");
    assert_eq!(again, approved);
    assert_eq!(shop.world.run_due(&ok()).await, 1);
    assert_eq!(
        reason(shop.reject(&plan.id, "").await, Code::FailedPrecondition),
        "PLAN_STATE"
    );
}

#[tokio::test]
async fn a_rejected_suggestion_is_told_to_the_planner() {
    let shop = Shop::open().await;
    let plan = shop.suggest().await;
    let rejected = shop.reject(&plan.id, "not before noon").await.expect("rejected");
    assert_eq!(rejected.state(), pb::PlanState::Rejected);
    assert_eq!(shop.reject(&plan.id, "").await.expect("has no second effect"), rejected);
    let refused = shop.approve(&plan.id, "").await;
    assert_eq!(reason(refused, Code::FailedPrecondition), "PLAN_STATE");
    shop.world.clock.advance(std::time::Duration::from_secs(300));
    let begun = shop.begin(0).await.expect("begun");
    let told = begun.context.and_then(|context| context.suggestion).expect("is shown");
    assert_eq!(told.decision_reason, "not before noon");
}

#[tokio::test]
async fn a_stale_suggestion_says_why_it_cannot_be_approved() {
    let shop = Shop::open().await;
    let plan = shop.suggest().await;
    shop.world.clock.advance(std::time::Duration::from_secs(300));
    let expired = shop.approve(&plan.id, "").await;
    assert_eq!(reason(expired, Code::FailedPrecondition), "SUGGESTION_EXPIRED");
    let rename = pb::UpdateJobRequest {
        job: Some(pb::Job {
            id: shop.job.id.clone(),
            description: "everything is different".to_owned(),
            ..pb::Job::default()
        }),
        update_mask: None,
    };
    shop.world.jobs().update_job(rename).await.expect("written");
    let changed = shop.approve(&plan.id, "").await;
    assert_eq!(reason(changed, Code::Aborted), "DEFINITION_CHANGED");
}

#[tokio::test]
async fn a_lease_is_renewed_until_somebody_else_has_the_job() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun").plan.expect("a plan");
    assert_eq!(begun.lease_expire_time, Some(shop.world.in_seconds(30)));
    shop.world.clock.advance(std::time::Duration::from_secs(20));
    let renewed = shop.renew(&begun.id).await.expect("renewed");
    assert_eq!(renewed.lease_expire_time, Some(shop.world.in_seconds(30)));
    shop.world.clock.advance(std::time::Duration::from_secs(30));
    shop.begin(0).await.expect("the job is free");
    assert_eq!(reason(shop.renew(&begun.id).await, Code::Aborted), "PLAN_NOT_ASKING");
}

#[tokio::test]
async fn mistakes_and_strangers_ids_are_told() {
    let shop = Shop::open().await;
    let wrong = pb::SetPlannerModeRequest {
        job_id: "x".to_owned(),
        mode: 9,
        etag: String::new(),
    };
    assert_eq!(
        violations(shop.world.plans().set_planner_mode(wrong).await),
        ["job_id", "mode"]
    );
    let long = "r".repeat(1_001);
    assert_eq!(violations(shop.approve("x", &long).await), ["plan_id", "reason"]);
    assert_eq!(violations(shop.reject("x", &long).await), ["plan_id", "reason"]);
    assert_eq!(violations(shop.renew("x").await), ["plan_id"]);
    for refused in [
        shop.approve(UNKNOWN, "").await,
        shop.reject(UNKNOWN, "").await,
        shop.renew(UNKNOWN).await,
    ] {
        assert_eq!(reason(refused, Code::NotFound), "PLAN_NOT_FOUND");
    }
    let foreign = pb::SetPlannerModeRequest {
        job_id: shop.world.foreign_job().await,
        mode: pb::PlannerMode::Act.into(),
        etag: String::new(),
    };
    let refused = shop.world.plans().set_planner_mode(foreign).await;
    assert_eq!(reason(refused, Code::NotFound), "JOB_NOT_FOUND");
}
