//! A scenario played from its first minute to its last: clients create what it describes, phases come and go, and in the
//! end the scheduler's own account is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use baton_demo::{
    client::Client,
    clock::ScenarioClock,
    definitions,
    expectations::{Evidence, Finding, HintSample, ObservedRun, judge, slowest_answer_s},
    scenario::Scenario,
};
use baton_domain::{ids::RunId, time::Clock as _};
use baton_planner::{ask, circuit, metrics::Metrics, model::Model, prompt, rpc, work};
use baton_proto::v1;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{cluster::Cluster, shop::Shop};

/// Between two looks at the hints.
const LOOK: Duration = Duration::from_secs(10);

/// What is played, and with whom.
pub struct Play {
    pub scenario: Scenario,
    pub model: Option<Arc<dyn Model>>,
    pub planners: usize,
    pub schedulers: usize,
    /// When which scheduler is killed.
    pub kill_at: Option<(Duration, usize)>,
    /// A text in every response.
    pub injected: Option<&'static str>,
}

impl Play {
    pub fn of(scenario: &str, model: impl Model + 'static) -> Self {
        Self {
            model: Some(Arc::new(model)),
            ..Self::without_model(scenario)
        }
    }

    pub fn without_model(scenario: &str) -> Self {
        Self {
            scenario: Scenario::parse(scenario, "scenario").expect("the scenario is sound"),
            model: None,
            planners: 1,
            schedulers: 1,
            kill_at: None,
            injected: None,
        }
    }

    /// Plays it on tokio's clock, which must be paused.
    pub async fn run(self) -> Outcome {
        let shop = Shop::open(self.injected);
        let cluster = Cluster::start(self.schedulers, &shop);
        let mut stage = Stage::set_up(self, cluster, shop).await;
        let planners = stage.start_planners();
        stage.replay().await;
        drop(planners);
        stage.account().await
    }
}

/// Everything in its place, and the sale begun.
struct Stage {
    play: Play,
    cluster: Cluster,
    shop: Arc<Shop>,
    client: Client,
    job_id: String,
    sale_id: String,
    names: BTreeMap<String, String>,
    clock: ScenarioClock,
    start: Instant,
    samples: Vec<HintSample>,
}

impl Stage {
    async fn set_up(play: Play, cluster: Cluster, shop: Arc<Shop>) -> Self {
        let client = Client::over(cluster.channel());
        let scenario = &play.scenario;
        shop.enter(&scenario.phases[0]);
        let job = v1::CreateJobRequest {
            name: scenario.job.name.clone(),
            description: scenario.job.description.clone(),
            request_id: String::new(),
        };
        let job_id = client.create_job(job).await.expect("the job is created");
        let mut names = BTreeMap::new();
        for endpoint in &scenario.endpoints {
            let url = Shop::url_of(&endpoint.name);
            let defined = definitions::endpoint(endpoint, scenario, &url, 1.0).expect("durations fit");
            let defined = v1::Endpoint {
                job_id: Some(job_id.clone()),
                ..defined
            };
            let created = client.create_endpoint(defined).await.expect("the endpoint is created");
            names.insert(created.id, endpoint.name.clone());
        }
        let clock = ScenarioClock {
            start: SystemTime::from(cluster.clock.now()),
            speed: 1.0,
        };
        let start = Instant::now();
        let sale = definitions::sale(scenario, &job_id, &clock).expect("the scenario has phases");
        let sale_id = client.create_sale(sale).await.expect("the sale is created");
        Self {
            play,
            cluster,
            shop,
            client,
            job_id,
            sale_id,
            names,
            clock,
            start,
            samples: Vec::new(),
        }
    }

    /// They end when the set is dropped.
    fn start_planners(&self) -> JoinSet<()> {
        let mut planners = JoinSet::new();
        for (number, model) in (0..self.play.planners).zip(std::iter::repeat(&self.play.model)) {
            let Some(model) = model else { continue };
            let planner = work::Planner {
                scheduler: rpc::Scheduler::new(self.cluster.channel(), Arc::clone(&self.cluster.chance)),
                model: Arc::clone(model),
                chance: Arc::clone(&self.cluster.chance),
                metrics: Metrics::default(),
                settings: settings(format!("planner-{number}")),
            };
            planners.spawn(async move { planner.run(CancellationToken::new()).await.expect("the watch goes on") });
        }
        planners
    }

    async fn replay(&mut self) {
        let length = Duration::from_secs_f64(self.play.scenario.length_s());
        let mut passed = Duration::ZERO;
        while passed < length {
            self.enter_phase(passed).await;
            self.look().await;
            let next = passed + LOOK;
            if let Some((at, number)) = self.play.kill_at.filter(|(at, _)| (passed..next).contains(at)) {
                sleep_until(self.start + at).await;
                self.cluster.kill(number);
            }
            sleep_until(self.start + next).await;
            passed = next;
        }
    }

    /// The shop changes first: whoever is told of the new signals finds it as it should be.
    async fn enter_phase(&self, passed: Duration) {
        let mut later = self.play.scenario.phases.iter().skip(1);
        let Some(phase) = later.find(|phase| phase.start_s() == passed.as_secs_f64()) else {
            return;
        };
        self.shop.enter(phase);
        let sale = v1::FlashSale {
            id: self.sale_id.clone(),
            ..definitions::phase_of_sale(phase)
        };
        self.client.update_sale(sale).await.expect("the sale is written");
    }

    async fn look(&mut self) {
        // The first call after a scheduler was killed finds the connection broken.
        let endpoints = match self.client.endpoints(&self.job_id).await {
            Ok(endpoints) => endpoints,
            Err(_) => self
                .client
                .endpoints(&self.job_id)
                .await
                .expect("another scheduler answers"),
        };
        let now = SystemTime::from(self.cluster.clock.now());
        let sample = HintSample::read(&endpoints, now, &self.clock).expect("times are readable");
        self.samples.push(sample);
    }

    async fn account(self) -> Outcome {
        let account = self.client.settle(&self.job_id).await.expect("the account is given");
        let mut runs: Vec<ObservedRun> = account
            .runs
            .iter()
            .filter_map(|run| ObservedRun::read(run, &self.names, &self.clock).expect("runs are readable"))
            .collect();
        runs.sort_by(|one, other| one.started_s.total_cmp(&other.started_s));
        let evidence = Evidence {
            runs,
            hint_samples: self.samples,
            slowest_answer_s: slowest_answer_s(&account.plans, &self.clock),
            tolerance_s: self.clock.tolerance_s(),
        };
        Outcome {
            findings: judge(&self.play.scenario, &evidence),
            evidence,
            plans: account.plans,
            calls: self.shop.calls(),
        }
    }
}

fn settings(planner: String) -> work::Settings {
    work::Settings {
        ask: ask::Settings {
            planner,
            request_timeout: Duration::from_secs(300),
            max_prompt_chars: prompt::DEFAULT_MAX_CHARS,
            prices: None,
        },
        debounce: Duration::from_millis(100),
        max_concurrent: 8,
        circuit: circuit::Config::default(),
    }
}

/// What came of it.
pub struct Outcome {
    pub findings: Vec<Finding>,
    pub evidence: Evidence,
    pub plans: Vec<v1::Plan>,
    pub calls: BTreeMap<RunId, usize>,
}

impl Outcome {
    pub fn met(&self, key: &str) -> bool {
        self.findings.iter().any(|finding| finding.key == key && finding.met)
    }

    pub fn assert_all_met(&self, what: &str) {
        let missed: Vec<_> = self.findings.iter().filter(|finding| !finding.met).collect();
        assert!(!self.findings.is_empty() && missed.is_empty(), "{what}: {missed:#?}");
    }

    pub fn starts_of(&self, endpoint: &str) -> Vec<f64> {
        let runs = self.evidence.runs.iter().filter(|run| run.endpoint == endpoint);
        runs.map(|run| run.started_s).collect()
    }

    /// What ran, when by plan, and why: in milliseconds of the scenario.
    pub fn trace(&self) -> BTreeSet<(i64, String, String, String)> {
        let runs = self.evidence.runs.iter().map(|run| {
            let planned_ms = (run.planned_s * 1e3).round() as i64;
            let cause = run.cause.as_str_name().to_owned();
            (planned_ms, run.endpoint.clone(), run.source.clone(), cause)
        });
        runs.collect()
    }
}
