//! The commands that only read: `audit` and `why`. They open the database beside whoever serves from it.
//!
//! Exit codes: 0 clean or answered, 1 findings or no answer, 2 mistakes in the flags or a database that does not open.

use std::{process::ExitCode, sync::Arc};

use baton_domain::{
    error::Error,
    ids::{EndpointId, UserId},
    limits::PlanLimits,
    ports::Store,
    services::Services,
    time::{Timestamp, truncate},
};
use baton_runtime::{
    clock::{SystemChance, SystemClock},
    config::{ConfigErrors, parse_duration},
};
use clap::Args;

use crate::{
    EXIT_CONFIG, EXIT_FAILURE,
    audit::{Question, audit},
    settings::database_url,
    why,
};

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// sqlite:PATH, or postgres://USER@HOST/DATABASE. Without it: the SQLite file baton.db in the working directory.
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite:baton.db",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: String,
}

impl DatabaseArgs {
    /// The URL, or what is wrong with it.
    pub fn judge(&self) -> Result<String, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let url = errors.check("--database-url", database_url(&self.database_url));
        url.ok_or(errors)
    }
}

/// What `baton-scheduler audit` takes.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// The first time to check, as in 2026-03-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: String,

    /// Times before this are checked, as far as they have passed.
    #[arg(long, value_name = "TIME")]
    to: String,

    /// Only endpoints of this user.
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// How late a start may be without a reason.
    #[arg(long, default_value = "1s", value_name = "DURATION")]
    epsilon: String,

    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// What `baton-scheduler why` takes.
#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// Id of the endpoint.
    endpoint: String,

    /// The planned time, as in 2026-03-01T12:00:00Z.
    time: String,

    /// Whose endpoint it is.
    #[arg(long, default_value = "local", value_name = "USER")]
    user: String,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// Checks the ledger and prints what it found.
pub async fn run_audit(args: &AuditArgs) -> ExitCode {
    let mut errors = ConfigErrors::new();
    let from = errors.check("--from", time(&args.from));
    let to = errors.check("--to", time(&args.to));
    let epsilon = errors.check("--epsilon", parse_duration(&args.epsilon));
    let url = errors.check("--database-url", database_url(&args.database.database_url));
    if let (Some(from), Some(to)) = (from, to) {
        errors.check(
            "--to",
            if from < to {
                Ok(())
            } else {
                Err("must be after --from".to_owned())
            },
        );
    }
    let (Some(from), Some(to), Some(epsilon), Some(url)) = (from, to, epsilon, url) else {
        return refuse(errors);
    };
    if let Err(mistakes) = errors.into_result() {
        return tell(&mistakes, EXIT_CONFIG);
    }
    let store = match open(&url).await {
        Ok(store) => store,
        Err(code) => return code,
    };
    let question = Question {
        from,
        to,
        user: args.user.clone().map(UserId),
        epsilon,
    };
    match print_audit(store.as_ref(), &question, args.json).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILURE),
        Err(error) => tell(&format!("{error:#}"), EXIT_CONFIG),
    }
}

async fn print_audit(store: &dyn Store, question: &Question, json: bool) -> anyhow::Result<bool> {
    let report = audit(store, question).await?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.is_clean())
}

/// Says what became of one time.
pub async fn run_why(args: &WhyArgs) -> ExitCode {
    let mut errors = ConfigErrors::new();
    let id = args
        .endpoint
        .parse::<EndpointId>()
        .map_err(|_| "is not an endpoint id".to_owned());
    let id = errors.check("ENDPOINT", id);
    let at = errors.check("TIME", time(&args.time));
    let url = errors.check("--database-url", database_url(&args.database.database_url));
    let (Some(id), Some(at), Some(url)) = (id, at, url) else {
        return refuse(errors);
    };
    let store = match open(&url).await {
        Ok(store) => store,
        Err(code) => return code,
    };
    let services = Services::new(store, Arc::new(SystemChance), PlanLimits::default());
    match services.explain_time(&UserId(args.user.clone()), id, at).await {
        Ok(record) => {
            println!("{}", why::sentences(&record, at).join("\n"));
            ExitCode::SUCCESS
        }
        Err(Error::NotFound(_)) => tell(&format!("no endpoint {} of user {}", id.0, args.user), EXIT_FAILURE),
        Err(error) => tell(&error, EXIT_CONFIG),
    }
}

async fn open(url: &str) -> Result<Arc<dyn Store>, ExitCode> {
    let opened = baton_store::open_reader(url, Arc::new(SystemClock)).await;
    opened.map_err(|error| tell(&format!("the database does not open: {error}"), EXIT_CONFIG))
}

fn time(text: &str) -> Result<Timestamp, String> {
    let parsed = text.parse::<Timestamp>();
    parsed
        .map(truncate)
        .map_err(|_| format!("`{text}` is not a time such as 2026-03-01T12:00:00Z"))
}

fn refuse(errors: ConfigErrors) -> ExitCode {
    match errors.into_result() {
        Err(mistakes) => tell(&mistakes, EXIT_CONFIG),
        Ok(()) => ExitCode::from(EXIT_CONFIG),
    }
}

/// Prints on standard error.
pub fn tell(message: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}
