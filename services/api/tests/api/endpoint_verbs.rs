//! JobsService, the verbs of endpoints: assign, pause, resume, archive, reset, preview.

use baton_domain::call::CallOutcome;
use baton_proto::v1 as pb;
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::harness::{UNKNOWN, World, dormant, every, reason, violations};

#[tokio::test]
async fn assignment_moves_in_and_out() {
    let world = World::new().await;
    let job = world.job("job").await;
    let made = world.endpoint(dormant("free", None)).await;
    let assign = async |job_id: &str| {
        let request = pb::AssignEndpointRequest {
            id: made.id.clone(),
            job_id: job_id.to_owned(),
        };
        world
            .jobs()
            .assign_endpoint(request)
            .await
            .map(tonic::Response::into_inner)
    };
    assert_eq!(assign(&job.id).await.expect("assigned").job_id, Some(job.id.clone()));
    assert_eq!(assign("").await.expect("removed").job_id, None);
    assert_eq!(
        reason(assign(&world.foreign_job().await).await, Code::NotFound),
        "JOB_NOT_FOUND"
    );
    assert_eq!(violations(assign("x").await), ["job_id"]);
}

#[tokio::test]
async fn pausing_resuming_and_archiving() {
    let world = World::new().await;
    let made = world.endpoint(every(60, None)).await;
    let id = || made.id.clone();
    let mut jobs = world.jobs();
    let pause = |until| pb::PauseEndpointRequest { id: id(), until };
    let paused = jobs.pause_endpoint(pause(None)).await.expect("paused").into_inner();
    assert_eq!((paused.pause, paused.next_run), (Some(pb::Pause { until: None }), None));
    let end = Some(world.in_seconds(3_600));
    let paused = jobs.pause_endpoint(pause(end)).await.expect("paused").into_inner();
    assert_eq!(paused.pause, Some(pb::Pause { until: end }));
    assert_eq!(
        violations(jobs.pause_endpoint(pause(Some(world.in_seconds(-1)))).await),
        ["until"]
    );
    let garbage = Some(Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    });
    assert_eq!(violations(jobs.pause_endpoint(pause(garbage)).await), ["until"]);
    let resumed = jobs.resume_endpoint(pb::ResumeEndpointRequest { id: id() }).await;
    assert!(resumed.expect("resumed").into_inner().next_run.is_some());
    let again = jobs.resume_endpoint(pb::ResumeEndpointRequest { id: id() }).await;
    assert_eq!(reason(again, Code::FailedPrecondition), "ENDPOINT_STATE");
    let archived = jobs.archive_endpoint(pb::ArchiveEndpointRequest { id: id() }).await;
    assert_eq!(
        archived.expect("archived").into_inner().status(),
        pb::EndpointStatus::Archived
    );
    jobs.delete_endpoint(pb::DeleteEndpointRequest { id: id() })
        .await
        .expect("deleted");
    let gone = jobs.get_endpoint(pb::GetEndpointRequest { id: id() }).await;
    assert_eq!(reason(gone, Code::NotFound), "ENDPOINT_NOT_FOUND");
}

#[tokio::test]
async fn failures_are_counted_and_reset() {
    let world = World::new().await;
    let made = world.endpoint(every(60, None)).await;
    world.clock.advance(std::time::Duration::from_secs(60));
    let rejected = CallOutcome {
        status_code: Some(400),
        ..CallOutcome::default()
    };
    assert_eq!(world.run_due(&rejected).await, 1);
    let request = pb::GetEndpointRequest { id: made.id.clone() };
    let failed = world.jobs().get_endpoint(request).await.expect("found").into_inner();
    assert_eq!(failed.failures, 1);
    let request = pb::ResetFailuresRequest { id: made.id.clone() };
    let reset = world.jobs().reset_failures(request).await.expect("reset").into_inner();
    assert_eq!(reset.failures, 0);
}

#[tokio::test]
async fn a_preview_gives_the_next_times_with_their_cause() {
    let world = World::new().await;
    let made = world.endpoint(every(60, None)).await;
    let preview = async |endpoint_id: &str, count| {
        let request = pb::PreviewScheduleRequest {
            endpoint_id: endpoint_id.to_owned(),
            count,
        };
        let answer = world.jobs().preview_schedule(request).await?;
        Ok::<_, Status>(answer.into_inner().runs)
    };
    let runs = preview(&made.id, 3).await.expect("previewed");
    let times: Vec<_> = runs.iter().map(|run| run.planned_time).collect();
    assert_eq!(times, [60, 120, 180].map(|seconds| Some(world.in_seconds(seconds))));
    assert!(
        runs.iter()
            .all(|run| run.cause() == pb::Cause::Interval && run.source == "baseline")
    );
    assert_eq!(preview(&made.id, 0).await.expect("previewed").len(), 10);
    assert_eq!(violations(preview("x", 1_001).await), ["count", "endpoint_id"]);
    assert_eq!(violations(preview(&made.id, -1).await), ["count"]);
    assert_eq!(reason(preview(UNKNOWN, 1).await, Code::NotFound), "ENDPOINT_NOT_FOUND");
}
