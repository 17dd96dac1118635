//! The run loop end to end, in paused time: a scheduler double, a scripted model, and the loop as the binary runs it.

use baton_proto::v1::{AdvancePlanRequest, BeginPlanRequest, PlanningContext};
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle, time::timeout};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;
use crate::{
    model::{ErrorKind, Message, ModelError},
    prompt,
    testing::{
        NoChance,
        contexts::{at, context, due_in},
        models::ScriptedModel,
        scheduler::{Call, FakeScheduler},
    },
};

const DEBOUNCE: Duration = Duration::from_millis(250);

struct Scene {
    scheduler: FakeScheduler,
    calls: UnboundedReceiver<Call>,
    stop: CancellationToken,
    planner: JoinHandle<Result<(), WatchEnded>>,
    started: Instant,
}

fn start(model: Arc<dyn Model>, contexts: Vec<PlanningContext>, change: impl FnOnce(&mut Settings)) -> Scene {
    let (scheduler, calls) = FakeScheduler::new();
    contexts.into_iter().for_each(|context| scheduler.publish(context));
    let mut settings = Settings {
        ask: ask::Settings {
            planner: "planner-1".to_owned(),
            request_timeout: Duration::from_secs(60),
            max_prompt_chars: prompt::DEFAULT_MAX_CHARS,
            prices: None,
        },
        debounce: DEBOUNCE,
        max_concurrent: 8,
        circuit: circuit::Config::default(),
    };
    change(&mut settings);
    let planner = Planner {
        scheduler: scheduler.client(),
        model,
        chance: Arc::new(NoChance),
        metrics: Metrics::default(),
        settings,
    };
    let stop = CancellationToken::new();
    let planner = tokio::spawn(planner.run(stop.clone()));
    Scene {
        scheduler,
        calls,
        stop,
        planner,
        started: Instant::now(),
    }
}

fn start_scripted(script: Vec<Result<String, ModelError>>, contexts: Vec<PlanningContext>) -> Scene {
    start(Arc::new(ScriptedModel::new(script).0), contexts, |_| {})
}

impl Scene {
    async fn call(&mut self) -> Call {
        timeout(Duration::from_secs(3_600), self.next_call())
            .await
            .expect("no call within an hour")
    }

    /// Renewals only say that an ask goes on; `ask::tests` has them.
    async fn next_call(&mut self) -> Call {
        loop {
            match self.calls.recv().await.unwrap() {
                Call::Renew(_) => {}
                call => return call,
            }
        }
    }

    /// The next BeginPlan, and milliseconds since the start.
    async fn begin(&mut self) -> (BeginPlanRequest, u128) {
        loop {
            if let Call::Begin(request) = self.call().await {
                return (request, self.started.elapsed().as_millis());
            }
        }
    }

    async fn quiet_for(&mut self, seconds: u64) {
        if let Ok(call) = timeout(Duration::from_secs(seconds), self.next_call()).await {
            panic!("{call:?}");
        }
    }

    async fn stop(mut self) -> Vec<Call> {
        self.stop.cancel();
        self.planner.await.unwrap().unwrap();
        let mut calls = Vec::new();
        while let Ok(call) = self.calls.try_recv() {
            calls.push(call);
        }
        calls
    }
}

fn revision(context_revision: i64, context: PlanningContext) -> PlanningContext {
    PlanningContext {
        context_revision,
        ..context
    }
}

fn unreachable_model(times: usize) -> Vec<Result<String, ModelError>> {
    vec![Err(ModelError::new(ErrorKind::Unreachable, "gone")); times]
}

#[tokio::test(start_paused = true)]
async fn asks_when_the_ask_is_due_although_the_clocks_disagree() {
    let mut scene = start_scripted(vec![], vec![due_in("job", 10.0)]);
    assert_eq!(scene.call().await, Call::Watch);
    let (request, millis) = scene.begin().await;
    assert_eq!((request.job_id.as_str(), request.context_revision), ("job", 1));
    assert_eq!(millis, 10_250);
    assert!(matches!(scene.call().await, Call::Submit(_)));
    scene.quiet_for(3_600).await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_together_make_one_ask_about_the_latest() {
    let mut scene = start_scripted(vec![], vec![due_in("job", 0.0)]);
    scene.call().await;
    for number in 2..=4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        scene.scheduler.publish(revision(number, due_in("job", 0.0)));
    }
    let (request, millis) = scene.begin().await;
    assert_eq!((request.context_revision, millis), (4, 250));
    assert!(matches!(scene.call().await, Call::Submit(_)));
    scene.quiet_for(60).await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_during_an_ask_is_asked_afterwards() {
    let (model, mut requests) = ScriptedModel::held();
    let model = Arc::new(model);
    let mut scene = start(model.clone(), vec![due_in("job", 0.0)], |_| {});
    scene.begin().await;
    requests.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.scheduler.publish(revision(2, due_in("job", 0.0)));
    scene.quiet_for(30).await;
    model.release();
    assert!(matches!(scene.call().await, Call::Submit(_)));
    assert_eq!(scene.begin().await.0.context_revision, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wave_is_started_at_once_even_during_an_ask() {
    let (model, mut requests) = ScriptedModel::held();
    let mut scene = start(Arc::new(model), vec![due_in("job", 0.0)], |_| {});
    scene.begin().await;
    requests.recv().await.unwrap();
    let before = scene.started.elapsed();
    let wave = PlanningContext {
        advance_plan_id: Some("plan-0".to_owned()),
        advance_wave: Some(2),
        ..context("job")
    };
    scene.scheduler.publish(wave.clone());
    let expected = AdvancePlanRequest {
        plan_id: "plan-0".to_owned(),
        wave: 2,
    };
    assert_eq!(scene.call().await, Call::Advance(expected));
    assert_eq!(scene.started.elapsed(), before);
    scene.scheduler.publish(wave);
    scene.quiet_for(60).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_advance_is_repeated() {
    let mut scene = start_scripted(vec![], vec![]);
    scene.call().await;
    scene.scheduler.refuse("advance", Status::unavailable("restarting"));
    let wave = PlanningContext {
        advance_plan_id: Some("plan-0".to_owned()),
        advance_wave: Some(2),
        ..context("job")
    };
    scene.scheduler.publish(wave);
    assert_eq!(scene.call().await, scene.call().await);
    scene.quiet_for(60).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_asks_run_at_once_than_allowed() {
    let (model, mut requests) = ScriptedModel::held();
    let model = Arc::new(model);
    let contexts = vec![due_in("a", -3.0), due_in("b", -2.0), due_in("c", -1.0)];
    let mut scene = start(model.clone(), contexts, |settings| settings.max_concurrent = 2);
    let mut begun = vec![scene.begin().await.0.job_id, scene.begin().await.0.job_id];
    begun.sort();
    assert_eq!(begun, ["a", "b"], "the longest due first");
    requests.recv().await.unwrap();
    requests.recv().await.unwrap();
    scene.quiet_for(30).await;
    model.release();
    assert_eq!(scene.begin().await.0.job_id, "c");
}

#[tokio::test(start_paused = true)]
async fn another_planners_lease_is_respected_until_it_runs_out() {
    let mut leased = due_in("job", 0.0);
    leased.lease_holder = "planner-2".to_owned();
    leased.lease_expire_time = Some(at(45.0));
    let mut scene = start_scripted(vec![], vec![leased]);
    assert_eq!(scene.begin().await.1, 45_000);
}

#[tokio::test(start_paused = true)]
async fn aborted_is_normal_and_waits_for_the_next_context() {
    let mut scene = start_scripted(vec![], vec![]);
    scene.call().await;
    scene
        .scheduler
        .refuse("begin", Status::aborted("planner-2 holds the lease"));
    scene.scheduler.publish(due_in("job", 0.0));
    scene.begin().await;
    scene.quiet_for(10).await;
    scene.scheduler.publish(revision(2, due_in("job", 0.0)));
    assert_eq!(scene.begin().await.0.context_revision, 2);
    assert!(matches!(scene.call().await, Call::Submit(_)));
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_is_waited_for_as_long_as_the_scheduler_says() {
    let mut scene = start_scripted(vec![], vec![]);
    scene.call().await;
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(600)));
    let status = Status::with_error_details(tonic::Code::ResourceExhausted, "60 calls an hour", details);
    scene.scheduler.refuse("begin", status);
    scene.scheduler.publish(due_in("job", 0.0));
    scene.begin().await;
    scene.scheduler.publish(due_in("job", 0.0));
    assert_eq!(scene.begin().await.1, 600_250);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_while_the_circuit_is_open() {
    let config = circuit::Config {
        threshold: 2,
        first_pause: Duration::from_secs(100),
        ..circuit::Config::default()
    };
    let (model, _requests) = ScriptedModel::new(unreachable_model(2));
    let contexts = vec![due_in("a", 0.0), due_in("b", 1.0)];
    let mut scene = start(Arc::new(model), contexts, |settings| settings.circuit = config);
    scene.begin().await;
    scene.begin().await;
    assert!(matches!(scene.call().await, Call::Fail(_)));
    let opened = scene.started.elapsed();
    tokio::time::sleep(Duration::from_millis(1)).await;
    scene.scheduler.publish(due_in("a", 0.0));
    scene.scheduler.publish(due_in("b", 0.0));
    scene.quiet_for(99).await;
    // One tries; when it has worked, the other follows.
    scene.begin().await;
    assert_eq!((scene.started.elapsed() - opened).as_secs(), 100);
    assert!(matches!(scene.call().await, Call::Submit(_)));
    assert!(matches!(scene.call().await, Call::Begin(_)));
    assert!(matches!(scene.call().await, Call::Submit(_)));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_fails_keeps_the_circuit_open_for_longer() {
    let config = circuit::Config {
        threshold: 1,
        first_pause: Duration::from_secs(100),
        ..circuit::Config::default()
    };
    let (model, _requests) = ScriptedModel::new(unreachable_model(2));
    let mut scene = start(Arc::new(model), vec![due_in("a", 0.0)], |settings| {
        settings.circuit = config
    });
    for expected in [250, 100_250, 300_250] {
        assert_eq!(scene.begin().await.1, expected);
        scene.call().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        scene.scheduler.publish(due_in("a", 0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_opened_again_and_its_snapshot_replaces_what_was_known() {
    let mut scene = start_scripted(vec![], vec![due_in("gone", 60.0), due_in("stays", 60.0)]);
    assert_eq!(scene.call().await, Call::Watch);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.scheduler.forget("gone");
    scene.scheduler.refuse("watch", Status::unavailable("restarting"));
    scene.scheduler.break_streams();
    assert_eq!(scene.call().await, Call::Watch);
    assert_eq!(scene.call().await, Call::Watch);
    let (request, _) = scene.begin().await;
    assert_eq!(request.job_id, "stays");
    assert!(matches!(scene.call().await, Call::Submit(_)));
    scene.quiet_for(3_600).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_job_is_not_asked_about() {
    let mut scene = start_scripted(vec![], vec![due_in("job", 60.0)]);
    scene.call().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.scheduler.remove("job");
    scene.quiet_for(3_600).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_comes_back_during_its_ask_is_not_asked_about_twice() {
    let (model, mut requests) = ScriptedModel::held();
    let mut scene = start(Arc::new(model), vec![due_in("job", 0.0)], |_| {});
    scene.begin().await;
    requests.recv().await.unwrap();
    scene.scheduler.remove("job");
    scene.scheduler.publish(due_in("job", 0.0));
    scene.quiet_for(30).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_up_running_asks_and_puts_it_on_record() {
    let (model, mut requests) = ScriptedModel::held();
    let mut scene = start(Arc::new(model), vec![due_in("job", 0.0)], |_| {});
    scene.begin().await;
    requests.recv().await.unwrap();
    let before = Instant::now();
    let calls = scene.stop().await;
    assert!(
        matches!(calls.as_slice(), [Call::Fail(request)] if request.verdict == "planner-stopped"),
        "{calls:?}"
    );
    assert!(before.elapsed() < STOP_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_ask_does_not_end_the_others() {
    struct Panicking;
    #[async_trait::async_trait]
    impl Model for Panicking {
        fn name(&self) -> &str {
            "panicking"
        }
        async fn ask(
            &self,
            _: &[Message],
            _: &serde_json::Value,
            _: Duration,
        ) -> Result<crate::model::Reply, ModelError> {
            panic!("a defect");
        }
    }
    let mut scene = start(Arc::new(Panicking), vec![due_in("a", 0.0), due_in("b", 5.0)], |_| {});
    assert_eq!(scene.begin().await.0.job_id, "a");
    loop {
        if scene.begin().await.0.job_id == "b" {
            break;
        }
    }
    assert!(!scene.planner.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_context_of_before_the_ask_does_not_cause_another() {
    let (model, mut requests) = ScriptedModel::held();
    let model = Arc::new(model);
    let mut scene = start(model.clone(), vec![due_in("job", 0.0)], |_| {});
    scene.begin().await;
    requests.recv().await.unwrap();
    // Put together a second before BeginPlan, but slow on its way.
    let mut late = due_in("job", 0.0);
    late.as_of_time = Some(at(-1.0));
    scene.scheduler.publish(late);
    model.release();
    assert!(matches!(scene.call().await, Call::Submit(_)));
    scene.quiet_for(60).await;
}
