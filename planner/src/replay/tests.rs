//! Records as a scheduler would give them, replayed against scripted models.

use baton_proto::v1::{ModelCall, PlanState, PlanStep};
use serde_json::json;

use super::*;
use crate::{
    prompt,
    testing::models::{NOTHING_TO_DO, ScriptedModel},
};

const ANSWER: &str = r#"{"assessment":"slow","steps":[{"endpoint":"e1","wave":1,"delay_s":0,"reason":"warm"}],
    "hints":[],"review_after_s":120}"#;
const RULES: Rules = Rules {
    request_timeout: Duration::from_secs(60),
    max_prompt_chars: prompt::DEFAULT_MAX_CHARS,
};

/// In the scheduler's own form, with one of everything.
fn stored_context() -> String {
    let run = json!({"id": "r", "source": "ai-hint", "cause": "plan-step", "status": "succeeded",
        "planned_at": "2026-11-25T08:00:00.000001Z", "started_at": "2026-11-25T08:00:00.5Z", "finished_at": null,
        "status_code": 200, "error": null, "response": "{\"slow\":[\"/a\"]}"});
    let hint = json!({"id": "h", "author": "planner", "kind": "one-shot", "interval_us": null,
        "at": "2026-11-25T08:11:00.25Z", "expires_at": "2026-11-25T08:20:00.000000Z", "reason": "look"});
    json!({
        "as_of": "2026-11-25T08:10:00.123456Z",
        "job": {"id": "j", "name": "shop", "description": "Watch the shop.", "status": "active"},
        "definition_revision": 3, "context_revision": 9, "ask_reasons": ["review"], "time_compression": 1.0, "steps_left": 117,
        "limits": {"max_steps": 50, "max_waves": 8, "max_step_delay_us": 900_000_000_u64, "max_hint_ttl_us": 86_400_000_000_u64,
            "min_review_after_us": 60_000_000, "max_review_after_us": 1_800_000_000},
        "sales": [{"id": "s", "name": "sale", "description": "d", "starts_at": "2026-11-25T08:00:00.000000Z",
            "ends_at": "2026-11-25T09:00:00.000000Z", "phase": "surge", "signals": {"x": 0.1},
            "signal_changes": [["2026-11-25T08:01:00.000000Z", "x", 0.1], ["2026-11-25T08:02:00.000000Z", "y", null]]}],
        "endpoints": [
            {"id": "id-1", "name": "warm", "description": "d", "baseline": {"cron": "0 3 * * *", "time_zone": "Europe/Berlin"},
                "min_interval_us": 1_000_000, "max_interval_us": null, "cooldown_us": 900_000_000,
                "cooldown_ends_at": "2026-11-25T08:15:00.000000Z", "paused": true, "paused_until": "2026-11-25T08:30:00.000000Z",
                "failures": 2, "hints": [hint], "next_run_at": "2026-11-26T02:00:00.000000Z",
                "next_run_due_at": "2026-11-26T02:00:00.000000Z", "runs_in_sale": 4, "recent_runs": [run]},
        ],
        "last_plan": {"id": "p", "state": "completed", "rationale": "before", "created_at": "2026-11-25T08:05:00.000000Z",
            "answered_at": "2026-11-25T08:05:02.000000Z",
            "steps": [{"endpoint_id": "id-1", "wave": 1, "verdict": "accepted", "status": "succeeded"}]},
        "suggestion": {"id": "q", "state": "rejected", "rationale": "r", "created_at": "2026-11-25T08:06:00.000000Z",
            "answered_at": "2026-11-25T08:06:01.000000Z", "decision_reason": "not today"},
        "shortened": false,
    })
    .to_string()
}

fn plan() -> Plan {
    let context = recorded::read(&stored_context()).unwrap();
    let digest = Prompt::build(&context, &["review".to_owned()], prompt::DEFAULT_MAX_CHARS)
        .unwrap()
        .digest();
    let step = PlanStep {
        wave: 1,
        endpoint_id: "id-1".to_owned(),
        delay: Some(prost_types::Duration::default()),
        reason: "warm".to_owned(),
        ..PlanStep::default()
    };
    Plan {
        id: "p1".to_owned(),
        job_id: "j".to_owned(),
        state: PlanState::Completed.into(),
        ask_reasons: vec!["review".to_owned()],
        steps: vec![step],
        rationale: "slow".to_owned(),
        answer_time: Some(prost_types::Timestamp::default()),
        review_time: Some(prost_types::Timestamp { seconds: 120, nanos: 0 }),
        call: Some(ModelCall {
            model: "recorded".to_owned(),
            prompt_digest: digest,
            raw_answer: ANSWER.to_owned(),
            ..ModelCall::default()
        }),
        context_json: stored_context(),
        ..Plan::default()
    }
}

#[test]
fn a_stored_context_is_shown_like_the_original() {
    let context = recorded::read(&stored_context()).unwrap();
    let prompt = Prompt::build(&context, &["review".to_owned()], prompt::DEFAULT_MAX_CHARS).unwrap();
    let shown = &prompt.messages[1].content;
    for part in [
        r#""schedule":"cron 0 3 * * * (Europe/Berlin)""#,
        r#""cooldown_left_s":299.877"#,
        r#""paused":true"#,
        r#""kind":"one_shot","seconds":60.127,"expires_in_s":599.877,"by":"planner""#,
        r#""cause":"plan-step","status":"succeeded","seconds_ago":599.623,"status_code":200"#,
        r#""signals":{"x":0.1}"#,
        r#""name":"y","value":null"#,
        r#""state":"completed","assessment":"before""#,
        r#""outcome":"succeeded""#,
        r#""state":"rejected","assessment":"r","person_said":"not today""#,
        r#""steps_left":117"#,
        r#""asked_because":["review"]"#,
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[test]
fn a_context_that_cannot_be_read_says_where_and_why() {
    let omitted = recorded::read(r#"{"omitted":"the context exceeds the stored size"}"#);
    assert_eq!(omitted.unwrap_err(), recorded::Unreadable::Omitted);
    let broken = stored_context().replace("2026-11-25T08:15:00.000000Z", "tomorrow");
    let error = recorded::read(&broken).unwrap_err().to_string();
    assert!(
        error.contains("endpoints[0].cooldown_ends_at") && error.contains("`tomorrow`"),
        "{error}"
    );
}

#[tokio::test]
async fn the_same_record_is_identical() {
    let found = replay(&plan(), None, RULES).await;
    assert!(found.prompt.is_identical && found.again.is_none() && !found.is_failed(false));
    assert_eq!(
        found.text().lines().skip(1).collect::<Vec<_>>(),
        ["prompt: identical", "verdict: identical (sound)"]
    );
}

#[tokio::test]
async fn a_record_that_was_changed_is_told() {
    let mut changed = plan();
    changed.steps[0].reason = "somebody else's words".to_owned();
    let found = replay(&changed, None, RULES).await;
    assert!(found.is_failed(false));
    let told = found.text();
    assert!(
        told.contains("verdict: different\n  steps[0].reason: recorded \"somebody else's words\", now \"warm\""),
        "{told}"
    );
}

#[tokio::test]
async fn asking_again_needs_the_same_prompt() {
    let (model, mut requests) = ScriptedModel::new([Ok(ANSWER)]);
    let mut other = plan();
    other.ask_reasons = vec!["signal-changed".to_owned()];
    let found = replay(&other, Some(&model), RULES).await;
    assert!(found.again.is_none() && found.is_failed(true) && !found.is_failed(false));
    assert!(
        found.text().contains("prompt: different (the planner that asked"),
        "{}",
        found.text()
    );
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn asking_again_shows_what_is_new() {
    let (model, _requests) = ScriptedModel::new([Ok(ANSWER), Ok(NOTHING_TO_DO)]);
    let same = replay(&plan(), Some(&model), RULES).await;
    assert_eq!(same.again.as_ref().unwrap().differences, Some(vec![]));
    let other = replay(&plan(), Some(&model), RULES).await;
    assert!(!other.is_failed(true), "another answer is no failure");
    let told = other.text();
    assert!(
        told.contains("new answer: different") && told.contains("steps[0].wave: recorded 1, new absent"),
        "{told}"
    );
}
