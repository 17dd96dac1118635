use std::{path::Path, time::Duration};

use super::*;

fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Scenario, Error> {
    let mut document: serde_json::Value = serde_json::from_str(FLASH_SALE).unwrap();
    change(&mut document);
    Scenario::parse(&document.to_string(), "sale.json")
}

#[test]
fn both_files_of_the_project_are_read_in_full() {
    let sale = Scenario::parse(FLASH_SALE, "flash-sale.json").unwrap();
    assert_eq!(sale.endpoints.len(), 10);
    assert_eq!(sale.guardrails.min_interval, Duration::from_secs(20));
    assert_eq!(
        sale.endpoint("traffic_monitor").unwrap().baseline_interval,
        Some(Duration::from_secs(300))
    );
    assert_eq!(
        sale.endpoint("cache_warm_up").unwrap().cooldown,
        Some(Duration::from_secs(900))
    );
    assert!(sale.endpoint("cache_warm_up").unwrap().dormant);
    assert_eq!(sale.length_s(), 41.0 * 60.0);
    assert_eq!(sale.expected.back_to_baseline.as_ref().unwrap().from_minute, 36);

    let no_recovery = Scenario::parse(FLASH_SALE_NO_RECOVERY, "flash-sale-no-recovery.json").unwrap();
    assert!(no_recovery.expected.back_to_baseline.is_none());
    let alerts = no_recovery.expected.alerts.as_ref().unwrap();
    assert_eq!(alerts["emergency_oncall_page"].not_before_minute, Some(23));
    assert_eq!(alerts["slack_operations"].not_before_minute, None);
    assert_eq!(no_recovery.expected.before.as_ref().unwrap().len(), 7);
}

#[test]
fn a_phase_ends_when_its_last_minute_does() {
    let sale = Scenario::parse(FLASH_SALE, "flash-sale.json").unwrap();
    assert_eq!(sale.phase_at(0.0).unwrap().name, "baseline");
    assert_eq!(sale.phase_at(299.9).unwrap().name, "baseline");
    assert_eq!(sale.phase_at(300.0).unwrap().name, "surge");
    assert_eq!(sale.phase_at(99_999.0).unwrap().name, "normal");
}

#[test]
fn a_missing_file_is_named() {
    let error = Scenario::read(Path::new("no-such-sale.json")).unwrap_err().to_string();
    assert!(error.starts_with("no-such-sale.json: "), "{error}");
}

#[test]
fn a_wrong_field_is_named_with_its_path() {
    let wrong_type = changed(|document| document["phases"][2]["from_minute"] = "nine".into())
        .unwrap_err()
        .to_string();
    assert!(
        wrong_type.starts_with("sale.json: phases[2].from_minute: "),
        "{wrong_type}"
    );

    let wrong_duration = changed(|document| document["endpoints"][0]["baseline_interval"] = "soon".into());
    let wrong_duration = wrong_duration.unwrap_err().to_string();
    assert!(
        wrong_duration.contains("endpoints[0].baseline_interval"),
        "{wrong_duration}"
    );
    assert!(
        wrong_duration.contains("\"soon\" is not a duration"),
        "{wrong_duration}"
    );
}

#[test]
fn an_expectation_that_nobody_checks_is_refused() {
    let error = changed(|document| document["expected"]["profit"] = 7.into())
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field `profit`"), "{error}");
}

#[test]
fn every_contradiction_is_listed_at_once() {
    let error = changed(|document| {
        document["endpoints"][1]["dormant"] = true.into();
        document["phases"][1]["from_minute"] = 6.into();
        document["expected"]["fastest_cadence"]["endpoint"] = "nobody".into();
        document["expected"]["fastest_cadence"]["phases"][0] = "never".into();
    })
    .unwrap_err();
    let Error::Contradictory { problems, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(
        error.to_string().lines().all(|line| line.starts_with("sale.json: ")),
        "{error}"
    );
}
