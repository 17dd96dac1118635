//! The bare database, measured in the same minute on the same machine: what figures are ratios to.

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use sea_orm::sqlx::{
    ConnectOptions as _, Connection as _, Executor as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use crate::server::Database;

pub const ONE: &str = "ref_one";
pub const COPY: &str = "ref_copy";
pub const SQLITE: &str = "ref_sqlite";

/// The same kind of table for both references.
const TABLE: &str = "DROP TABLE IF EXISTS reference_rows;
    CREATE TABLE reference_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL)";
/// What every row holds: about as much as a run of a small payload does.
const PAYLOAD: &str = "0192f8a0-7b3c-7d43-8341-03bd838df2b7 planned manual";

/// Rows a second: pgbench on one connection, one small row an INSERT, each with a commit of its own.
pub async fn one(database: &Database, lasts: Duration) -> Result<f64> {
    database.execute(TABLE).await?;
    let folder = TempDir::new()?;
    let script = folder.path().join("insert.sql");
    std::fs::write(
        &script,
        format!("INSERT INTO reference_rows (payload) VALUES ('{PAYLOAD}');\n"),
    )?;
    let mut pgbench = database.server.program("pgbench")?;
    pgbench
        .args([
            "--no-vacuum",
            "--client",
            "1",
            "--time",
            &lasts.as_secs().max(1).to_string(),
        ])
        .arg("--file")
        .arg(&script)
        .arg(&database.url);
    let output = pgbench.output().await.context("pgbench does not start")?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "pgbench: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let speed = told.lines().find_map(|line| line.strip_prefix("tps = "));
    let speed = speed.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    speed.with_context(|| format!("pgbench says no tps: {told}"))
}

/// Rows a second: psql's COPY of that many of the same rows into the same kind of table, in one transaction.
pub async fn copy(database: &Database, rows: usize) -> Result<f64> {
    database.execute(TABLE).await?;
    let folder = TempDir::new()?;
    let file = folder.path().join("rows");
    let mut writer = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for _ in 0..rows {
        writeln!(writer, "{PAYLOAD}")?;
    }
    writer.flush()?;
    let mut psql = database.server.program("psql")?;
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--dbname",
        &database.url,
    ])
    .arg("--command")
    .arg(format!("\\copy reference_rows (payload) FROM '{}'", file.display()));
    let begun = Instant::now();
    let output = psql.output().await.context("psql does not start")?;
    let took = begun.elapsed();
    ensure!(
        output.status.success(),
        "psql: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let there = database.count("SELECT count(*) FROM reference_rows").await?;
    ensure!(usize::try_from(there) == Ok(rows), "{there} of {rows} rows were copied");
    Ok(per_second(rows, took))
}

/// Rows a second: single-row commits of SQLite in a file, WAL and synchronous=FULL, one connection.
pub async fn sqlite(folder: &Path, lasts: Duration) -> Result<f64> {
    let file = folder.join("reference.db");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    connection
        .execute("CREATE TABLE IF NOT EXISTS reference_rows (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)")
        .await?;
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < lasts {
        sea_orm::sqlx::query("INSERT INTO reference_rows (payload) VALUES (?)")
            .bind(PAYLOAD)
            .execute(&mut connection)
            .await?;
        rows += 1;
    }
    let took = begun.elapsed();
    connection.close().await?;
    Ok(per_second(rows, took))
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
