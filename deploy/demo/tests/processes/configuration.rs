//! Mistakes in the configuration: one line each, all at once, and a non-zero exit.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::{binary, forget_configuration, scheduler_command};

#[tokio::test]
async fn the_scheduler_names_every_mistake() {
    let directory = TempDir::new().expect("a temporary folder");
    let mut command = scheduler_command(directory.path());
    command.args([
        "--listen",
        "0.0.0.0:1",
        "--database-url",
        "mysql://x",
        "--lease",
        "1ms",
        "--egress-allow",
        "all",
    ]);
    let output = command.stdin(Stdio::null()).output().await.expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 4, "{message}");
    for (line, flag) in lines
        .iter()
        .zip(["--listen", "--database-url", "--egress-allow", "--lease"])
    {
        assert!(line.contains(flag), "{line}");
    }
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("the folder").count(),
        0,
        "nothing is written"
    );
}

#[tokio::test]
async fn the_planner_says_what_is_missing() {
    let mut command = Command::new(binary("baton-planner"));
    forget_configuration(&mut command);
    let output = command
        .arg("run")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    for part in ["--base-url", "--model", "BATON_PLANNER_API_KEY"] {
        assert_eq!(
            message.lines().filter(|line| line.contains(part)).count(),
            1,
            "{part} in {message}"
        );
    }
}

#[tokio::test]
async fn a_file_of_somebody_elses_is_refused() {
    let directory = TempDir::new().expect("a temporary folder");
    std::fs::write(
        directory.path().join("baton.db"),
        b"this is no database, and long enough to look at",
    )
    .expect("a file");
    let mut command = scheduler_command(directory.path());
    let output = command
        .args(["--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("the database does not open"), "{message}");
}

#[cfg(unix)]
#[tokio::test]
async fn too_few_open_files_for_the_calls_are_told() {
    const TOLD: &str = "fewer open files are allowed";
    for (limit, told) in [("-n 300", true), ("-S -n 300", false)] {
        let directory = TempDir::new().expect("a temporary folder");
        // What it cannot open ends it, after the limits are looked at.
        std::fs::write(directory.path().join("baton.db"), [b'x'; 100]).expect("a file");
        let mut command = Command::new("sh");
        forget_configuration(&mut command);
        command
            .args([
                "-c",
                &format!("ulimit {limit} && exec \"$0\" serve --listen 127.0.0.1:0"),
            ])
            .arg(binary("baton-scheduler"))
            .current_dir(directory.path());
        let output = command.stdin(Stdio::null()).output().await.expect("the shell starts");
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(message.contains(TOLD), told, "{limit}: {message}");
    }
}
