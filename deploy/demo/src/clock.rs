//! The one place where the demonstration reads the wall clock, and scenario time as seen from it.

use std::time::{Duration, SystemTime};

/// What the wall clock says.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the demonstration asks for the time"
)]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// Turns wall time into scenario time: seconds since the start of the sale, sped up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScenarioClock {
    /// When the sale started.
    pub start: SystemTime,
    /// How many scenario seconds pass in one second.
    pub speed: f64,
}

impl ScenarioClock {
    /// Scenario seconds from the start of the sale, negative before it.
    pub fn seconds_at(&self, time: SystemTime) -> f64 {
        let wall = match time.duration_since(self.start) {
            Ok(after) => after.as_secs_f64(),
            Err(error) => -error.duration().as_secs_f64(),
        };
        wall * self.speed
    }

    /// How much wall time this many scenario seconds take.
    pub fn wall(&self, scenario_seconds: f64) -> Duration {
        Duration::from_secs_f64(scenario_seconds.max(0.0) / self.speed)
    }

    /// The slack that every comparison with scenario time is given: one scenario second, plus 50 ms of wall time.
    pub fn tolerance_s(&self) -> f64 {
        1.0 + 0.050 * self.speed
    }
}

/// Scenario seconds as `mm:ss`.
pub fn minutes(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    format!("{sign}{:02}:{:02}", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_time_runs_faster_by_the_factor_and_both_ways() {
        let clock = ScenarioClock {
            start: wall_now(),
            speed: 60.0,
        };
        assert!((clock.seconds_at(clock.start + Duration::from_secs(2)) - 120.0).abs() < 1e-6);
        assert!((clock.seconds_at(clock.start - Duration::from_millis(500)) + 30.0).abs() < 1e-6);
        assert_eq!(clock.wall(30.0), Duration::from_millis(500));
        assert!((clock.tolerance_s() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn minutes_are_shown_with_their_seconds() {
        assert_eq!(minutes(0.4), "00:00");
        assert_eq!(minutes(1439.9), "23:59");
        assert_eq!(minutes(-61.0), "-01:01");
    }
}
