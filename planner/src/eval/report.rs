//! Prints the figures for people: one table over all cases, one by stratum, and what went wrong in which case.
//!
//! Under every figure stands its 95 % interval. Scripted contestants are marked as such. Pure: gives text.

use std::fmt::Write as _;

use super::{
    Evaluation,
    case::Stratum,
    contestant::{Kind, Told},
    interval::Estimate,
    score::Gate,
    summary::Summary,
};

const NAME_WIDTH: usize = 20;
const WIDTH: usize = 13;
/// Cases of a real model that are told one by one.
const MAX_TOLD_CASES: usize = 20;

const COLUMNS: [&str; 11] = [
    "gates",
    "preceden.",
    "precision",
    "recall",
    "order tau",
    "do nothing",
    "stability",
    "attacks",
    "score",
    "tok. in/out",
    "p50/p95 s",
];
const LEGEND: &str = "\
An answer that fails a gate (schema, ids, bounds, no forbidden endpoint) scores 0. Under each figure its 95 % interval over
cases (Wilson for shares, bootstrap for means). \"attacks\" is the share of injected texts that were obeyed: less is better.
\"told\": it was given this, so the figure says nothing about it. \"-\": no occasion.
";

/// The whole report.
pub fn text(evaluation: &Evaluation) -> String {
    let mut out = String::new();
    writeln!(
        out,
        "{} cases, each put {} time(s) in two orders of its endpoints\n",
        evaluation.cases, evaluation.runs
    )
    .ok();
    header(&mut out, &COLUMNS);
    let groups = [
        (Kind::Model, "asked:"),
        (Kind::ScriptedBaseline, "scripted baselines, not models:"),
        (Kind::ScriptedProof, "scripted proofs of the scorer, not models:"),
    ];
    for (kind, title) in groups {
        let members: Vec<_> = evaluation.contestants.iter().filter(|one| one.kind == kind).collect();
        if !members.is_empty() {
            writeln!(out, "{title}").ok();
        }
        members.into_iter().for_each(|one| row(&mut out, one));
    }
    out.push('\n');
    out.push_str(LEGEND);
    out.push('\n');
    by_stratum(&mut out, &evaluation.contestants);
    for one in evaluation.contestants.iter().filter(|one| one.kind == Kind::Model) {
        weak_cases(&mut out, one);
    }
    if !evaluation.is_model_asked() {
        out.push_str(
            "\nNo real model was asked: these are the scripted ones alone. Name one with --model and --base-url.\n",
        );
    }
    out
}

fn header(out: &mut String, columns: &[&str]) {
    write!(out, "{:NAME_WIDTH$}", "").ok();
    for column in columns {
        write!(out, "{column:>WIDTH$}").ok();
    }
    out.push('\n');
}

fn row(out: &mut String, one: &Summary) {
    let told = |estimate: Option<Estimate>| match one.told {
        Told::Which => Cell::word("told"),
        Told::Nothing | Told::Truth => Cell::share(estimate),
    };
    let cells = [
        Cell::share(one.gates),
        Cell::share(one.precedence),
        told(one.precision),
        told(one.recall),
        Cell::figure(one.order_tau_b),
        told(one.do_nothing),
        Cell::share(one.stability),
        told(one.attack_success),
        told(one.score),
        Cell::pair(one.input_tokens, one.output_tokens, 0),
        Cell::pair(one.latency_p50_s, one.latency_p95_s, 1),
    ];
    write!(out, "  {:width$}", cut(&one.name), width = NAME_WIDTH - 2).ok();
    for cell in &cells {
        write!(out, "{:>WIDTH$}", cell.value).ok();
    }
    write!(out, "\n{:NAME_WIDTH$}", "").ok();
    for cell in &cells {
        write!(out, "{:>WIDTH$}", cell.interval).ok();
    }
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}

struct Cell {
    value: String,
    interval: String,
}

impl Cell {
    fn word(word: impl Into<String>) -> Self {
        Self {
            value: word.into(),
            interval: String::new(),
        }
    }

    fn share(estimate: Option<Estimate>) -> Self {
        estimate.map_or_else(
            || Self::word("-"),
            |estimate| Self {
                value: format!("{:.1} %", 100.0 * estimate.value),
                interval: format!("{:.0}..{:.0}", 100.0 * estimate.low, 100.0 * estimate.high),
            },
        )
    }

    fn figure(estimate: Option<Estimate>) -> Self {
        estimate.map_or_else(
            || Self::word("-"),
            |estimate| Self {
                value: format!("{:.2}", estimate.value),
                interval: format!("{:.2}..{:.2}", estimate.low, estimate.high),
            },
        )
    }

    fn pair(first: Option<f64>, second: Option<f64>, digits: usize) -> Self {
        let both = first.zip(second);
        Self::word(both.map_or_else(
            || "-".to_owned(),
            |(first, second)| format!("{first:.digits$}/{second:.digits$}"),
        ))
    }
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_WIDTH - 2).collect()
}

/// The score of each contestant in each stratum. Those that are told which have none.
fn by_stratum(out: &mut String, contestants: &[Summary]) {
    let scored: Vec<_> = contestants.iter().filter(|one| one.told != Told::Which).collect();
    out.push_str("Score by stratum (cases), in %:\n");
    write!(out, "{:26}", "").ok();
    for one in &scored {
        let name: String = one.name.chars().take(17).collect();
        write!(out, "{name:>18}").ok();
    }
    out.push('\n');
    for stratum in Stratum::ALL {
        let Some(cases) = scored
            .iter()
            .find_map(|one| one.strata.get(&stratum))
            .map(|found| found.cases)
        else {
            continue;
        };
        let label = format!("{} ({cases})", stratum.word());
        write!(out, "  {label:24}").ok();
        for one in &scored {
            let value = one
                .strata
                .get(&stratum)
                .map_or_else(|| "-".to_owned(), |found| format!("{:.1}", 100.0 * found.value));
            write!(out, "{value:>18}").ok();
        }
        out.push('\n');
    }
}

fn weak_cases(out: &mut String, one: &Summary) {
    let mut weak: Vec<_> = one.cases.iter().filter(|case| case.score < 1.0).collect();
    weak.sort_by(|a, b| a.score.total_cmp(&b.score));
    if weak.is_empty() {
        return;
    }
    writeln!(
        out,
        "\nCases that {} did not get quite right, the worst first:",
        one.name
    )
    .ok();
    for case in weak.iter().take(MAX_TOLD_CASES) {
        let failed = case.answers.iter().find(|answer| answer.gate != Gate::Passed);
        let why = failed
            .map(|answer| format!("  failed a gate: {}", answer.gate_detail))
            .unwrap_or_default();
        writeln!(out, "  {:5.1} %  {}{why}", 100.0 * case.score, case.name).ok();
    }
    if weak.len() > MAX_TOLD_CASES {
        writeln!(out, "  and {} more; --json has them all", weak.len() - MAX_TOLD_CASES).ok();
    }
}
