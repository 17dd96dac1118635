//! Growing pauses between attempts, with jitter, so that planners do not come back in step.
//!
//! Used by the watch stream, by repeated RPCs and by a job's failed attempts. Pure but for the injected randomness.

use std::time::Duration;

use baton_domain::ids::Chance;

/// The bounds of a growing pause.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest that the first pause can be.
    pub base: Duration,
    /// The longest that any pause can be.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after this many failures in a row (from 1): evenly between half and all of `min(cap, base * 2^(n-1))`.
    pub fn pause(self, failures: u32, chance: &dyn Chance) -> Duration {
        let ceiling = self.ceiling(failures);
        ceiling / 2 + (ceiling / 2).mul_f64(fraction(chance))
    }

    /// The longest pause after this many failures in a row.
    pub fn ceiling(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

fn fraction(chance: &dyn Chance) -> f64 {
    let bits = (chance.bits() >> 96) & u128::from(u32::MAX);
    u32::try_from(bits).map_or(0.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u128);

    impl Chance for Fixed {
        fn bits(&self) -> u128 {
            self.0
        }
    }

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(10),
    };

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let ceilings: Vec<_> = [1, 2, 3, 8, 100].map(|n| BACKOFF.ceiling(n).as_millis()).into();
        assert_eq!(ceilings, [100, 200, 400, 10_000, 10_000]);
    }

    #[test]
    fn the_pause_is_between_half_and_all_of_the_ceiling() {
        assert_eq!(BACKOFF.pause(2, &Fixed(0)), Duration::from_millis(100));
        assert_eq!(BACKOFF.pause(2, &Fixed(u128::MAX)), Duration::from_millis(200));
    }
}
