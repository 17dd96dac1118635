//! What was answered is kept, and one file has one serving process.

use std::{process::Stdio, time::Duration};

use baton_proto::v1::{self, RunStatus};

use crate::stage::{Stage, eventually, scheduler_command};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_run_survives_kill_9() {
    let mut stage = Stage::new(&[]).await;
    let endpoint = stage.create_endpoint(None, "traffic_monitor", None).await;
    let at = baton_demo::clock::wall_now() + Duration::from_secs(2);
    let submit = v1::SubmitRunRequest {
        endpoint_id: endpoint,
        planned_time: Some(at.into()),
        request_id: "submit-1".to_owned(),
    };
    let run = stage
        .runs_client()
        .submit_run(submit.clone())
        .await
        .expect("accepted")
        .into_inner();
    assert_eq!((run.source.as_str(), run.status()), ("manual", RunStatus::Planned));

    stage.crash_scheduler(&[]).await;

    let again = eventually("the scheduler answers again", || async {
        Some(stage.runs_client().submit_run(submit.clone()).await.ok()?.into_inner())
    })
    .await;
    assert_eq!(again.id, run.id, "the same request, the same run");
    let finished = eventually("the run succeeds", || async {
        let request = v1::GetRunRequest { id: run.id.clone() };
        let run = stage.runs_client().get_run(request).await.ok()?.into_inner();
        (run.status() == RunStatus::Succeeded).then_some(run)
    })
    .await;
    assert!(finished.start_time.map(|start| start.seconds) >= finished.planned_time.map(|planned| planned.seconds));
    let received = stage.sink.received();
    assert_eq!(received.len(), 1, "called once");
    assert_eq!(received[0].run_id.as_deref(), Some(run.id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_flight_at_kill_9_is_taken_up_after_the_lease() {
    let mut stage = Stage::new(&["--lease", "2s"]).await;
    let endpoint = stage.create_endpoint(None, "traffic_monitor", None).await;
    let delay = baton_demo::sink::Misbehaviour::Delay(Duration::from_secs(600));
    stage.sink.set_misbehaviour("traffic_monitor", Some(delay));
    let submit = v1::SubmitRunRequest {
        endpoint_id: endpoint,
        ..Default::default()
    };
    let run = stage
        .runs_client()
        .submit_run(submit)
        .await
        .expect("accepted")
        .into_inner();
    eventually("the call arrives", || async {
        (stage.sink.received().len() == 1).then_some(())
    })
    .await;

    stage.sink.set_misbehaviour("traffic_monitor", None);
    stage.crash_scheduler(&["--lease", "2s"]).await;

    eventually("the run succeeds", || async {
        let request = v1::GetRunRequest { id: run.id.clone() };
        let run = stage.runs_client().get_run(request).await.ok()?.into_inner();
        (run.status() == RunStatus::Succeeded).then_some(())
    })
    .await;
    let received = stage.sink.received();
    assert!(
        received
            .iter()
            .all(|call| call.run_id.as_deref() == Some(run.id.as_str())),
        "one key for every attempt"
    );
    assert_eq!(received.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serving_process_on_one_file_is_refused() {
    let stage = Stage::new(&[]).await;
    let mut second = scheduler_command(stage.directory.path());
    second.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null());
    let output = second.output().await.expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("served by another process"), "{message}");
}
