//! A scheduler process with a shop to call, and planners and models to put beside it.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use baton_demo::{
    scenario::{FLASH_SALE, Phase, Scenario},
    scripted::{
        Faults, ScriptedModel,
        rules::{self, RuleFile},
    },
    sink::Sink,
};
use baton_proto::{
    client::{Connect, Connection, Transport},
    v1::{
        self, Plan, PlanState, Run, endpoint::Baseline, jobs_service_client::JobsServiceClient,
        runs_service_client::RunsServiceClient,
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

/// Longest wait for anything that should happen.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The path of a binary of this workspace, beside the folder of the running test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let path = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/PROFILE/deps")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask test`, which builds it first",
        path.display()
    );
    path
}

/// A loopback address that nothing listens on at the moment.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

/// Tries until `look` gives something, or fails after [`LIMIT`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "did not happen within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A process that is killed when dropped. Its stdout stays open so that it can always write there.
pub struct Process {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(mut command: Command, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Self { child, stdout }
    }

    /// The address after `listening on `.
    pub async fn listening_address(&mut self) -> String {
        let line = timeout(LIMIT, self.stdout.next_line())
            .await
            .expect("serves in time")
            .expect("stdout is readable");
        let line = line.expect("the process serves before it ends");
        line.strip_prefix("listening on ")
            .expect("the one line on stdout")
            .to_owned()
    }

    /// False once it has ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process is ours").is_none()
    }

    /// SIGKILL, and the end of the process.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process can be killed");
    }
}

/// One scheduler on a SQLite file, and a shop.
pub struct Stage {
    pub directory: TempDir,
    pub sink: Sink,
    scenario: Scenario,
    scheduler: Option<Process>,
    pub url: String,
    connection: Connection,
}

impl Stage {
    pub async fn new(arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary folder");
        let database = format!("sqlite:{}/baton.db", directory.path().display());
        Self::on(directory, &database, arguments).await
    }

    /// On any database.
    pub async fn on(directory: TempDir, database: &str, arguments: &[&str]) -> Self {
        let address = free_address().to_string();
        let connect = Connect::to(format!("http://{address}"));
        Self::secured(directory, database, &address, arguments, connect).await
    }

    /// On an address where callers need what `connect` has.
    pub async fn secured(
        directory: TempDir,
        database: &str,
        address: &str,
        arguments: &[&str],
        connect: Connect,
    ) -> Self {
        let scenario = Scenario::parse(FLASH_SALE, "flash-sale.json").expect("the scenario is valid");
        let sink = Sink::start(&scenario.phases[0]).await.expect("the shop opens");
        let scheduler = start_scheduler(directory.path(), database, address, arguments).await;
        Self {
            directory,
            sink,
            scenario,
            scheduler: Some(scheduler),
            url: connect.url().to_owned(),
            connection: connect.attempts(1).lazily().expect("a connection"),
        }
    }

    /// SIGKILL for the scheduler, and another one on the same database and address.
    pub async fn crash_scheduler(&mut self, arguments: &[&str]) {
        if let Some(scheduler) = self.scheduler.take() {
            scheduler.kill().await;
        }
        let database = format!("sqlite:{}/baton.db", self.directory.path().display());
        let address = self.url.trim_start_matches("http://").to_owned();
        self.scheduler = Some(start_scheduler(self.directory.path(), &database, &address, arguments).await);
    }

    pub fn phase(&self, name: &str) -> &Phase {
        self.scenario
            .phases
            .iter()
            .find(|phase| phase.name == name)
            .expect("a phase of the scenario")
    }

    pub fn jobs(&self) -> JobsServiceClient<Transport> {
        self.connection.jobs()
    }

    pub fn runs_client(&self) -> RunsServiceClient<Transport> {
        self.connection.runs()
    }

    pub async fn start_model(&self, address: Option<SocketAddr>) -> ScriptedModel {
        let address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let rules = RuleFile::parse(rules::FLASH_SALE).expect("the rules are valid");
        ScriptedModel::start(address, rules, Faults::default())
            .await
            .expect("the model starts")
    }

    pub fn start_planner(&self, model_url: &str, arguments: &[&str]) -> Process {
        let mut command = Command::new(binary("baton-planner"));
        forget_configuration(&mut command);
        command.args([
            "run",
            "--scheduler",
            &self.url,
            "--base-url",
            model_url,
            "--model",
            "scripted-rules",
        ]);
        command
            .args(["--debounce", "4ms", "--request-timeout", "1s"])
            .args(arguments);
        command.env("BATON_PLANNER_API_KEY", "not-a-secret");
        Process::start(command, &self.directory.path().join("planner.log"))
    }

    pub async fn create_job(&self) -> String {
        let job = v1::CreateJobRequest {
            name: "shop".to_owned(),
            ..Default::default()
        };
        self.jobs().create_job(job).await.expect("a job").into_inner().id
    }

    pub async fn create_endpoint(&self, job_id: Option<&str>, name: &str, interval: Option<Duration>) -> String {
        let url = self.sink.url_of(name);
        let endpoint = v1::Endpoint {
            job_id: job_id.map(str::to_owned),
            name: name.to_owned(),
            request: Some(v1::HttpRequest {
                method: "POST".to_owned(),
                url,
                ..Default::default()
            }),
            baseline: interval.map(|interval| Baseline::Interval(interval.try_into().expect("a duration"))),
            min_interval: Some(Duration::from_millis(100).try_into().expect("a duration")),
            ..Default::default()
        };
        self.create(endpoint).await
    }

    /// Creates the endpoint; gives its id.
    pub async fn create(&self, endpoint: v1::Endpoint) -> String {
        let request = v1::CreateEndpointRequest {
            endpoint: Some(endpoint),
            ..Default::default()
        };
        let created = self.jobs().create_endpoint(request).await;
        created.expect("an endpoint").into_inner().id
    }

    /// A sale of an hour that starts now with the signals of a phase; gives its id.
    pub async fn create_sale(&self, job_id: &str, phase: &str) -> String {
        let now = baton_demo::clock::wall_now();
        let sale = v1::FlashSale {
            name: "sale".to_owned(),
            start_time: Some(now.into()),
            end_time: Some((now + Duration::from_secs(3_600)).into()),
            signals: self.phase(phase).signals.clone().into_iter().collect(),
            job_ids: vec![job_id.to_owned()],
            ..Default::default()
        };
        let request = v1::CreateFlashSaleRequest {
            flash_sale: Some(sale),
            ..Default::default()
        };
        let mut sales = self.connection.flash_sales();
        sales.create_flash_sale(request).await.expect("a sale").into_inner().id
    }

    pub async fn set_signal(&self, sale_id: &str, name: &str, value: f64) {
        let mut sales = self.connection.flash_sales();
        let current = sales.get_flash_sale(v1::GetFlashSaleRequest { id: sale_id.to_owned() });
        let mut sale = current.await.expect("the sale").into_inner();
        sale.signals.insert(name.to_owned(), value);
        let update_mask = Some(prost_types::FieldMask {
            paths: vec!["signals".to_owned()],
        });
        let request = v1::UpdateFlashSaleRequest {
            flash_sale: Some(sale),
            update_mask,
        };
        sales.update_flash_sale(request).await.expect("the sale is changed");
    }

    /// Every run of every page, newest planned time first.
    pub async fn all_runs(&self) -> Vec<Run> {
        let mut request = v1::ListRunsRequest {
            page_size: 1_000,
            ..Default::default()
        };
        let mut runs = Vec::new();
        loop {
            let page = self.runs_client().list_runs(request.clone()).await;
            let page = page.expect("runs").into_inner();
            runs.extend(page.runs);
            if page.next_page_token.is_empty() {
                return runs;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Every run, newest planned time first.
    pub async fn runs(&self) -> Vec<Run> {
        let request = v1::ListRunsRequest {
            page_size: 1_000,
            ..Default::default()
        };
        self.runs_client()
            .list_runs(request)
            .await
            .expect("runs")
            .into_inner()
            .runs
    }

    /// How many runs of this source have started.
    pub async fn started(&self, source: &str) -> usize {
        self.runs()
            .await
            .iter()
            .filter(|run| run.source == source && run.start_time.is_some())
            .count()
    }

    /// Waits until `more` further runs of this source have started.
    pub async fn await_started(&self, source: &str, more: usize) {
        let before = self.started(source).await;
        let what = format!("{more} more {source} runs");
        eventually(&what, || async {
            (self.started(source).await >= before + more).then_some(())
        })
        .await;
    }

    /// Every plan, newest first.
    pub async fn plans(&self) -> Vec<Plan> {
        let request = v1::ListPlansRequest {
            page_size: 1_000,
            ..Default::default()
        };
        let mut plans = self.connection.plans();
        plans.list_plans(request).await.expect("plans").into_inner().plans
    }

    /// Waits for a plan in this state that `known` does not have, with any of these verdicts if there are any.
    pub async fn await_plan(&self, state: PlanState, known: &[Plan], verdicts: &[&str]) -> Plan {
        let what = format!(
            "a new plan in state {state:?} {verdicts:?}; see {}",
            self.directory.path().display()
        );
        eventually(&what, || async {
            let plans = self.plans().await.into_iter();
            let mut new = plans.filter(|plan| known.iter().all(|old| old.id != plan.id));
            new.find(|plan| plan.state() == state && (verdicts.is_empty() || verdicts.contains(&plan.verdict.as_str())))
        })
        .await
    }
}

pub async fn start_scheduler(directory: &Path, database: &str, address: &str, arguments: &[&str]) -> Process {
    let mut command = scheduler_command(directory);
    command
        .args([
            "--listen",
            address,
            "--database-url",
            database,
            "--egress-allow",
            "127.0.0.0/8",
        ])
        .args(arguments);
    let mut scheduler = Process::start(command, &directory.join("scheduler.log"));
    assert_eq!(scheduler.listening_address().await, address);
    scheduler
}

pub fn scheduler_command(directory: &Path) -> Command {
    let mut command = Command::new(binary("baton-scheduler"));
    forget_configuration(&mut command);
    command.arg("serve").current_dir(directory);
    command
}

/// The caller's own settings must not reach a test.
pub fn forget_configuration(command: &mut Command) {
    for (name, _) in std::env::vars() {
        if name == "DATABASE_URL" || name.starts_with("BATON_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
}
