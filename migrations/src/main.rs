//! `baton-migrations up|down|status`: changes or shows the schema of a database, for operators and deployments.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use baton_migrations::{SchemaState, migrate_down, migrate_up, schema_state};
use clap::{Parser, Subcommand};
use sea_orm_migration::sea_orm::{Database, DatabaseConnection};

/// Brings the schema of a Baton database up to this program's, takes steps back, or says where it stands.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// sqlite:PATH?mode=rwc or postgres://USER@HOST/DATABASE
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        global = true,
        default_value = ""
    )]
    database_url: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Applies every pending step.
    Up,
    /// Takes steps back, with all data they hold.
    Down {
        /// How many, the last first.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Says whether the schema is current; exits with 1 when it is not.
    Status,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("baton-migrations: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.database_url.is_empty() {
        bail!("--database-url or DATABASE_URL is required");
    }
    let db = Database::connect(&arguments.database_url)
        .await
        .context("cannot connect to the database")?;
    run(&arguments.command, &db).await
}

async fn run(command: &Command, db: &DatabaseConnection) -> anyhow::Result<()> {
    let state = schema_state(db).await?;
    match command {
        Command::Up => {
            refuse_unknown(&state)?;
            migrate_up(db).await?;
            println!("schema is current");
        }
        Command::Down { steps } => {
            refuse_unknown(&state)?;
            migrate_down(db, Some(*steps)).await?;
            println!("took back {steps} step(s)");
        }
        Command::Status => return report(&state),
    }
    Ok(())
}

fn report(state: &SchemaState) -> anyhow::Result<()> {
    refuse_unknown(state)?;
    match state {
        SchemaState::Behind(pending) => bail!("pending: {}", pending.join(", ")),
        SchemaState::Current | SchemaState::Unknown(_) | SchemaState::Foreign => println!("schema is current"),
    }
    Ok(())
}

fn refuse_unknown(state: &SchemaState) -> anyhow::Result<()> {
    match state {
        SchemaState::Unknown(steps) => bail!("steps applied that this program does not know: {}", steps.join(", ")),
        SchemaState::Foreign => bail!("the database has tables of these names that are not Baton's"),
        SchemaState::Current | SchemaState::Behind(_) => Ok(()),
    }
}
