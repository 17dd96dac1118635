//! Times of the wire as the model sees them: seconds relative to one instant, multiplied by the time compression.
//!
//! Used by the prompt (real to shown) and by the conversion of an answer (shown to real). Knows no clock: every instant
//! is compared with another instant of the same message.

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp};

/// How many times faster than stated every duration passes. One outside of demonstrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeScale(f64);

impl TimeScale {
    /// A factor that is absent (zero), negative or not a number counts as one.
    pub fn new(compression: f64) -> Self {
        if compression.is_finite() && compression > 0.0 {
            Self(compression)
        } else {
            Self(1.0)
        }
    }

    /// The seconds that a model is shown for a real duration.
    pub fn shown(self, real: Duration) -> f64 {
        self.shown_seconds(real.as_secs_f64())
    }

    /// The same for a difference that may be negative.
    pub fn shown_seconds(self, real: f64) -> f64 {
        real * self.0
    }

    /// The real duration behind seconds that a model named. Negative and absurd numbers give zero and the maximum.
    pub fn real(self, shown: f64) -> Duration {
        let seconds = shown / self.0;
        Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
    }
}

/// `to - from` in seconds, negative when `to` is earlier.
pub fn seconds_between(from: &Timestamp, to: &Timestamp) -> f64 {
    let seconds = to.seconds.saturating_sub(from.seconds);
    seconds as f64 + f64::from(to.nanos - from.nanos) / 1e9
}

/// A wire duration; negative ones count as zero.
pub fn duration(wire: &WireDuration) -> Duration {
    Duration::try_from(*wire).unwrap_or_default()
}

/// A duration for the wire, at most what it can hold.
pub fn wire_duration(duration: Duration) -> WireDuration {
    WireDuration::try_from(duration).unwrap_or(WireDuration {
        seconds: i64::MAX,
        nanos: 0,
    })
}

/// Whether the first instant is later than the second.
pub fn is_later(first: &Timestamp, second: &Timestamp) -> bool {
    (first.seconds, first.nanos) > (second.seconds, second.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: i32) -> Timestamp {
        Timestamp { seconds, nanos }
    }

    #[test]
    fn durations_are_multiplied_on_the_way_out_and_divided_on_the_way_back() {
        let scale = TimeScale::new(60.0);
        assert_eq!(scale.shown(Duration::from_millis(500)), 30.0);
        assert_eq!(scale.real(30.0), Duration::from_millis(500));
    }

    #[test]
    fn a_factor_that_makes_no_sense_is_one() {
        for factor in [0.0, -2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(TimeScale::new(factor), TimeScale(1.0), "{factor}");
        }
    }

    #[test]
    fn numbers_beyond_a_duration_do_not_panic() {
        let scale = TimeScale::new(1.0);
        assert_eq!(scale.real(-1.0), Duration::ZERO);
        assert_eq!(scale.real(f64::NAN), Duration::ZERO);
        assert_eq!(scale.real(1e300), Duration::MAX);
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!(seconds_between(&at(10, 500_000_000), &at(12, 0)), 1.5);
        assert_eq!(seconds_between(&at(12, 0), &at(10, 500_000_000)), -1.5);
    }

    #[test]
    fn later_looks_at_nanoseconds_too() {
        assert!(is_later(&at(1, 2), &at(1, 1)));
        assert!(!is_later(&at(1, 1), &at(1, 1)));
    }
}
