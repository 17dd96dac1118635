//! How sure a figure is: 95 % confidence intervals over cases, and percentiles of durations.
//!
//! A case is the unit: its answers are averaged first, since repeats of one case say little about others. Shares of
//! answers (passed or not) get Wilson's interval with n = cases, which stays sensible at 0 % and 100 %; means of figures
//! between have the bootstrap percentile interval over cases, with a fixed seed, so that the same answers always give the
//! same interval. Pure.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;
const RESAMPLES: usize = 2_000;
const SEED: u64 = 0x5eed;

/// A mean over cases with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// Cases that it rests on.
    pub cases: usize,
}

impl Estimate {
    /// Of shares between 0 and 1, one per case. `None` without cases.
    pub fn share(of_cases: &[f64]) -> Option<Self> {
        let value = mean(of_cases)?;
        let count = of_cases.len() as f64;
        let (low, high) = wilson(value, count);
        Some(Self {
            value,
            low,
            high,
            cases: of_cases.len(),
        })
    }

    /// Of any figures, one per case. `None` without cases.
    pub fn mean(of_cases: &[f64]) -> Option<Self> {
        let value = mean(of_cases)?;
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut resampled: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let drawn = (0..of_cases.len()).map(|_| of_cases[random.random_range(0..of_cases.len())]);
                drawn.sum::<f64>() / of_cases.len() as f64
            })
            .collect();
        resampled.sort_by(f64::total_cmp);
        Some(Self {
            value,
            low: resampled[RESAMPLES * 25 / 1_000],
            high: resampled[RESAMPLES * 975 / 1_000 - 1],
            cases: of_cases.len(),
        })
    }
}

/// `None` for no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn wilson(share: f64, count: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let scale = 1.0 + z2 / count;
    let centre = (share + z2 / (2.0 * count)) / scale;
    let half = Z * (share * (1.0 - share) / count + z2 / (4.0 * count * count)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The smallest value that at least this share of the values does not exceed (nearest rank). `None` for no values.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eval_wilson_agrees_with_published_figures() {
        // 8 of 10 and 0 of 10, to four places.
        let eight = Estimate::share(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]).unwrap();
        assert_eq!((eight.value, eight.cases), (0.8, 10));
        assert!(
            (eight.low - 0.4902).abs() < 5e-5 && (eight.high - 0.9433).abs() < 5e-5,
            "{eight:?}"
        );
        let none = Estimate::share(&[0.0; 10]).unwrap();
        assert!(none.low == 0.0 && (none.high - 0.2775).abs() < 5e-5, "{none:?}");
    }

    #[test]
    fn eval_bootstrap_holds_the_mean_and_repeats_itself() {
        let values: Vec<f64> = (0..50).map(|index| f64::from(index % 5) / 4.0).collect();
        let found = Estimate::mean(&values).unwrap();
        assert_eq!(found, Estimate::mean(&values).unwrap());
        // Standard error: sqrt(0.125 / 50) = 0.05, so about 0.4 to 0.6.
        assert!(
            (found.low - 0.402).abs() < 0.02 && (found.high - 0.598).abs() < 0.02,
            "{found:?}"
        );
        let constant = Estimate::mean(&[0.25; 7]).unwrap();
        assert_eq!((constant.low, constant.high), (0.25, 0.25));
    }

    #[test]
    fn eval_percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(10.0));
        assert_eq!(percentile(&values, 0.95), Some(19.0));
        assert_eq!(percentile(&[7.0], 0.95), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn eval_no_cases_give_no_estimate() {
        assert_eq!((Estimate::share(&[]), Estimate::mean(&[])), (None, None));
    }
}
