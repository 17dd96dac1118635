//! Creates over gRPC what a scenario describes: the job, its endpoints and the sale, every duration divided by the speed.

use std::collections::BTreeMap;

use baton_proto::v1;
use tokio::time::Instant;

use crate::{
    client::Client,
    clock::{ScenarioClock, wall_now},
    definitions,
    scenario::Scenario,
    sink::Sink,
};

/// Everything in its place, and the sale begun.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) scheduler: &'a Client,
    pub(super) sink: &'a Sink,
    pub(super) job_id: String,
    pub(super) sale_id: String,
    /// Endpoint names by id.
    pub(super) names: BTreeMap<String, String>,
    /// Wall time and scenario time.
    pub(super) clock: ScenarioClock,
    /// The start of the sale for deadlines.
    pub(super) start: Instant,
}

impl Stage<'_> {
    /// The instant of this many seconds of scenario time.
    pub(super) fn deadline(&self, scenario_seconds: f64) -> Instant {
        self.start + self.clock.wall(scenario_seconds)
    }
}

/// Creates job, endpoints and sale; the sale starts now.
pub(super) async fn set_up<'a>(
    scenario: &'a Scenario,
    scheduler: &'a Client,
    sink: &'a Sink,
    speed: f64,
) -> anyhow::Result<Stage<'a>> {
    let (name, description) = (scenario.job.name.clone(), scenario.job.description.clone());
    let job_id = scheduler
        .create_job(v1::CreateJobRequest {
            name,
            description,
            request_id: String::new(),
        })
        .await?;
    let mut names = BTreeMap::new();
    for endpoint in &scenario.endpoints {
        let definition = definitions::endpoint(endpoint, scenario, &sink.url_of(&endpoint.name), speed)?;
        let created = scheduler
            .create_endpoint(v1::Endpoint {
                job_id: Some(job_id.clone()),
                ..definition
            })
            .await?;
        names.insert(created.id, endpoint.name.clone());
    }
    let clock = ScenarioClock {
        start: wall_now(),
        speed,
    };
    let start = Instant::now();
    let sale_id = scheduler
        .create_sale(definitions::sale(scenario, &job_id, &clock)?)
        .await?;
    Ok(Stage {
        scenario,
        scheduler,
        sink,
        job_id,
        sale_id,
        names,
        clock,
        start,
    })
}
