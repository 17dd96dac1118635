//! What holds for every endpoint, hint and time: properties over random cases.

use chrono::TimeDelta;
use proptest::{option, prelude::*, sample::select};

use crate::{
    endpoint::{Baseline, Pause},
    hint::{Author, Hint, Instruction},
    run::Cause,
    time::Timestamp,
};

use super::{
    Inputs, Next, next, passed_over, preview,
    sample::{Case, cron, hint, millis, secs},
};

const CASES: u32 = 10_000;

fn many_cases() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(CASES)
    }
}

/// Milliseconds within the first quarter of an hour, often a round second so that times coincide.
fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![(0..900_i64).prop_map(|seconds| seconds * 1_000), 0..900_000_i64]
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![select(vec![1, 5, 10, 15, 30, 60, 300]), 1..900_u64]
}

fn baseline() -> impl Strategy<Value = Baseline> {
    let crons = select(
        ["* * * * *", "*/10 * * * * *", "5,50 */2 * * * *", "0 12 * * *"]
            .map(cron)
            .to_vec(),
    );
    prop_oneof![
        4 => gap().prop_map(|gap| Baseline::Interval(secs(gap))),
        2 => crons,
        1 => Just(Baseline::Dormant),
    ]
}

fn instruction(kind: usize) -> BoxedStrategy<Instruction> {
    match kind {
        0 => gap().prop_map(|gap| Instruction::Interval(secs(gap))).boxed(),
        1 => moment().prop_map(|at| Instruction::OneShot(millis(at))).boxed(),
        _ => Just(Instruction::Pause).boxed(),
    }
}

/// Of each author at most one of each kind; people write no pauses.
fn hints() -> impl Strategy<Value = Vec<Hint>> {
    let one = |author, kind| {
        let parts = (instruction(kind), moment(), moment(), any::<bool>());
        option::of(parts.prop_map(move |(instruction, written, life, held)| {
            let mut hint = hint(author, instruction, millis(written), millis(written + life));
            hint.held = held && kind == 1 && hint.one_shot() <= Some(hint.expires_at);
            hint
        }))
    };
    let people = (one(Author::Person, 0), one(Author::Person, 1));
    let planners = (
        one(Author::Planner, 0),
        one(Author::Planner, 1),
        one(Author::Planner, 2),
    );
    (people, planners).prop_map(|((a, b), (c, d, e))| [a, b, c, d, e].into_iter().flatten().collect())
}

fn case() -> impl Strategy<Value = Case> {
    let guardrails = (gap(), option::of(gap()), option::of(moment()), 0..8_u32);
    let state = (moment(), moment(), option::of(moment()));
    (baseline(), guardrails, state, hints()).prop_map(|(baseline, guardrails, state, hints)| {
        let mut case = Case::new(baseline);
        let (min, max, pause, failures) = guardrails;
        let interval = case.endpoint.interval().unwrap_or(secs(min));
        case.endpoint.min_interval = secs(min).min(interval);
        case.endpoint.max_interval = max.map(|max| secs(max).max(case.endpoint.min_interval));
        case.endpoint.pause = pause.map(|end| Pause::Until(millis(end)));
        let (anchor, ran, last) = state;
        case.state.anchor = millis(anchor);
        case.state.cursor = millis(anchor + ran / 10);
        case.state.last_planned_at = last.map(millis);
        case.state.failures = failures;
        case.state.changed_at = hints.iter().map(|hint| hint.written_at).max().unwrap_or(millis(0));
        case.hints = hints;
        case
    })
}

/// A time at which somebody may look: not before the last change.
fn later(case: &Case, by: i64) -> Timestamp {
    case.state.changed_at.max(case.state.cursor) + TimeDelta::milliseconds(by)
}

fn without(case: &Case, which: impl Fn(&Hint) -> bool) -> Case {
    let mut case = case.clone();
    case.hints.retain(|hint| !which(hint));
    case
}

fn due(next: &Option<Next>) -> Timestamp {
    next.as_ref().map_or(Timestamp::MAX_UTC, |next| next.due_at)
}

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn deterministic_whatever_the_order_of_the_hints(case in case(), by in moment()) {
        let mut reversed = case.clone();
        reversed.hints.reverse();
        let now = later(&case, by);
        prop_assert_eq!(next(case.inputs(), now), next(reversed.inputs(), now));
    }

    #[test]
    fn due_is_the_later_of_its_time_and_now(case in case(), by in moment()) {
        let now = later(&case, by);
        if let Some(next) = next(case.inputs(), now) {
            prop_assert!(next.due_at >= next.planned_at.max(now));
            prop_assert_eq!(next.due_at, next.due_since.max(now));
            // Only the end of a pause or of a void hint comes between.
            let delayed = case.endpoint.pause.is_some() || case.hints.iter().any(|hint| hint.one_shot().is_none());
            prop_assert!(delayed || next.due_at == next.planned_at.max(now));
        }
    }

    #[test]
    fn monotone_in_now(case in case(), by in moment(), more in moment()) {
        let now = later(&case, by);
        let afterwards = now + TimeDelta::milliseconds(more);
        prop_assert!(due(&next(case.inputs(), now)) <= due(&next(case.inputs(), afterwards)));
    }

    #[test]
    fn the_same_answer_for_every_now_before_the_stored_time(case in case(), by in moment(), part in 0..1_000_i64) {
        let now = later(&case, by);
        let answer = next(case.inputs(), now);
        let wait = (due(&answer) - now).min(TimeDelta::days(2));
        let between = now + wait * i32::try_from(part).expect("below 1000") / 1_000;
        let next = next(case.inputs(), between);
        prop_assert_eq!(answer, next);
    }

    #[test]
    fn hinted_runs_keep_min_interval_from_the_run_before(case in case(), by in moment()) {
        let runs = preview(case.inputs(), later(&case, by), 12);
        let mut last = case.state.last_planned_at;
        for run in runs {
            let hinted = matches!(run.cause, Cause::HintInterval | Cause::HintOneShot);
            let gap = last.map(|last| run.planned_at - last);
            let far = gap.is_none_or(|gap| gap.to_std().is_ok_and(|gap| gap >= case.endpoint.min_interval));
            prop_assert!(far || !hinted, "{:?} {:?} after the run before", run, gap);
            last = Some(run.planned_at);
        }
    }

    #[test]
    fn a_plan_made_after_a_hints_expiry_ignores_it(case in case(), by in moment()) {
        let now = later(&case, by);
        let expired = |hint: &Hint| hint.expires_at < now && !hint.is_pause() && !hint.held;
        prop_assert_eq!(next(case.inputs(), now), next(without(&case, expired).inputs(), now));
    }

    #[test]
    fn a_dormant_endpoint_never_wakes_by_itself(case in case(), by in moment()) {
        let mut case = without(&case, |hint| !hint.is_pause());
        case.endpoint.baseline = Baseline::Dormant;
        prop_assert_eq!(next(case.inputs(), later(&case, by)), None);
    }

    #[test]
    fn hinted_gaps_stay_within_the_guardrails(case in case(), by in moment()) {
        let runs = preview(without(&case, |hint| hint.one_shot().is_some()).inputs(), later(&case, by), 12);
        for pair in runs.windows(2) {
            if let [before, run] = pair && run.cause == Cause::HintInterval {
                let gap = (run.planned_at - before.planned_at).to_std().unwrap_or_default();
                prop_assert!(gap >= case.endpoint.min_interval);
                let ended_pause = before.due_at > before.planned_at;
                prop_assert!(ended_pause || gap <= case.endpoint.hint_interval_max());
            }
        }
    }

    #[test]
    fn passed_times_are_the_previews_own(case in case(), by in moment(), span in 0..120_000_i64) {
        let mut case = without(&case, |hint| hint.one_shot().is_some());
        case.state.cursor = later(&case, by / 10).max(case.state.anchor);
        let until = case.state.cursor + TimeDelta::milliseconds(span);
        let count = usize::try_from(span / 1_000 + 2).expect("a few hundred");
        let previewed: Vec<_> = preview(case.inputs(), case.state.cursor, count)
            .into_iter()
            .filter(|run| run.due_at <= until)
            .map(|run| run.planned_at)
            .collect();
        let passed = passed_over(case.inputs(), until).map(|(missed, _)| missed);
        let counted = passed.map_or(0, |missed| missed.count);
        prop_assert_eq!(usize::try_from(counted).expect("a few hundred"), previewed.len());
        prop_assert_eq!(passed.map(|missed| missed.first), previewed.first().copied());
        prop_assert_eq!(passed.map(|missed| missed.last), previewed.last().copied());
    }
}

#[test]
fn a_long_outage_of_a_fast_endpoint_is_counted_not_walked() {
    let mut case = Case::new(Baseline::Interval(secs(1)));
    case.endpoint.min_interval = secs(1);
    let year = millis(366 * 24 * 3_600 * 1_000);
    let inputs = Inputs { ..case.inputs() };
    let (missed, _) = passed_over(inputs, year).expect("a year of times");
    assert_eq!(missed.count, 366 * 24 * 3_600);
    assert_eq!((missed.first, missed.last), (millis(1_000), year));
}
