//! JobsService, the jobs half.

use baton_proto::v1 as pb;
use tonic::Code;

use crate::harness::{UNKNOWN, World, dormant, every, mask, reason, violations};

#[tokio::test]
async fn a_job_is_created_read_and_listed() {
    let world = World::new().await;
    let request = pb::CreateJobRequest {
        name: "checkout".to_owned(),
        description: "keep the carts warm".to_owned(),
        ..pb::CreateJobRequest::default()
    };
    let job = world.jobs().create_job(request).await.expect("created").into_inner();
    assert_eq!((job.name.as_str(), job.status()), ("checkout", pb::JobStatus::Active));
    assert_eq!(
        (job.create_time, job.archive_time, job.etag.as_str()),
        (Some(world.now()), None, "1")
    );
    let read = world.jobs().get_job(pb::GetJobRequest { id: job.id.clone() }).await;
    assert_eq!(read.expect("found").into_inner(), job);
    let listed = world.jobs().list_jobs(pb::ListJobsRequest::default()).await;
    assert_eq!(listed.expect("listed").into_inner().jobs, [job]);
}

#[tokio::test]
async fn jobs_are_listed_by_status() {
    let world = World::new().await;
    let active = world.job("active").await;
    let paused = world.job("paused").await;
    let id = paused.id.clone();
    world
        .jobs()
        .pause_job(pb::PauseJobRequest { id })
        .await
        .expect("paused");
    let list = async |status: i32| {
        let request = pb::ListJobsRequest {
            status,
            ..pb::ListJobsRequest::default()
        };
        let listed = world.jobs().list_jobs(request).await?;
        let ids = listed.into_inner().jobs.into_iter().map(|job| job.id);
        Ok::<Vec<String>, tonic::Status>(ids.collect())
    };
    assert_eq!(list(pb::JobStatus::Paused.into()).await.expect("listed"), [paused.id]);
    assert_eq!(list(pb::JobStatus::Active.into()).await.expect("listed"), [active.id]);
    assert_eq!(list(0).await.expect("listed").len(), 2);
    assert_eq!(violations(list(99).await), ["status"]);
}

#[tokio::test]
async fn status_verbs_follow_the_life_cycle() {
    let world = World::new().await;
    let job = world.job("job").await;
    let id = || job.id.clone();
    let mut jobs = world.jobs();
    let paused = jobs
        .pause_job(pb::PauseJobRequest { id: id() })
        .await
        .expect("paused")
        .into_inner();
    assert_eq!(paused.status(), pb::JobStatus::Paused);
    let again = jobs.pause_job(pb::PauseJobRequest { id: id() }).await;
    assert_eq!(reason(again, Code::FailedPrecondition), "JOB_STATE");
    let resumed = jobs
        .resume_job(pb::ResumeJobRequest { id: id() })
        .await
        .expect("resumed")
        .into_inner();
    assert_eq!(resumed.status(), pb::JobStatus::Active);
    let archived = jobs
        .archive_job(pb::ArchiveJobRequest { id: id() })
        .await
        .expect("archived")
        .into_inner();
    assert_eq!(
        (archived.status(), archived.archive_time),
        (pb::JobStatus::Archived, Some(world.now()))
    );
    let late = jobs.resume_job(pb::ResumeJobRequest { id: id() }).await;
    assert_eq!(reason(late, Code::FailedPrecondition), "JOB_STATE");
}

#[tokio::test]
async fn deleting_a_job_takes_its_endpoints_along() {
    let world = World::new().await;
    let job = world.job("job").await;
    let endpoint = world.endpoint(every(60, Some(&job))).await;
    let request = pb::DeleteJobRequest { id: job.id.clone() };
    world.jobs().delete_job(request.clone()).await.expect("deleted");
    let gone = world
        .jobs()
        .get_endpoint(pb::GetEndpointRequest { id: endpoint.id })
        .await;
    assert_eq!(reason(gone, Code::NotFound), "ENDPOINT_NOT_FOUND");
    assert_eq!(
        reason(world.jobs().delete_job(request).await, Code::NotFound),
        "JOB_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_mask_writes_what_it_names() {
    let world = World::new().await;
    let job = world.job("before").await;
    let update = async |name: &str, description: &str, paths: Option<prost_types::FieldMask>| {
        let request = pb::UpdateJobRequest {
            job: Some(pb::Job {
                id: job.id.clone(),
                name: name.to_owned(),
                description: description.to_owned(),
                ..pb::Job::default()
            }),
            update_mask: paths,
        };
        let written = world.jobs().update_job(request).await?.into_inner();
        Ok::<_, tonic::Status>((written.name, written.description))
    };
    let pair = |name: &str, description: &str| (name.to_owned(), description.to_owned());
    // Without a mask: whatever is present.
    assert_eq!(
        update("", "words", None).await.expect("written"),
        pair("before", "words")
    );
    assert_eq!(
        update("after", "", None).await.expect("written"),
        pair("after", "words")
    );
    // With one: what it names, present or not, and nothing else.
    let named = mask(&["description"]);
    assert_eq!(update("ignored", "", named).await.expect("written"), pair("after", ""));
    assert_eq!(violations(update("", "", mask(&["name"])).await), ["job.name"]);
    assert_eq!(violations(update("", "", mask(&["*"])).await), ["job.name"]);
    let wrong = update("x", "", mask(&["status", "nonsense", "name"])).await;
    assert_eq!(violations(wrong), ["update_mask", "update_mask"]);
}

#[tokio::test]
async fn every_mistake_is_told_at_once() {
    let world = World::new().await;
    let request = pb::CreateJobRequest {
        name: "n".repeat(256),
        description: "d".repeat(4_001),
        request_id: "r".repeat(129),
    };
    assert_eq!(
        violations(world.jobs().create_job(request).await),
        ["description", "name", "request_id"]
    );
    let request = pb::UpdateJobRequest {
        job: Some(pb::Job {
            id: "7".to_owned(),
            name: "a\u{7}b".to_owned(),
            ..pb::Job::default()
        }),
        update_mask: mask(&["name", "id"]),
    };
    let found = violations(world.jobs().update_job(request).await);
    assert_eq!(found, ["job.id", "job.name", "update_mask"]);
    assert_eq!(
        violations(world.jobs().update_job(pb::UpdateJobRequest::default()).await),
        ["job"]
    );
    let listed = world.jobs().list_jobs(pb::ListJobsRequest::default()).await;
    assert!(
        listed.expect("listed").into_inner().jobs.is_empty(),
        "nothing was written"
    );
}

#[tokio::test]
async fn a_stale_etag_is_answered_with_the_current_one() {
    let world = World::new().await;
    let job = world.job("job").await;
    let update = async |etag: &str| {
        let request = pb::UpdateJobRequest {
            job: Some(pb::Job {
                id: job.id.clone(),
                name: "renamed".to_owned(),
                etag: etag.to_owned(),
                ..pb::Job::default()
            }),
            update_mask: None,
        };
        world.jobs().update_job(request).await
    };
    assert_eq!(update("1").await.expect("current").into_inner().etag, "2");
    let stale = update("1").await;
    let details = tonic_types::StatusExt::get_error_details(stale.as_ref().expect_err("stale"));
    let metadata = details.error_info().expect("an ErrorInfo").metadata.clone();
    assert_eq!(metadata.get("etag").map(String::as_str), Some("2"));
    assert_eq!(reason(stale, Code::Aborted), "ETAG_MISMATCH");
}

#[tokio::test]
async fn a_repeated_create_has_one_effect() {
    let world = World::new().await;
    let request = |name: &str| pb::CreateJobRequest {
        name: name.to_owned(),
        request_id: "once".to_owned(),
        ..pb::CreateJobRequest::default()
    };
    let first = world
        .jobs()
        .create_job(request("job"))
        .await
        .expect("created")
        .into_inner();
    let second = world
        .jobs()
        .create_job(request("job"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(first, second);
    let reused = world.jobs().create_job(request("other")).await;
    assert_eq!(reason(reused, Code::InvalidArgument), "REQUEST_ID_REUSED");
    let listed = world.jobs().list_jobs(pb::ListJobsRequest::default()).await;
    assert_eq!(listed.expect("listed").into_inner().jobs.len(), 1);
}

#[tokio::test]
async fn somebody_elses_job_is_as_unknown_as_one_that_never_was() {
    let world = World::new().await;
    let foreign = world.foreign_job().await;
    let mut jobs = world.jobs();
    for verb in 0..6 {
        let mut told = Vec::new();
        for id in [foreign.clone(), UNKNOWN.to_owned()] {
            let answer = match verb {
                0 => jobs.get_job(pb::GetJobRequest { id }).await.map(drop),
                1 => jobs.pause_job(pb::PauseJobRequest { id }).await.map(drop),
                2 => jobs.archive_job(pb::ArchiveJobRequest { id }).await.map(drop),
                3 => jobs.delete_job(pb::DeleteJobRequest { id }).await.map(drop),
                4 => {
                    let job_id = Some(id);
                    let request = pb::ListEndpointsRequest {
                        job_id,
                        ..pb::ListEndpointsRequest::default()
                    };
                    jobs.list_endpoints(request).await.map(drop)
                }
                _ => {
                    let mut endpoint = dormant("x", None);
                    endpoint.job_id = Some(id);
                    let request = pb::CreateEndpointRequest {
                        endpoint: Some(endpoint),
                        ..pb::CreateEndpointRequest::default()
                    };
                    jobs.create_endpoint(request).await.map(drop)
                }
            };
            let status = answer.expect_err("not found");
            told.push((status.message().to_owned(), status.details().to_vec()));
            assert_eq!(
                reason(Err::<(), _>(status), Code::NotFound),
                "JOB_NOT_FOUND",
                "verb {verb}"
            );
        }
        assert_eq!(told[0], told[1], "verb {verb}");
    }
}

#[tokio::test]
async fn ids_that_are_none_are_told_as_such() {
    let world = World::new().await;
    for id in ["", "7", "01890a5dac96774bbcceb302099a8057"] {
        let id = || id.to_owned();
        let mut jobs = world.jobs();
        assert_eq!(violations(jobs.get_job(pb::GetJobRequest { id: id() }).await), ["id"]);
        assert_eq!(
            violations(jobs.pause_job(pb::PauseJobRequest { id: id() }).await),
            ["id"]
        );
        assert_eq!(
            violations(jobs.resume_job(pb::ResumeJobRequest { id: id() }).await),
            ["id"]
        );
        assert_eq!(
            violations(jobs.archive_job(pb::ArchiveJobRequest { id: id() }).await),
            ["id"]
        );
        assert_eq!(
            violations(jobs.delete_job(pb::DeleteJobRequest { id: id() }).await),
            ["id"]
        );
    }
}
