//! What a scenario describes, in the words of the API: its endpoints and its sale.
//!
//! Used by the runner, and by tests that play a scenario without processes.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use baton_proto::v1::{self, FlashSale, HttpRequest, endpoint::Baseline};
use prost_types::Timestamp;

use crate::{
    clock::ScenarioClock,
    scenario::{Endpoint, Phase, Scenario},
};

/// What the sale is called. A scenario's own name and summary may say how it ends, which a model must not be told.
const SALE_NAME: &str = "flash-sale";
const SALE_DESCRIPTION: &str = "A flash sale on the shop. Its signals say how the shop is doing at the moment.";

/// An endpoint as it is created, called at `url`, every duration divided by the speed.
///
/// # Errors
/// When a duration cannot be told.
pub fn endpoint(endpoint: &Endpoint, scenario: &Scenario, url: &str, speed: f64) -> anyhow::Result<v1::Endpoint> {
    let scaled = |duration: Duration| prost_types::Duration::try_from(duration.div_f64(speed));
    let request = HttpRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![],
        body: None,
    };
    Ok(v1::Endpoint {
        name: endpoint.name.clone(),
        description: endpoint.description.clone(),
        request: Some(request),
        baseline: endpoint
            .baseline_interval
            .map(scaled)
            .transpose()?
            .map(Baseline::Interval),
        min_interval: Some(scaled(scenario.guardrails.min_interval)?),
        max_interval: Some(scaled(scenario.guardrails.max_interval)?),
        cooldown: endpoint.cooldown.map(scaled).transpose()?,
        ..v1::Endpoint::default()
    })
}

/// The sale of a job, from now to the end of the scenario, in its first phase.
///
/// # Errors
/// When the scenario has no phase.
pub fn sale(scenario: &Scenario, job_id: &str, clock: &ScenarioClock) -> anyhow::Result<FlashSale> {
    let first = scenario.phases.first().context("the scenario has no phase")?;
    let end: SystemTime = clock.start + clock.wall(scenario.length_s());
    Ok(FlashSale {
        name: SALE_NAME.to_owned(),
        description: SALE_DESCRIPTION.to_owned(),
        start_time: Some(Timestamp::from(clock.start)),
        end_time: Some(Timestamp::from(end)),
        job_ids: vec![job_id.to_owned()],
        ..phase_of_sale(first)
    })
}

/// A sale with only what a phase says about it.
pub fn phase_of_sale(phase: &Phase) -> FlashSale {
    let signals = phase
        .signals
        .iter()
        .map(|(name, value)| (name.clone(), *value))
        .collect();
    FlashSale {
        phase: phase.name.clone(),
        signals,
        ..FlashSale::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wall_now;
    use crate::scenario::{FLASH_SALE, FLASH_SALE_NO_RECOVERY};

    fn millis(duration: Option<prost_types::Duration>) -> u128 {
        Duration::try_from(duration.unwrap()).unwrap().as_millis()
    }

    #[test]
    fn every_duration_of_an_endpoint_is_divided_and_no_description_is_changed() {
        let scenario = Scenario::parse(FLASH_SALE, "sale").unwrap();
        let define = |name: &str| {
            endpoint(
                scenario.endpoint(name).unwrap(),
                &scenario,
                "http://127.0.0.1:1/x",
                60.0,
            )
            .unwrap()
        };
        let traffic = define("traffic_monitor");
        assert_eq!(
            traffic.baseline,
            Some(Baseline::Interval(prost_types::Duration { seconds: 5, nanos: 0 }))
        );
        assert_eq!(
            (millis(traffic.min_interval), millis(traffic.max_interval)),
            (333, 15_000)
        );
        assert_eq!(traffic.description, scenario.endpoints[0].description);
        let cache = define("cache_warm_up");
        assert_eq!((cache.baseline, millis(cache.cooldown)), (None, 15_000));
    }

    #[test]
    fn the_sale_starts_now_in_its_first_phase_and_ends_after_the_last() {
        let scenario = Scenario::parse(FLASH_SALE, "sale").unwrap();
        let clock = ScenarioClock {
            start: wall_now(),
            speed: 60.0,
        };
        let sale = sale(&scenario, "job", &clock).unwrap();
        let (start, end) = (sale.start_time.unwrap(), sale.end_time.unwrap());
        assert_eq!(end.seconds - start.seconds, 41);
        assert_eq!(
            (sale.phase.as_str(), sale.signals["visitors_per_min"]),
            ("baseline", 1000.0)
        );
    }

    #[test]
    fn two_scenarios_that_end_differently_begin_alike() {
        let clock = ScenarioClock {
            start: wall_now(),
            speed: 60.0,
        };
        let begun = |text: &str| sale(&Scenario::parse(text, "sale").unwrap(), "job", &clock).unwrap();
        assert_eq!(begun(FLASH_SALE), begun(FLASH_SALE_NO_RECOVERY));
    }
}
