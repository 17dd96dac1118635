//! Typed ids over UUIDv7, and where their randomness comes from.
//!
//! Time and chance are injected: the domain mints ids only through [`Chance`].

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A job.
    JobId
);
id!(
    /// An endpoint.
    EndpointId
);
id!(
    /// A run. Its UUIDv7 time is the run's planned time, so ids sort by planned time.
    RunId
);
id!(
    /// A hint.
    HintId
);
id!(
    /// A flash sale.
    FlashSaleId
);
id!(
    /// A plan: the record of one ask of the model.
    PlanId
);
id!(
    /// An API token.
    TokenId
);

/// Who owns a job, an endpoint or a sale. Comes from the caller's credential.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The source of randomness for ids and retry jitter.
pub trait Chance: Send + Sync {
    /// Evenly distributed bits.
    fn bits(&self) -> u128;
}

/// A UUIDv7 for `at`: 48 bits of milliseconds, 12 bits of the fraction of the millisecond, the rest random.
pub fn uuid_at(at: Timestamp, chance: &dyn Chance) -> Uuid {
    let micros = at.timestamp_micros().max(0);
    let millis = u64::try_from(micros / 1_000).unwrap_or_default();
    let fraction = u16::try_from((micros % 1_000) * 4_096 / 1_000).unwrap_or_default();
    let mut bytes = [0_u8; 10];
    bytes.copy_from_slice(&chance.bits().to_be_bytes()[..10]);
    bytes[..2].copy_from_slice(&fraction.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// The smallest UUIDv7 of a time: a bound for ranges of ids.
pub fn uuid_floor(at: Timestamp) -> Uuid {
    struct Zero;
    impl Chance for Zero {
        fn bits(&self) -> u128 {
            0
        }
    }
    uuid_at(at, &Zero)
}
