//! `hostile` and `hostile-sqlite`: how late cadence runs come while a planner with a valid token sends plans of chance
//! without end, over how late they come without it. One scheduler, watched by turns alone and beside the planner.
//!
//! [`guarded`] reads from the database that no guardrail was broken.

mod guarded;

use std::{path::Path, pin::pin, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use baton_domain::{
    endpoint::Pause,
    ids::{EndpointId, JobId, UserId},
    limits::PlanLimits,
    services::{EndpointDraft, Idempotency, SaleDraft, Services},
    time::{Clock as _, Timestamp, after, before},
};
use baton_runtime::clock::SystemClock;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    figure::{Figure, median},
    population::{chance, open},
    scheduler::{Listening, command, scheduler_with, sink},
    sink::Seen,
    stage::Stage,
};

/// Without another number: `all` has an hour.
const PLANS: usize = 2_000;
/// Whose cadence runs are watched, and how many are due each second of all of them together.
const USERS: usize = 10;
const ENDPOINTS: usize = 500;
const INTERVAL: Duration = Duration::from_secs(5);
const RATE: usize = 100;
/// Whose jobs the planner may plan for. So many that each is asked about within the budgets.
const TARGETED: &str = "targeted";
const JOBS: usize = 200;
const JOBS_OF_A_SALE: usize = 100;
/// An hour of budgets, hints and reviews is a minute.
const COMPRESSION: f64 = 60.0;
const ROUNDS: usize = 5;
/// How long the cadence is watched without the planner in a round, and what one p99 is of.
const ALONE: Duration = Duration::from_millis(40_500);
const WINDOW: Duration = Duration::from_secs(5);
/// Until each endpoint has found its phase.
const WARM_UP: Duration = Duration::from_secs(10);
/// Between an attack and the next time without it: its steps run out.
const SETTLING: Duration = Duration::from_secs(5);
/// Longest that the planner may take for a plan.
const PATIENCE: Duration = Duration::from_millis(300);

pub async fn postgres(stage: &Stage) -> Result<Vec<Figure>> {
    let database = stage.database("hostile").await?;
    let rounds = rounds(stage, &database.url).await?;
    database.drop_database().await?;
    Ok(vec![figure("hostile", &rounds)])
}

pub async fn sqlite(stage: &Stage) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::new()?;
    let rounds = rounds(stage, &format!("sqlite:{}/bench.db", folder.path().display())).await?;
    Ok(vec![figure("hostile-sqlite", &rounds)])
}

fn figure(bench: &str, rounds: &[Round]) -> Figure {
    eprintln!("{bench}: {rounds:?}");
    let of = |which: fn(&Round) -> f64| rounds.iter().map(which).collect::<Vec<f64>>();
    let beside = Figure::alone(bench, "ms", of(|round| round.beside));
    beside.against("alone", &of(|round| round.alone))
}

/// 99 in 100 cadence runs came so many milliseconds late at most: the median of windows of equal length, as a disk that
/// stalls for a moment is in few of them.
#[derive(Debug)]
struct Round {
    alone: f64,
    beside: f64,
}

/// By turns without and with the planner, so that a machine that slows down meanwhile does so in both. They are the samples
/// of the figure.
async fn rounds(stage: &Stage, url: &str) -> Result<Vec<Round>> {
    let (folder, plans) = (stage.folder(), stage.asked.runs_or(PLANS));
    let rounds = (plans / 100).clamp(1, ROUNDS);
    let mut watched = sink(folder).await?;
    let told = sink(folder).await?;
    let began = SystemClock.now();
    let scene = Scene::set(url, &watched.address, &told.address).await?;
    let token = token(folder, url).await?;
    let compression = COMPRESSION.to_string();
    let flags = ["--auth", "tokens", "--time-compression", &compression];
    let scheduler = scheduler_with(folder, url, &flags).await?;
    sleep(WARM_UP).await;
    let mut measured = Vec::new();
    for round in 0..rounds {
        let alone = windows(&mut watched, sleep(ALONE)).await?.0;
        let share = plans / rounds + usize::from(round < plans % rounds);
        let attack = attack(folder, &scheduler, &token, share, &scene.bystanders);
        let (beside, done) = windows(&mut watched, attack).await?;
        done?;
        measured.push(Round { alone, beside });
        // What it left behind at the last moment is no longer its time.
        sleep(SETTLING).await;
    }
    // What comes due while it stops waits for the next scheduler.
    let served_until = before(SystemClock.now(), Duration::from_secs(1));
    scheduler.stop().await?;
    guarded::check(url, &scene, &PlanLimits::compressed(COMPRESSION), plans).await?;
    audit(folder, url, began, served_until).await?;
    Ok(measured)
}

/// The median of what came late within each whole window until something is over; and what came of that.
async fn windows<T>(watched: &mut Listening, until: impl Future<Output = T>) -> Result<(f64, T)> {
    let mut until = pin!(until);
    let mut whole = Vec::new();
    watched.seen().await?;
    loop {
        match timeout(WINDOW, &mut until).await {
            Ok(done) => {
                ensure!(!whole.is_empty(), "it was over within {WINDOW:?}");
                return Ok((median(&whole), done));
            }
            Err(_) => whole.push(steady(watched.seen().await?)?.p99),
        }
    }
}

/// Fails unless as many runs came within a window as were due, each once and none early.
fn steady(seen: Seen) -> Result<Seen> {
    let due = RATE * usize::try_from(WINDOW.as_secs())?;
    ensure!(
        seen.runs.abs_diff(due) <= RATE,
        "{} runs came within {WINDOW:?}, {due} were due",
        seen.runs
    );
    ensure!(
        seen.calls == seen.runs,
        "{} runs were called {} times",
        seen.runs,
        seen.calls
    );
    ensure!(seen.early == 0, "{} calls came before their time", seen.early);
    Ok(seen)
}

/// Lets the planner send its plans.
async fn attack(
    folder: &Path,
    scheduler: &Listening,
    token: &Path,
    plans: usize,
    foreign: &[(UserId, EndpointId)],
) -> Result<()> {
    let foreign: Vec<String> = foreign.iter().take(20).map(|(_, id)| id.to_string()).collect();
    let mut command = command("baton-hostile-planner", folder)?;
    command
        .args(["--scheduler", &format!("http://{}", scheduler.address)])
        .arg("--token-file")
        .arg(token)
        .args(["--plans", &plans.to_string(), "--foreign", &foreign.join(",")]);
    let patience = PATIENCE * u32::try_from(plans)? + Duration::from_secs(60);
    let output = timeout(patience, command.output()).await;
    let output = output.with_context(|| format!("{plans} plans take longer than {patience:?}"))??;
    let (told, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "the hostile planner: {errors}");
    eprintln!("hostile: {}", told.trim());
    Ok(())
}

/// A file with the token of a planner for the targeted user.
async fn token(folder: &Path, url: &str) -> Result<std::path::PathBuf> {
    let path = tempfile::Builder::new()
        .prefix("token")
        .tempdir_in(folder)?
        .keep()
        .join("token");
    let mut command = command("baton-scheduler", folder)?;
    command
        .args(["token", "create", "--name", "hostile", "--scopes", "planner"])
        .args(["--user", TARGETED, "--database-url", url, "--out"])
        .arg(&path);
    ensure!(command.status().await?.success(), "the planner's token cannot be made");
    Ok(path)
}

/// Fails unless the ledger is sound, whatever was planned.
async fn audit(folder: &Path, url: &str, from: Timestamp, to: Timestamp) -> Result<()> {
    let [from, to] = [from, to].map(|at| at.to_rfc3339());
    let mut command = command("baton-scheduler", folder)?;
    command.args(["audit", "--from", &from, "--to", &to, "--database-url", url]);
    let output = command.output().await?;
    let report = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the audit found something:\n{report}");
    Ok(())
}

/// Who is there: bystanders who only want their cadence, and the jobs that the planner may plan for.
struct Scene {
    bystanders: Vec<(UserId, EndpointId)>,
    targeted: UserId,
    /// Of the targeted jobs: a person has paused them.
    paused: Vec<EndpointId>,
}

impl Scene {
    async fn set(url: &str, watched: &str, told: &str) -> Result<Self> {
        let open = open(url).await?;
        let services = Services::new(open.opened.store.clone(), chance(), PlanLimits::default());
        let set = Setting { services };
        let targeted = UserId(TARGETED.to_owned());
        let mut jobs = Vec::new();
        let mut paused = Vec::new();
        for _ in 0..JOBS {
            let job = set.job(&targeted).await?;
            for draft in targets(told) {
                let is_paused = draft.pause.is_some();
                let id = set.endpoint(&targeted, Some(job), &draft).await?;
                paused.extend(is_paused.then_some(id));
            }
            jobs.push(job);
        }
        for jobs in jobs.chunks(JOBS_OF_A_SALE) {
            set.sale(&targeted, jobs).await?;
        }
        let cadence = EndpointDraft {
            interval: Some(INTERVAL),
            ..draft("cadence", watched)
        };
        let mut bystanders = Vec::new();
        let begun = Instant::now();
        for (number, phase) in phases().into_iter().enumerate() {
            sleep_until(begun + phase).await;
            let user = UserId(format!("bystander-{}", number % USERS));
            let id = set.endpoint(&user, None, &cadence).await?;
            bystanders.push((user, id));
        }
        Ok(Self {
            bystanders,
            targeted,
            paused,
        })
    }
}

/// When each cadence begins: at times of chance, as those of real users do. Spread evenly they would never meet each other,
/// and whatever else runs would be the first that they meet.
fn phases() -> Vec<Duration> {
    let chance = chance();
    let micros = INTERVAL.as_micros();
    let at = |_| Duration::from_micros(u64::try_from(chance.bits() % micros).unwrap_or_default());
    let mut phases: Vec<Duration> = (0..ENDPOINTS).map(at).collect();
    phases.sort();
    phases
}

/// One that runs by itself, one that only runs when told, and one that a person has paused.
fn targets(told: &str) -> [EndpointDraft; 3] {
    let minute = Some(Duration::from_secs(60));
    [
        EndpointDraft {
            interval: minute,
            min_interval: Some(Duration::from_secs(10)),
            ..draft("regular", told)
        },
        EndpointDraft {
            cooldown: Some(Duration::from_secs(10)),
            ..draft("woken", told)
        },
        EndpointDraft {
            interval: minute,
            pause: Some(Pause::UntilResumed),
            ..draft("paused", told)
        },
    ]
}

fn draft(name: &str, address: &str) -> EndpointDraft {
    EndpointDraft {
        name: name.to_owned(),
        method: "POST".to_owned(),
        url: format!("http://{address}/"),
        ..EndpointDraft::default()
    }
}

/// The use cases as everybody calls them.
struct Setting {
    services: Services,
}

impl Setting {
    async fn job(&self, user: &UserId) -> Result<JobId> {
        let made = self.services.create_job(user, "shop", "", &no_key()).await;
        Ok(made.map_err(|error| anyhow!("{error}"))?.id)
    }

    async fn endpoint(&self, user: &UserId, job: Option<JobId>, draft: &EndpointDraft) -> Result<EndpointId> {
        let made = self.services.create_endpoint(user, job, draft, &no_key()).await;
        Ok(made.map_err(|error| anyhow!("{error}"))?.endpoint.id)
    }

    async fn sale(&self, user: &UserId, jobs: &[JobId]) -> Result<()> {
        let now = SystemClock.now();
        let draft = SaleDraft {
            name: "sale".to_owned(),
            description: String::new(),
            starts_at: now,
            ends_at: after(now, Duration::from_secs(24 * 3_600)),
            phase: "surge".to_owned(),
            signals: [("visitors_per_min".to_owned(), 1_000.0)].into(),
            job_ids: jobs.to_vec(),
            unreadable: Vec::new(),
        };
        let made = self.services.create_sale(user, draft, &no_key()).await;
        made.map(drop).map_err(|error| anyhow!("{error}"))
    }
}

fn no_key() -> Idempotency {
    Idempotency {
        method: "Bench",
        request_id: String::new(),
        digest: String::new(),
    }
}
