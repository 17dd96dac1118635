//! One ask against a scheduler double and a scripted model: what is submitted, and which verdict is recorded otherwise.

mod bad_answers;

use baton_proto::v1::ModelCall;
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::*;
use crate::{
    model::{ErrorKind, ModelError, Usage},
    prompt,
    testing::{
        contexts::{due_in, seconds},
        models::{NOTHING_TO_DO, ONE_STEP, ScriptedModel},
        scheduler::{Call, FakeScheduler, LEASE_SECONDS, LONGEST_ASK_SECONDS},
    },
};

type Script = Vec<Result<String, ModelError>>;

struct Scene {
    asker: Asker,
    scheduler: FakeScheduler,
    calls: UnboundedReceiver<Call>,
}

fn scene_with(model: ScriptedModel) -> Scene {
    let (scheduler, calls) = FakeScheduler::new();
    scheduler.publish(due_in("job", 0.0));
    let settings = Settings {
        planner: "planner-1".to_owned(),
        request_timeout: Duration::from_secs(60),
        max_prompt_chars: prompt::DEFAULT_MAX_CHARS,
        prices: None,
    };
    let asker = Asker {
        scheduler: scheduler.client(),
        model: Arc::new(model),
        settings,
        metrics: Metrics::default(),
        stop: CancellationToken::new(),
    };
    Scene {
        asker,
        scheduler,
        calls,
    }
}

fn scene(script: Script) -> Scene {
    scene_with(ScriptedModel::new(script).0)
}

impl Scene {
    async fn ask(&self) -> End {
        self.asker.clone().ask("job".to_owned(), 1).await
    }

    /// The call after BeginPlan.
    fn verdict_call(&mut self) -> Call {
        assert!(matches!(self.calls.try_recv(), Ok(Call::Begin(_))));
        self.calls.try_recv().unwrap()
    }

    fn failed(&mut self) -> FailPlanRequest {
        match self.verdict_call() {
            Call::Fail(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn submitted(&mut self) -> SubmitPlanRequest {
        match self.verdict_call() {
            Call::Submit(request) => request,
            other => panic!("{other:?}"),
        }
    }
}

fn health(end: &End) -> ModelHealth {
    match end {
        End::Begun { model, .. } => *model,
        End::NotBegun(status) => panic!("{status}"),
    }
}

fn texts(texts: &[&str]) -> Script {
    texts.iter().map(|text| Ok((*text).to_owned())).collect()
}

#[tokio::test]
async fn a_sound_answer_is_submitted_with_its_account() {
    let mut scene = scene(texts(&[ONE_STEP]));
    assert_eq!(health(&scene.ask().await), ModelHealth::Healthy);
    let submitted = scene.submitted();
    assert_eq!(
        (submitted.plan_id.as_str(), submitted.definition_revision),
        ("plan-1", 7)
    );
    assert_eq!(submitted.steps[0].endpoint_id, "id-recovery");
    assert_eq!(submitted.steps[0].reason, "warm the cache");
    assert_eq!(submitted.rationale, "pages are slow");
    assert_eq!(submitted.review_after, seconds(120.0));
    let call = submitted.call.unwrap();
    assert_eq!(
        (
            call.model.as_str(),
            call.requests,
            call.input_tokens,
            call.output_tokens
        ),
        ("scripted", 1, 100, 10)
    );
    assert_eq!(call.raw_answer, ONE_STEP);
    assert_eq!(call.prompt_digest.len(), 64);
}

#[tokio::test]
async fn begin_plan_names_the_planner_and_the_revision() {
    let mut scene = scene(Script::new());
    scene.ask().await;
    let expected = BeginPlanRequest {
        job_id: "job".to_owned(),
        context_revision: 1,
        planner: "planner-1".to_owned(),
    };
    assert_eq!(scene.calls.try_recv().unwrap(), Call::Begin(expected));
}

#[tokio::test]
async fn one_repair_round_is_told_every_violation() {
    let broken = r#"{"assessment":"","steps":[],"hints":[],"review_after_s":1}"#;
    let (model, mut requests) = ScriptedModel::new([Ok(broken), Ok(NOTHING_TO_DO)]);
    let mut scene = scene_with(model);
    assert_eq!(health(&scene.ask().await), ModelHealth::Healthy);
    let first = requests.try_recv().unwrap();
    let second = requests.try_recv().unwrap();
    assert_eq!(second[..2], first[..]);
    assert!(
        second[3]
            .content
            .contains("review_after_s is 1, must be from 60 to 1800"),
        "{}",
        second[3].content
    );
    let call = scene.submitted().call.unwrap();
    assert_eq!((call.requests, call.input_tokens, call.output_tokens), (2, 200, 20));
    assert_eq!(call.raw_answer, NOTHING_TO_DO);
}

#[tokio::test]
async fn answers_that_stay_unusable_are_recorded_with_their_verdict() {
    let unknown = r#"{"assessment":"","steps":[{"endpoint":"db","wave":1,"delay_s":0,"reason":""}],"hints":[],"review_after_s":60}"#;
    let cases = [
        ("no idea", "not-json"),
        ("{}", "schema-violation"),
        (unknown, "unknown-alias"),
    ];
    for (answer, verdict) in cases {
        let mut scene = scene(texts(&[answer, answer]));
        assert_eq!(health(&scene.ask().await), ModelHealth::Failing(Failure::Ordinary));
        let failed = scene.failed();
        assert_eq!(failed.verdict, verdict);
        assert!(
            failed.detail.starts_with("after one repair round: "),
            "{}",
            failed.detail
        );
        let ModelCall {
            requests, raw_answer, ..
        } = failed.call.unwrap();
        assert_eq!((requests, raw_answer.as_str()), (2, answer));
    }
}

#[tokio::test]
async fn a_model_that_gives_no_answer_is_recorded_without_a_repair() {
    let kinds = [
        (ErrorKind::Unreachable, "model-unreachable"),
        (ErrorKind::Timeout, "model-timeout"),
        (ErrorKind::RateLimited, "model-rate-limited"),
        (ErrorKind::ServerError, "model-server-error"),
        (ErrorKind::BadResponse, "model-bad-response"),
        (ErrorKind::Refused, "model-refused"),
        (ErrorKind::Truncated, "answer-truncated"),
        (ErrorKind::Empty, "answer-empty"),
    ];
    for (kind, verdict) in kinds {
        let usage = Usage {
            input_tokens: 5,
            output_tokens: 6,
        };
        let error = ModelError {
            usage,
            raw: "what came".to_owned(),
            ..ModelError::new(kind, "why")
        };
        let mut scene = scene(vec![Err(error)]);
        assert_eq!(health(&scene.ask().await), ModelHealth::Failing(Failure::Ordinary));
        let failed = scene.failed();
        assert_eq!((failed.verdict.as_str(), failed.detail.as_str()), (verdict, "why"));
        let call = failed.call.unwrap();
        assert_eq!(
            (call.requests, call.output_tokens, call.raw_answer.as_str()),
            (1, 6, "what came")
        );
    }
}

#[tokio::test]
async fn an_error_in_the_repair_round_names_the_verdict_and_keeps_the_first_answer() {
    let lost = ModelError::new(ErrorKind::Unreachable, "gone");
    let mut scene = scene(vec![Ok("garbage".to_owned()), Err(lost)]);
    scene.ask().await;
    let failed = scene.failed();
    assert_eq!(failed.verdict, "model-unreachable");
    assert_eq!(failed.call.unwrap().raw_answer, "garbage");
}

#[tokio::test]
async fn an_ask_that_is_not_begun_costs_no_request() {
    let (model, mut requests) = ScriptedModel::new::<String>([]);
    let mut scene = scene_with(model);
    scene.scheduler.refuse("begin", Status::aborted("held"));
    assert!(matches!(scene.ask().await, End::NotBegun(status) if status.code() == Code::Aborted));
    assert!(requests.try_recv().is_err());
    assert!(matches!(scene.calls.try_recv(), Ok(Call::Begin(_))));
    assert!(scene.calls.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_sent_again_until_the_scheduler_has_it() {
    let mut scene = scene(Script::new());
    scene.scheduler.refuse("submit", Status::unavailable("restarting"));
    scene.scheduler.refuse("submit", Status::unavailable("restarting"));
    scene.ask().await;
    let first = scene.verdict_call();
    assert_eq!(scene.calls.try_recv().unwrap(), first);
    assert_eq!(scene.calls.try_recv().unwrap(), first);
    assert!(scene.calls.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_superseded_answer_is_not_sent_again_nor_failed() {
    for status in [
        Status::invalid_argument("bad"),
        Status::aborted("the definition changed"),
    ] {
        let mut scene = scene(Script::new());
        scene.scheduler.refuse("submit", status);
        assert_eq!(health(&scene.ask().await), ModelHealth::Healthy);
        scene.submitted();
        assert!(scene.calls.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_every_third_until_the_ask_has_taken_too_long() {
    struct Slow;
    #[async_trait::async_trait]
    impl Model for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        async fn ask(
            &self,
            _: &[crate::model::Message],
            _: &serde_json::Value,
            timeout: Duration,
        ) -> Result<crate::model::Reply, ModelError> {
            tokio::time::sleep(timeout).await;
            Ok(crate::model::Reply {
                text: "garbage".to_owned(),
                usage: Usage::default(),
            })
        }
    }
    let mut scene = scene(Script::new());
    scene.asker.model = Arc::new(Slow);
    scene.asker.settings.request_timeout = Duration::from_secs(3_600);
    let started = Instant::now();
    scene.ask().await;
    assert_eq!(started.elapsed().as_secs_f64(), LONGEST_ASK_SECONDS);
    assert!(matches!(scene.calls.try_recv(), Ok(Call::Begin(_))));
    // Every ten seconds, and once more for each third of what is left at the end.
    for _ in 0..9 {
        assert!(matches!(scene.calls.try_recv(), Ok(Call::Renew(_))));
    }
    match scene.calls.try_recv() {
        Ok(Call::Fail(request)) => assert_eq!(request.verdict, "lease-lost"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_has_ends_the_ask() {
    let (model, _requests) = ScriptedModel::held();
    let mut scene = scene_with(model);
    scene.scheduler.refuse("renew", Status::aborted("plan is expired"));
    let started = Instant::now();
    assert_eq!(health(&scene.ask().await), ModelHealth::Unknown);
    assert_eq!(started.elapsed().as_secs_f64(), LEASE_SECONDS / 3.0);
    assert!(matches!(scene.verdict_call(), Call::Renew(_)));
    match scene.calls.try_recv() {
        Ok(Call::Fail(request)) => assert_eq!(request.verdict, "lease-lost"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_within_the_lease_costs_nothing() {
    let (model, mut requests) = ScriptedModel::held();
    let mut scene = scene_with(model);
    for _ in 0..2 {
        scene.scheduler.refuse("renew", Status::unavailable("restarting"));
    }
    let (asker, stop) = (scene.asker.clone(), scene.asker.stop.clone());
    let asking = tokio::spawn(asker.ask("job".to_owned(), 1));
    requests.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(!asking.is_finished());
    stop.cancel();
    asking.await.unwrap();
    assert!(matches!(scene.calls.try_recv(), Ok(Call::Begin(_))));
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_the_request_up_and_says_so() {
    let (model, mut requests) = ScriptedModel::held();
    let mut scene = scene_with(model);
    let (asker, stop) = (scene.asker.clone(), scene.asker.stop.clone());
    let asking = tokio::spawn(asker.ask("job".to_owned(), 1));
    requests.recv().await.unwrap();
    stop.cancel();
    assert_eq!(health(&asking.await.unwrap()), ModelHealth::Unknown);
    assert_eq!(scene.failed().verdict, "planner-stopped");
}
