//! Flags and variables of the scheduler, and what they come to. Every mistake of a start is told at once.

mod access;
mod planners;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use baton_domain::limits::{self, PlanLimits};
use baton_runtime::{
    config::{ConfigErrors, TelemetryArgs, parse_duration},
    telemetry::TelemetryConfig,
};
use clap::Args;
use ipnet::IpNet;

pub use access::{AccessArgs, AccessSettings};
use planners::PlannerArgs;

/// What `baton-scheduler serve` takes. Values that can be wrong are read as text and judged afterwards.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to serve gRPC on. Loopback only, unless callers authenticate; port 0 takes a free one.
    #[arg(
        long,
        env = "BATON_LISTEN",
        default_value = "127.0.0.1:50051",
        value_name = "ADDRESS"
    )]
    listen: String,

    /// sqlite:PATH, or postgres://USER@HOST/DATABASE. Without it: the SQLite file baton.db in the working directory.
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite:baton.db",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: String,

    /// A private or loopback network that endpoints may be in, such as 10.0.0.0/8; may be given more than once.
    #[arg(long, env = "BATON_EGRESS_ALLOW", value_delimiter = ',', value_name = "CIDR")]
    egress_allow: Vec<String>,

    /// Sign calls in the Standard Webhooks form with the keys of this file: one a line, whsec_ and Base64 of 24 to 64 bytes,
    /// the newest first. Every key signs, so that receivers can change keys in their own time; the file is read at start.
    /// Without it calls are not signed.
    #[arg(long, env = "BATON_SIGNING_KEY_FILE", value_name = "PATH")]
    signing_key_file: Option<PathBuf>,

    /// Calls in the air at once. The limit of open files is raised to match, as far as the system lets it be.
    #[arg(long, env = "BATON_CONCURRENCY", default_value_t = limits::CALLS_DEFAULT.to_string(), value_name = "COUNT")]
    concurrency: String,

    /// Calls to one host in flight at once, of all schedulers of the database together, which must all be given the same.
    /// A host is the name or address in an endpoint's URL, whatever the port. Without it: any number.
    #[arg(long, env = "BATON_HOST_CONCURRENCY", value_name = "COUNT")]
    host_concurrency: Option<String>,

    /// How long a run stays with a scheduler that gives no sign of life: 2 s to 5 min.
    #[arg(long, env = "BATON_LEASE", default_value = "15s", value_name = "DURATION")]
    lease: String,

    /// How often to look for due runs when nothing wakes the scheduler: 10 ms to 1 min. 5 s, or 250 ms with --no-listen.
    #[arg(long, env = "BATON_POLL", value_name = "DURATION")]
    poll: Option<String>,

    /// Poll only, without LISTEN: for PostgreSQL behind a transaction pooler. The hot path then leaves nothing in a
    /// session; the rest uses named statements, which the pooler must track (PgBouncer 1.21 or later does).
    #[arg(long, env = "BATON_NO_LISTEN")]
    no_listen: bool,

    /// How long finished runs, plans and changes of schedules are kept: 1 day to 3650 days.
    #[arg(long, env = "BATON_RETENTION", default_value = "30d", value_name = "DURATION")]
    retention: String,

    /// How long running calls may take to end after a signal to stop.
    #[arg(long, env = "BATON_GRACE", default_value = "30s", value_name = "DURATION")]
    grace: String,

    #[command(flatten)]
    planners: PlannerArgs,

    /// For tests: this process's own clock is ahead by so much.
    #[arg(long, default_value = "0s", value_name = "DURATION", hide = true)]
    test_clock_offset: String,

    #[command(flatten)]
    access: AccessArgs,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// What a scheduler is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub access: AccessSettings,
    pub database_url: String,
    pub egress_allow: Vec<IpNet>,
    /// `None` leaves calls unsigned.
    pub signing_key_file: Option<PathBuf>,
    pub concurrency: usize,
    /// `None` is any number.
    pub host_concurrency: Option<u32>,
    pub lease: Duration,
    pub poll: Duration,
    /// Nobody tells of other schedulers' commits: PostgreSQL is only polled.
    pub no_listen: bool,
    pub retention: Duration,
    pub grace: Duration,
    pub limits: PlanLimits,
    /// Of this scheduler's time.
    pub planner_share: f64,
    pub clock_offset: Duration,
    pub telemetry: TelemetryConfig,
}

impl Settings {
    /// The settings, or every mistake.
    pub fn judge(args: &ServeArgs) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let listen = errors.check("--listen", listen(&args.listen));
        let access = AccessSettings::judge(&args.access, listen, &mut errors);
        let database_url = errors.check("--database-url", database_url(&args.database_url));
        let allowed: Vec<Option<IpNet>> = args
            .egress_allow
            .iter()
            .map(|network| errors.check("--egress-allow", parse_network(network)))
            .collect();
        let concurrency = errors.check("--concurrency", concurrency(&args.concurrency));
        let host_concurrency = args.host_concurrency.as_deref().map(host_concurrency);
        let host_concurrency = host_concurrency.map(|count| errors.check("--host-concurrency", count));
        let lease = errors.check("--lease", within(&args.lease, limits::LEASE_MIN, limits::LEASE_MAX));
        let poll = errors.check("--poll", poll(args.poll.as_deref(), args.no_listen));
        let retention = errors.check(
            "--retention",
            within(&args.retention, limits::RETENTION_MIN, limits::RETENTION_MAX),
        );
        let grace = errors.check(
            "--grace",
            within(&args.grace, Duration::ZERO, Duration::from_secs(3_600)),
        );
        let limits = args.planners.judge(&mut errors);
        let planner_share = args.planners.judge_share(&mut errors);
        let clock_offset = errors.check("--test-clock-offset", parse_duration(&args.test_clock_offset));
        let telemetry = args
            .telemetry
            .to_config("baton-scheduler", env!("CARGO_PKG_VERSION"), &mut errors);
        errors.into_result()?;
        let judged = "a value without a mistake was judged";
        Ok(Self {
            listen: listen.expect(judged),
            access: access.expect(judged),
            database_url: database_url.expect(judged),
            egress_allow: allowed.into_iter().flatten().collect(),
            signing_key_file: args.signing_key_file.clone(),
            concurrency: concurrency.expect(judged),
            host_concurrency: host_concurrency.flatten(),
            lease: lease.expect(judged),
            poll: poll.expect(judged),
            no_listen: args.no_listen,
            retention: retention.expect(judged),
            grace: grace.expect(judged),
            limits: limits.expect(judged),
            planner_share: planner_share.expect(judged),
            clock_offset: clock_offset.expect(judged),
            telemetry,
        })
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not of the form 127.0.0.1:50051"))
}

pub fn database_url(text: &str) -> Result<String, String> {
    let known = ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    // Not repeated in the message: it may carry a password.
    if known {
        Ok(text.to_owned())
    } else {
        Err("must begin with sqlite: or postgres://".to_owned())
    }
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a network such as 10.0.0.0/8"))
}

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=100_000) => Ok(count),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a count from 1 to 100000")),
    }
}

fn host_concurrency(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=100_000) => Ok(count),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a count from 1 to 100000")),
    }
}

fn poll(text: Option<&str>, no_listen: bool) -> Result<Duration, String> {
    match text {
        Some(text) => within(text, Duration::from_millis(10), Duration::from_secs(60)),
        None if no_listen => Ok(limits::POLL_ALONE),
        None => Ok(limits::POLL_BESIDE_LISTEN),
    }
}

fn within(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("`{text}` must be {min:?} to {max:?}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{ServeArgs, Settings};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn judge(arguments: &[&str]) -> Result<Settings, String> {
        let line = ["baton-scheduler"].into_iter().chain(arguments.iter().copied());
        Settings::judge(&Cli::parse_from(line).serve).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn every_mistake_is_told_in_a_line_of_its_own() {
        let mistakes = judge(&[
            "--listen=0.0.0.0:7070",
            "--database-url=mysql://secret@host/db",
            "--egress-allow=10.0.0.0/8,everywhere",
            "--concurrency=0",
            "--host-concurrency=none",
            "--lease=1s",
            "--poll=now",
            "--retention=1h",
            "--planner-lease=1d",
            "--planner-tokens-per-day=many",
            "--planner-calls-per-hour=-1",
            "--planner-steps-per-hour=1.5",
            "--time-compression=0.5",
            "--planner-share=0",
            "--log-format=xml",
        ])
        .expect_err("nothing of it is right");
        let flags: Vec<&str> = mistakes
            .lines()
            .filter_map(|line| line.split([':', ' ']).find(|word| word.starts_with("--")))
            .collect();
        let expected = [
            "--listen",
            "--database-url",
            "--egress-allow",
            "--concurrency",
            "--host-concurrency",
            "--lease",
            "--poll",
            "--retention",
            "--planner-lease",
            "--planner-tokens-per-day",
            "--planner-calls-per-hour",
            "--planner-steps-per-hour",
            "--time-compression",
            "--planner-share",
            "--log-format",
        ];
        assert_eq!(flags, expected, "{mistakes}");
        assert!(!mistakes.contains("secret"), "a database URL may carry a password");
    }

    #[test]
    fn polling_alone_is_more_frequent_unless_told() {
        for (flags, milliseconds) in [
            (&[][..], 5_000),
            (&["--no-listen"], 250),
            (&["--no-listen", "--poll=2s"], 2_000),
            (&["--poll=20ms"], 20),
        ] {
            let settings = judge(flags).expect("nothing is wrong");
            assert_eq!(settings.poll.as_millis(), milliseconds, "{flags:?}");
            assert_eq!(settings.no_listen, flags.contains(&"--no-listen"));
        }
    }

    #[test]
    fn the_loopback_addresses_are_served() {
        for address in ["127.0.0.1:0", "[::1]:7070", "127.8.8.8:1"] {
            let settings = judge(&["--listen", address]).expect(address);
            assert_eq!(settings.listen.to_string(), address);
        }
    }
}
