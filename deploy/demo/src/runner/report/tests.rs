use baton_proto::v1::Cause;

use super::*;

fn run(source: &str) -> ObservedRun {
    ObservedRun {
        id: "r".to_owned(),
        endpoint: "traffic_monitor".to_owned(),
        source: source.to_owned(),
        cause: Cause::Interval,
        planned_s: 0.0,
        started_s: 0.0,
        finished_s: Some(1.0),
        attempts: 1,
    }
}

fn finding(key: &'static str, met: bool) -> Finding {
    Finding {
        key,
        met,
        explanation: String::new(),
    }
}

fn report(findings: Vec<Finding>, agrees: bool) -> Report {
    let runs = vec![run("baseline"), run("ai-hint"), run("ai-hint")];
    Report::new(
        runs,
        Plans {
            accepted: 4,
            rejected: 1,
        },
        findings,
        finding("agrees_with_sink", agrees),
        vec![],
    )
}

#[test]
fn the_json_object_has_exactly_the_agreed_fields() {
    let report = report(vec![finding("runs_total", true), finding("alerts", false)], true);
    let wanted = concat!(
        r#"{"ok":false,"runs_total":3,"runs_by_source":{"ai-hint":2,"baseline":1,"manual":0},"#,
        r#""plans":{"accepted":4,"rejected":1},"expected":{"alerts":false,"runs_total":true}}"#
    );
    assert_eq!(report.json(), wanted);
}

#[test]
fn it_is_ok_only_when_everything_is() {
    assert!(report(vec![finding("alerts", true)], true).ok);
    assert!(!report(vec![finding("alerts", false)], true).ok);
    assert!(!report(vec![finding("alerts", true)], false).ok);
}

#[test]
fn plans_are_accepted_rejected_or_open() {
    let plan = |state: PlanState| Plan {
        state: state.into(),
        verdict: "not-json".to_owned(),
        ..Plan::default()
    };
    let accepted = [
        PlanState::Running,
        PlanState::Completed,
        PlanState::Stopped,
        PlanState::Superseded,
    ];
    let rejected = [PlanState::Refused, PlanState::Failed, PlanState::Expired];
    let plans: Vec<Plan> = accepted
        .into_iter()
        .chain(rejected)
        .chain([PlanState::Asking])
        .map(plan)
        .collect();
    let (count, rejections) = count_plans(&plans);
    assert_eq!(
        count,
        Plans {
            accepted: 4,
            rejected: 3
        }
    );
    assert_eq!(rejections.len(), 3);
}
