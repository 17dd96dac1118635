//! Durations and instants between their proto and domain forms. Whole microseconds: what is finer is dropped.

use std::time::Duration;

use baton_domain::time::{Timestamp, from_micros};

const NANOS_PER_SECOND: i32 = 1_000_000_000;
const NANOS_PER_MICRO: i32 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// The bounds of google.protobuf.Duration: about 10 000 years.
const DURATION_SECONDS: i64 = 315_576_000_000;
/// The bounds of google.protobuf.Timestamp: 0001-01-01T00:00:00Z and the last second of 9999.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

/// A duration of zero or more, or what is wrong with it.
pub(super) fn read_duration(value: &prost_types::Duration) -> Result<Duration, &'static str> {
    let in_range = (-DURATION_SECONDS..=DURATION_SECONDS).contains(&value.seconds);
    let whole_nanos = (-NANOS_PER_SECOND + 1..NANOS_PER_SECOND).contains(&value.nanos);
    let one_sign = value.seconds == 0 || value.nanos == 0 || (value.seconds < 0) == (value.nanos < 0);
    if !in_range || !whole_nanos || !one_sign {
        return Err("is not a valid google.protobuf.Duration");
    }
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(value.seconds), u32::try_from(value.nanos)) else {
        return Err("must not be negative");
    };
    Ok(Duration::new(seconds, nanos - nanos % NANOS_PER_MICRO.unsigned_abs()))
}

/// An instant, or what is wrong with it.
pub(super) fn read_timestamp(value: &prost_types::Timestamp) -> Result<Timestamp, &'static str> {
    let in_range = (FIRST_SECOND..=LAST_SECOND).contains(&value.seconds);
    if !in_range || !(0..NANOS_PER_SECOND).contains(&value.nanos) {
        return Err("is not a valid google.protobuf.Timestamp");
    }
    let micros = value.seconds * MICROS_PER_SECOND + i64::from(value.nanos / NANOS_PER_MICRO);
    Ok(from_micros(micros))
}

/// The proto form; longer than a proto can say becomes the longest that it can.
pub(crate) fn duration(value: Duration) -> prost_types::Duration {
    match i64::try_from(value.as_secs()) {
        Ok(seconds) if seconds <= DURATION_SECONDS => prost_types::Duration {
            seconds,
            nanos: value.subsec_nanos().cast_signed(),
        },
        Ok(_) | Err(_) => prost_types::Duration {
            seconds: DURATION_SECONDS,
            nanos: 0,
        },
    }
}

/// The proto form; later or earlier than a proto can say becomes the last or first second that it can.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let seconds = at.timestamp();
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        let seconds = seconds.clamp(FIRST_SECOND, LAST_SECOND);
        return prost_types::Timestamp { seconds, nanos: 0 };
    }
    // A leap second counts as the last nanosecond of its second.
    let nanos = at.timestamp_subsec_nanos().cast_signed().min(NANOS_PER_SECOND - 1);
    prost_types::Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_d(seconds: i64, nanos: i32) -> Result<Duration, &'static str> {
        read_duration(&prost_types::Duration { seconds, nanos })
    }

    fn read_t(seconds: i64, nanos: i32) -> Result<Timestamp, &'static str> {
        read_timestamp(&prost_types::Timestamp { seconds, nanos })
    }

    #[test]
    fn durations_are_checked_and_cut_to_microseconds() {
        assert_eq!(read_d(1, 1_999), Ok(Duration::from_nanos(1_000_001_000)));
        assert_eq!(read_d(DURATION_SECONDS, 0), Ok(Duration::from_secs(315_576_000_000)));
        let negative = Err("must not be negative");
        for (seconds, nanos) in [(-1, 0), (0, -1), (-1, -5)] {
            assert_eq!(read_d(seconds, nanos), negative, "{seconds} {nanos}");
        }
        let invalid = Err("is not a valid google.protobuf.Duration");
        let cases = [
            (1, -1),
            (-1, 1),
            (0, NANOS_PER_SECOND),
            (i64::MAX, 0),
            (i64::MIN, i32::MIN),
        ];
        for (seconds, nanos) in cases {
            assert_eq!(read_d(seconds, nanos), invalid, "{seconds} {nanos}");
        }
    }

    #[test]
    fn instants_are_checked_and_survive_the_way_back() {
        for (seconds, nanos) in [(0, 0), (-1, 999_999_000), (FIRST_SECOND, 0), (LAST_SECOND, 999_999_000)] {
            let at = read_t(seconds, nanos).expect("valid");
            assert_eq!(timestamp(at), prost_types::Timestamp { seconds, nanos });
        }
        for (seconds, nanos) in [
            (0, -1),
            (0, NANOS_PER_SECOND),
            (FIRST_SECOND - 1, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
        ] {
            assert!(read_t(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
    }

    #[test]
    fn what_a_proto_cannot_say_is_cut() {
        assert_eq!(duration(Duration::MAX).seconds, DURATION_SECONDS);
        assert_eq!(timestamp(Timestamp::MAX_UTC).seconds, LAST_SECOND);
        assert_eq!(timestamp(Timestamp::MIN_UTC).seconds, FIRST_SECOND);
    }
}
