//! What many latencies come to.

use serde::{Deserialize, Serialize};

/// Milliseconds that half of them, 99 in 100, and all did not exceed; zero when there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Spread {
    /// Of microseconds, in any order.
    pub fn of(mut micros: Vec<i64>) -> Self {
        micros.sort_unstable();
        let last = micros.len().saturating_sub(1);
        let at = |percent: usize| millis(micros.get((micros.len() * percent / 100).min(last)).copied());
        Self {
            p50: at(50),
            p99: at(99),
            max: millis(micros.last().copied()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of minutes are exact")]
fn millis(micros: Option<i64>) -> f64 {
    micros.unwrap_or_default() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_were_seen() {
        let expected = Spread {
            p50: 101.0,
            p99: 199.0,
            max: 200.0,
        };
        assert_eq!(Spread::of((1..=200).rev().map(|late| late * 1_000).collect()), expected);
        let nothing = Spread {
            p50: 0.0,
            p99: 0.0,
            max: 0.0,
        };
        assert_eq!(Spread::of(Vec::new()), nothing);
    }
}
