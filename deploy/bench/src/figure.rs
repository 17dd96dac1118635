//! One figure: the median of its samples, what it is compared with, and the bar it is held to.
//!
//! Made by the benches. The bars are those of the table in `README.md`; a figure without one passes by being there.

use std::fmt;

use serde_json::{Value, json};

/// What a figure must come to. A ratio is the value over its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtMost(f64),
    /// Told for the sake of others.
    None,
}

/// What a figure is held to now, and what it aims at.
const BARS: &[(&str, Bar, Bar)] = &[
    ("submit-unary", Bar::RatioAtLeast(2.3), Bar::RatioAtLeast(4.0)),
    ("submit-stream", Bar::RatioAtLeast(0.25), Bar::RatioAtLeast(0.5)),
    ("execute", Bar::RatioAtLeast(5.2), Bar::RatioAtLeast(8.5)),
    ("reschedule", Bar::RatioAtLeast(2.5), Bar::RatioAtLeast(4.0)),
    ("http", Bar::RatioAtLeast(2.3), Bar::RatioAtLeast(3.0)),
    ("lateness-100-p99", Bar::AtMost(3.0), Bar::AtMost(1.5)),
    ("lateness-1000-p99", Bar::AtMost(10.0), Bar::AtMost(4.0)),
    ("herd", Bar::AtMost(2.0), Bar::AtMost(1.0)),
    ("herd-early", Bar::AtMost(0.0), Bar::AtMost(0.0)),
    ("growth-execute", Bar::RatioAtMost(1.5), Bar::RatioAtMost(1.25)),
    ("growth-lateness", Bar::RatioAtMost(1.5), Bar::RatioAtMost(1.25)),
    ("pinned", Bar::RatioAtLeast(0.9), Bar::RatioAtLeast(0.95)),
    ("watch", Bar::AtMost(50.0), Bar::AtMost(10.0)),
    ("planner-asked-p99", Bar::AtMost(40.0), Bar::AtMost(10.0)),
    ("planner-started-p99", Bar::AtMost(40.0), Bar::AtMost(10.0)),
    ("fair", Bar::RatioAtMost(2.0), Bar::RatioAtMost(1.2)),
    ("hostile", Bar::RatioAtMost(1.2), Bar::RatioAtMost(1.1)),
    ("hostile-sqlite", Bar::RatioAtMost(1.2), Bar::RatioAtMost(1.1)),
    ("sqlite-execute", Bar::RatioAtLeast(3.0), Bar::RatioAtLeast(8.0)),
    ("sqlite-http", Bar::RatioAtLeast(0.8), Bar::RatioAtLeast(1.0)),
    ("idle-rss", Bar::AtMost(40.0), Bar::AtMost(20.0)),
    ("idle-cpu", Bar::AtMost(0.3), Bar::AtMost(0.05)),
    ("idle-queries", Bar::AtMost(60.0), Bar::AtMost(12.0)),
    ("idle-start", Bar::AtMost(200.0), Bar::AtMost(60.0)),
];

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub name: &'static str,
    /// The median of its own samples, in the unit of the figure.
    pub value: f64,
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub bench: String,
    pub unit: &'static str,
    pub samples: Vec<f64>,
    pub reference: Option<Reference>,
}

impl Figure {
    /// A figure that stands for itself.
    pub fn alone(bench: impl Into<String>, unit: &'static str, samples: Vec<f64>) -> Self {
        Self {
            bench: bench.into(),
            unit,
            samples,
            reference: None,
        }
    }

    /// A figure beside its reference, whose samples were taken in the same minutes.
    pub fn against(self, name: &'static str, samples: &[f64]) -> Self {
        let value = median(samples);
        let reference = Some(Reference { name, value });
        Self { reference, ..self }
    }

    /// The median of the samples.
    pub fn value(&self) -> f64 {
        median(&self.samples)
    }

    /// The value over the reference; `None` without one, or when the reference came to nothing.
    pub fn ratio(&self) -> Option<f64> {
        let reference = self.reference.as_ref()?;
        (reference.value > 0.0).then(|| self.value() / reference.value)
    }

    /// True when the bar holds.
    pub fn passes(&self) -> bool {
        self.holds(self.bars().0)
    }

    /// One line of JSON.
    pub fn json(&self) -> Value {
        json!({
            "bench": self.bench,
            "value": rounded(self.value()),
            "unit": self.unit,
            "reference": self.reference.as_ref().map(|reference| reference.name),
            "reference_value": self.reference.as_ref().map(|reference| rounded(reference.value)),
            "ratio": self.ratio().map(rounded),
            "samples": self.samples.iter().copied().map(rounded).collect::<Vec<_>>(),
            "pass": self.passes(),
        })
    }

    fn bars(&self) -> (Bar, Bar) {
        let found = BARS.iter().find(|(name, ..)| *name == self.bench);
        found.map_or((Bar::None, Bar::None), |(_, bar, aim)| (*bar, *aim))
    }

    fn holds(&self, bar: Bar) -> bool {
        match bar {
            Bar::RatioAtLeast(least) => self.ratio().is_some_and(|ratio| ratio >= least),
            Bar::RatioAtMost(most) => self.ratio().is_some_and(|ratio| ratio <= most),
            Bar::AtMost(most) => !self.samples.is_empty() && self.value() <= most,
            Bar::None => true,
        }
    }
}

/// A line of the table: figure, value, ratio, bar, and how it stands.
impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bar, aim) = self.bars();
        let value = format!("{} {}", told(self.value()), self.unit);
        let ratio = self.reference.as_ref().map_or_else(String::new, |reference| {
            let ratio = self.ratio().map_or_else(|| "?".to_owned(), told);
            format!("{ratio} × {} ({})", reference.name, told(reference.value))
        });
        let stands = match (self.holds(bar), self.holds(aim)) {
            _ if bar == Bar::None => "",
            (false, _) => "BELOW THE BAR",
            (true, false) => "holds",
            (true, true) => "holds, and the aim too",
        };
        write!(
            formatter,
            "{:<32} {value:>22}  {ratio:<34} {bar:<8} {stands}",
            self.bench
        )
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::RatioAtLeast(least) => format!("≥ {least} ×"),
            Self::RatioAtMost(most) => format!("≤ {most} ×"),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::None => String::new(),
        };
        formatter.pad(&text)
    }
}

/// The middle one; of an even number the mean of both in the middle, of none not a number.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Four digits behind the point are more than any of it is exact to.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn told(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execute(samples: &[f64], reference: &[f64]) -> Figure {
        Figure::alone("execute", "runs/s", samples.to_vec()).against("ref_one", reference)
    }

    #[test]
    fn the_median_counts() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_line_has_exactly_the_fields_that_readers_expect() {
        let line = execute(&[50_000.0, 52_000.0, 48_000.0], &[10_000.0, 9_000.0, 8_000.0]).json();
        let expected = json!({
            "bench": "execute", "value": 50_000.0, "unit": "runs/s", "reference": "ref_one",
            "reference_value": 9_000.0, "ratio": 5.5556, "samples": [50_000.0, 52_000.0, 48_000.0], "pass": true,
        });
        assert_eq!(line, expected);
        let alone = Figure::alone("idle-rss", "MB", vec![41.0]).json();
        assert_eq!((&alone["reference"], &alone["ratio"]), (&Value::Null, &Value::Null));
        assert_eq!(alone["pass"], false);
    }

    #[test]
    fn a_bar_is_held_by_what_reaches_it_and_by_nothing_else() {
        assert!(execute(&[52.0], &[10.0]).passes());
        assert!(!execute(&[51.9], &[10.0]).passes());
        assert!(!execute(&[51.9], &[0.0]).passes(), "there is no ratio to nothing");
        assert!(!Figure::alone("herd", "s", Vec::new()).passes(), "nothing was measured");
        assert!(Figure::alone("herd", "s", vec![2.0]).passes());
        assert!(!Figure::alone("herd-early", "runs", vec![1.0]).passes());
        assert!(
            Figure::alone("lateness-100-max", "ms", vec![99.0]).passes(),
            "told for the sake of others"
        );
    }

    #[test]
    fn a_line_for_people_says_how_it_stands() {
        let line = execute(&[60.0], &[10.0]).to_string();
        assert!(
            line.contains("6.00 × ref_one (10.00)") && line.ends_with("holds"),
            "{line}"
        );
        let line = Figure::alone("idle-rss", "MB", vec![50.0]).to_string();
        assert!(line.ends_with("BELOW THE BAR"), "{line}");
    }
}
