//! The benches by name, and one line on each.

/// Left out when time is short, unless a number of runs is asked for.
pub(crate) const RUNS: &str = "three quarters of the runs";

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    SubmitUnary,
    SubmitStream,
    Execute,
    Reschedule,
    Http,
    Lateness,
    Herd,
    Fair,
    Hostile,
    HostileSqlite,
    Watch,
    Planner,
    Pinned,
    Growth,
    SqliteExecute,
    SqliteHttp,
    Idle,
}

impl Bench {
    /// Every one, in the order of `all`.
    pub const ALL: &'static [Self] = &[
        Self::SubmitUnary,
        Self::SubmitStream,
        Self::Execute,
        Self::Reschedule,
        Self::Http,
        Self::Lateness,
        Self::Herd,
        Self::Fair,
        Self::Hostile,
        Self::HostileSqlite,
        Self::Watch,
        Self::Planner,
        Self::Pinned,
        Self::Growth,
        Self::SqliteExecute,
        Self::SqliteHttp,
        Self::Idle,
    ];

    /// Not done by `all`, which is to end within the hour: these take ten minutes each.
    pub fn stands_apart(self) -> bool {
        matches!(self, Self::Hostile | Self::HostileSqlite)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::SubmitUnary => "submit-unary",
            Self::SubmitStream => "submit-stream",
            Self::Execute => "execute",
            Self::Reschedule => "reschedule",
            Self::Http => "http",
            Self::Lateness => "lateness",
            Self::Herd => "herd",
            Self::Fair => "fair",
            Self::Hostile => "hostile",
            Self::HostileSqlite => "hostile-sqlite",
            Self::Watch => "watch",
            Self::Planner => "planner",
            Self::Pinned => "pinned",
            Self::Growth => "growth",
            Self::SqliteExecute => "sqlite-execute",
            Self::SqliteHttp => "sqlite-http",
            Self::Idle => "idle",
        }
    }

    /// One line for whoever watches.
    pub fn describe(self) -> &'static str {
        match self {
            Self::SubmitUnary => "64 callers of SubmitRun over gRPC, each answer after its commit",
            Self::SubmitStream => "one SubmitRuns stream over gRPC, its answer after its commits",
            Self::Execute => "submitted runs that are due, claim to finish, a dispatcher that does nothing",
            Self::Reschedule => "cadence runs that are due, claim to finish, the next one planned, the same dispatcher",
            Self::Http => "submitted runs that are due, each called over HTTP in another process",
            Self::Lateness => "runs planned evenly over time: how long after its planned time each call arrives",
            Self::Herd => "ten thousand endpoints due at one instant, over HTTP",
            Self::Fair => "nine users' lateness while a tenth has nine tenths of the due work",
            Self::Hostile => "how late cadence runs come beside a planner that sends plans of chance without end",
            Self::HostileSqlite => "as `hostile`, on a SQLite file",
            Self::Watch => "2 000 ends of runs a second, watched through a scheduler that does not run them",
            Self::Planner => {
                "a signal that changes to the question at the model, its answer to the call of an endpoint"
            }
            Self::Pinned => "`execute` at 2 000 runs a second while another session holds a snapshot open",
            Self::Growth => "`execute` and `lateness` while endpoints and finished runs become many",
            Self::SqliteExecute => "as `execute`, on a SQLite file",
            Self::SqliteHttp => "as `http`, on a SQLite file; and `http` beside it",
            Self::Idle => "memory, CPU, queries and start of a scheduler with much scheduled and nothing due",
        }
    }

    /// What of it is not done when time is short.
    pub(crate) fn quick_leaves_out(self) -> Option<&'static str> {
        match self {
            Self::SubmitUnary
            | Self::SubmitStream
            | Self::Execute
            | Self::Reschedule
            | Self::Http
            | Self::Watch
            | Self::SqliteExecute
            | Self::SqliteHttp => Some(RUNS),
            Self::Lateness => Some("two thirds of the time, and every sample but the first"),
            Self::Fair => Some("two thirds of the time"),
            Self::Hostile | Self::HostileSqlite => Some("three quarters of the plans"),
            Self::Planner => Some("two thirds of the signals"),
            Self::Pinned => Some("three quarters of the time and of the runs"),
            Self::Growth => Some("a million endpoints, and 5 and 20 million finished runs in favour of one million"),
            Self::Idle => Some("nine tenths of the endpoints, and two thirds of the time"),
            Self::Herd => None,
        }
    }
}
