//! Real processes: small shell scripts in the place of scheduler and planner.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use clap::Parser as _;
use rustix::process::test_kill_process;
use tempfile::TempDir;

use super::*;
use crate::scripted::{
    Faults, ScriptedModel,
    rules::{FLASH_SALE, RuleFile},
};

fn script(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn options(scheduler: &Path, planner: &Path) -> Options {
    let arguments = ["baton-demo".as_ref(), "--scheduler-bin".as_ref(), scheduler.as_os_str()];
    Options::parse_from(
        arguments
            .into_iter()
            .chain(["--planner-bin".as_ref(), planner.as_os_str()]),
    )
}

async fn model() -> Model {
    let rules = RuleFile::parse(FLASH_SALE).unwrap();
    Model::Scripted(
        ScriptedModel::start(([127, 0, 0, 1], 0).into(), rules, Faults::default())
            .await
            .unwrap(),
    )
}

fn pid_of(running: &Option<Running>) -> Pid {
    Pid::from_raw(i32::try_from(running.as_ref().unwrap().child.id().unwrap()).unwrap()).unwrap()
}

const SERVES: &str = r#"echo "starting"; echo "args $*" >&2; echo "listening on 127.0.0.1:4711"; exec sleep 600"#;

#[tokio::test]
async fn both_are_started_as_agreed_and_both_are_gone_after_stop() {
    let directory = TempDir::new().unwrap();
    let planner = script(
        &directory,
        "planner",
        r#"echo "args $* key $BATON_PLANNER_API_KEY" >&2; exec sleep 600"#,
    );
    let options = options(&script(&directory, "scheduler", SERVES), &planner);
    let model = model().await;
    let mut processes = Processes::default();
    let address = processes.start_scheduler(&options, directory.path()).await.unwrap();
    assert_eq!(address, "http://127.0.0.1:4711");
    processes
        .start_planner(&options, &address, &model, directory.path())
        .unwrap();
    assert!(processes.planner_ended().is_none());
    let pids = [pid_of(&processes.scheduler), pid_of(&processes.planner)];

    processes.stop().await;
    assert!(pids.iter().all(|pid| test_kill_process(*pid).is_err()), "still there");
    let said = fs::read_to_string(directory.path().join("scheduler.log")).unwrap();
    assert!(
        said.contains("serve --listen 127.0.0.1:0 --egress-allow 127.0.0.0/8 --database-url sqlite://"),
        "{said}"
    );
    assert!(said.contains("/baton.db?mode=rwc --time-compression 60"), "{said}");
}

#[tokio::test]
async fn a_scheduler_that_ends_early_is_quoted() {
    let directory = TempDir::new().unwrap();
    let scheduler = script(&directory, "scheduler", r#"echo "the database is behind" >&2; exit 3"#);
    let mut processes = Processes::default();
    let error = processes
        .start_scheduler(&options(&scheduler, &scheduler), directory.path())
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("the database is behind") && error.contains("ended before it served"),
        "{error}"
    );
}

#[tokio::test]
async fn a_planner_that_ends_is_reported_once() {
    let directory = TempDir::new().unwrap();
    let planner = script(&directory, "planner", "exit 7");
    let mut processes = Processes::default();
    let options = options(&planner, &planner);
    processes
        .start_planner(&options, "http://127.0.0.1:1", &model().await, directory.path())
        .unwrap();
    processes.planner.as_mut().unwrap().child.wait().await.unwrap();
    assert_eq!(processes.planner_ended().unwrap().code(), Some(7));
    assert!(processes.planner_ended().is_none());
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let directory = TempDir::new().unwrap();
    let scheduler = script(&directory, "scheduler", SERVES);
    let mut processes = Processes::default();
    processes
        .start_scheduler(&options(&scheduler, &scheduler), directory.path())
        .await
        .unwrap();
    let mut stdout = processes.scheduler.as_mut().unwrap()._stdout.take().unwrap();
    drop(processes);
    assert_eq!(
        timeout(STOP_TIMEOUT, stdout.next_line()).await.unwrap().unwrap(),
        None,
        "its stdout was not closed"
    );
}
