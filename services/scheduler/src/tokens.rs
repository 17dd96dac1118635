//! The command `token`: makes, lists and revokes the credentials of callers, beside whoever serves from the database.
//!
//! Exit codes: 0 done, 1 no such token, 2 mistakes in the flags or a database that does not open.

mod show;

use std::{collections::BTreeSet, io::Write as _, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use baton_domain::{
    credential::{Grant, Reach, Scope, Token, TokenName, TokenText},
    error::{Error, Violation},
    ids::UserId,
    limits::{PAGE_MAX, PlanLimits},
    ports::{Page, Store},
    services::Services,
};
use baton_runtime::{
    clock::{SystemChance, SystemClock},
    config::{ConfigErrors, parse_duration},
};
use baton_store::Missing;
use clap::{Args, Subcommand};

use crate::{
    EXIT_CONFIG, EXIT_FAILURE,
    reading::{DatabaseArgs, tell},
};

const DENIALS: usize = 1_000;

/// What `baton-scheduler token` takes.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Makes a token and prints it. It is shown this once: only its hash is stored.
    Create(CreateArgs),
    /// Every token with its prefix, scopes, users and standing, oldest first.
    List(ListArgs),
    /// Ends a token for good. Schedulers refuse it within 5 seconds.
    Revoke(RevokeArgs),
    /// What known callers were not allowed, the last first.
    Denials(ListArgs),
}

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// What the token is for.
    #[arg(long, value_name = "NAME")]
    name: String,

    /// jobs, runs and admin in any combination, or planner alone.
    #[arg(long, value_delimiter = ',', required = true, value_name = "SCOPE")]
    scopes: Vec<String>,

    /// Whose data it reaches; a planner may have several.
    #[arg(long = "user", value_name = "USER", required_unless_present = "all_users")]
    users: Vec<String>,

    /// A planner for every user.
    #[arg(long, conflicts_with = "users")]
    all_users: bool,

    /// How long it is accepted, such as 90d. Without it: until it is revoked.
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,

    /// Write the token there, readable by its owner only, and print nothing of it. Where there is such a file already,
    /// nothing is made.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// One JSON object instead of the token alone.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Args)]
pub struct RevokeArgs {
    /// Its id or its prefix.
    token: String,

    /// One JSON object instead of a sentence.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// Runs the command.
pub async fn run_token(command: &TokenCommand) -> ExitCode {
    let outcome = match command {
        TokenCommand::Create(args) => create(args).await,
        TokenCommand::List(args) => list(args).await,
        TokenCommand::Revoke(args) => revoke(args).await,
        TokenCommand::Denials(args) => denials(args).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal::Mistakes(mistakes)) => tell(&mistakes, EXIT_CONFIG),
        Err(Refusal::Unknown(token)) => tell(&format!("no token {token}"), EXIT_FAILURE),
        Err(Refusal::Failed(error)) => tell(&format!("{error:#}"), EXIT_CONFIG),
    }
}

/// Why a command did not do what was asked.
enum Refusal {
    Mistakes(ConfigErrors),
    Unknown(String),
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

async fn create(args: &CreateArgs) -> Result<(), Refusal> {
    if let Some(path) = args.out.as_ref().filter(|path| path.exists()) {
        eprintln!("{} is there already, nothing was made", path.display());
        return Ok(());
    }
    let (grant, life) = judge(args).map_err(Refusal::Mistakes)?;
    let services = beside(&args.database, Missing::Make).await?;
    let made = services.create_token(&args.name, grant, life).await;
    let (token, text) = made.map_err(|error| refused("token", error))?;
    if let Some(path) = &args.out {
        let kept = keep(path, &text).with_context(|| format!("{} cannot be written", path.display()));
        if let Err(error) = kept {
            // Nobody has it, so nobody may use it.
            services.revoke_token(&TokenName::Id(token.id)).await.ok();
            return Err(error.into());
        }
    }
    tell_created(args, &token, &text);
    Ok(())
}

fn tell_created(args: &CreateArgs, token: &Token, text: &TokenText) {
    let shown = args.out.is_none().then_some(text);
    if args.json {
        println!("{}", show::created(token, shown));
        return;
    }
    if let Some(text) = shown {
        println!("{}", text.expose());
    }
    eprintln!("token {} ({}) was made; it is not shown again", token.prefix, token.id);
}

fn judge(args: &CreateArgs) -> Result<(Grant, Option<Duration>), ConfigErrors> {
    let mut errors = ConfigErrors::new();
    let scopes: BTreeSet<Scope> = args
        .scopes
        .iter()
        .filter_map(|scope| errors.check("--scopes", parse_scope(scope)))
        .collect();
    let life = args
        .expires
        .as_deref()
        .map(|life| errors.check("--expires", parse_duration(life)));
    let reach = if args.all_users {
        Reach::All
    } else {
        Reach::Users(args.users.iter().cloned().map(UserId).collect())
    };
    let grant = match Grant::new(scopes, reach) {
        Ok(grant) => Some(grant),
        Err(Error::Invalid(violations)) => {
            note(violations, &mut errors);
            None
        }
        Err(other) => errors.check("--scopes", Err(other)),
    };
    errors.into_result()?;
    Ok((grant.expect("a grant without a mistake was made"), life.flatten()))
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| format!("`{text}` is none of jobs, runs, planner and admin"))
}

fn note(violations: Vec<Violation>, errors: &mut ConfigErrors) {
    for violation in violations {
        let flag = match violation.field.as_str() {
            "users" => "--user".to_owned(),
            field => format!("--{field}"),
        };
        errors.push(flag, violation.description);
    }
}

/// A file that only its owner reads, and that was not there before.
fn keep(path: &PathBuf, text: &TokenText) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", text.expose())?;
    file.sync_all()
}

async fn list(args: &ListArgs) -> Result<(), Refusal> {
    let services = reader(&args.database).await?;
    let now = services.now().await.context("the database cannot be read")?;
    let mut tokens = Vec::new();
    let mut page = Page::first(PAGE_MAX);
    loop {
        let listing = services.list_tokens(page).await.context("tokens cannot be listed")?;
        tokens.extend(listing.items);
        match listing.next {
            Some(after) => page.after = Some(after),
            None => break,
        }
    }
    print_lines(&if args.json {
        tokens.iter().map(|token| show::json(token, now).to_string()).collect()
    } else {
        show::table(&tokens, now)
    });
    Ok(())
}

async fn revoke(args: &RevokeArgs) -> Result<(), Refusal> {
    let services = beside(&args.database, Missing::Refuse).await?;
    let revoked = services.revoke_token(&TokenName::read(&args.token)).await;
    let token = revoked.map_err(|error| refused(&args.token, error))?;
    if args.json {
        let now = services.now().await.context("the database cannot be read")?;
        println!("{}", show::json(&token, now));
    } else {
        println!("{} ({}) is revoked", token.prefix, token.name);
    }
    Ok(())
}

async fn denials(args: &ListArgs) -> Result<(), Refusal> {
    let services = reader(&args.database).await?;
    let records = services.list_denials(DENIALS).await.context("denials cannot be read")?;
    print_lines(
        &records
            .iter()
            .map(|record| show::denial(record, args.json))
            .collect::<Vec<_>>(),
    );
    Ok(())
}

fn print_lines(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

fn refused(token: &str, error: Error) -> Refusal {
    match error {
        Error::NotFound(_) => Refusal::Unknown(token.to_owned()),
        Error::Invalid(violations) => {
            let mut errors = ConfigErrors::new();
            note(violations, &mut errors);
            Refusal::Mistakes(errors)
        }
        other => Refusal::Failed(other.into()),
    }
}

async fn beside(database: &DatabaseArgs, missing: Missing) -> Result<Services, Refusal> {
    let url = database.judge().map_err(Refusal::Mistakes)?;
    let opened = baton_store::open_beside(&url, Arc::new(SystemClock), missing).await;
    Ok(over(opened.context("the database does not open")?))
}

async fn reader(database: &DatabaseArgs) -> Result<Services, Refusal> {
    let url = database.judge().map_err(Refusal::Mistakes)?;
    let opened = baton_store::open_reader(&url, Arc::new(SystemClock)).await;
    Ok(over(opened.context("the database does not open")?))
}

fn over(store: Arc<dyn Store>) -> Services {
    Services::new(store, Arc::new(SystemChance), PlanLimits::default())
}
