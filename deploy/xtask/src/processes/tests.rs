use super::*;
use std::io::Read;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn run_names_the_command_that_failed() {
    let processes = Processes::default();
    processes.run(&mut shell("exit 0")).expect("succeeds");
    let error = processes.run(&mut shell("exit 3")).expect_err("fails");
    assert_eq!(error.to_string(), "`sh -c exit 3` ended with exit status: 3");
}

#[test]
fn output_keeps_both_streams_apart() {
    let output = Processes::default()
        .output(&mut shell("echo out; echo err >&2; exit 4"))
        .expect("runs");
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn tee_shows_the_observer_everything_and_ends_with_the_leader() {
    let mut seen = Vec::new();
    // The background process holds stdout open far longer than any test runs.
    let script = "echo one; sleep 600 & echo two";
    let status = Processes::default()
        .tee(&mut shell(script), |piece| seen.extend_from_slice(piece))
        .expect("runs");
    assert!(status.success());
    assert_eq!(seen, b"one\ntwo\n");
}

#[test]
fn a_signal_ends_the_whole_group_and_refuses_new_children() {
    let processes = Processes::default();
    let mut running = processes
        .spawn(shell("sleep 600 & echo ready; wait").stdout(Stdio::piped()))
        .expect("starts");
    let mut stdout = running.take_stdout().expect("piped");
    let mut ready = [0; 6];
    stdout
        .read_exact(&mut ready)
        .expect("the script says that its child is there");

    processes.interrupt(SIGTERM);

    // End of file comes only once the background process is gone as well.
    stdout.read_to_end(&mut Vec::new()).expect("the pipe closes");
    assert!(!running.wait().expect("ends").success());
    assert_eq!(processes.interrupted_by(), Some(15));
    assert!(processes.spawn(&mut shell("exit 0")).is_err());
}

#[test]
fn a_second_signal_kills_what_ignores_the_first() {
    let processes = Processes::default();
    let script = "trap '' INT TERM; echo ready; while :; do sleep 600; done";
    let mut running = processes.spawn(shell(script).stdout(Stdio::piped())).expect("starts");
    let mut stdout = running.take_stdout().expect("piped");
    stdout.read_exact(&mut [0; 6]).expect("the trap is set");

    processes.interrupt(SIGINT);
    processes.interrupt(SIGINT);

    use std::os::unix::process::ExitStatusExt;
    assert_eq!(running.wait().expect("ends").signal(), Some(9));
    assert_eq!(processes.interrupted_by(), Some(2), "the first one counts");
}

#[test]
fn dropping_ends_the_child() {
    let processes = Processes::default();
    let mut running = processes
        .spawn(shell("echo ready; exec sleep 600").stdout(Stdio::piped()))
        .expect("starts");
    let mut stdout = running.take_stdout().expect("piped");
    stdout.read_exact(&mut [0; 6]).expect("it runs");
    drop(running);
    assert_eq!(stdout.read_to_end(&mut Vec::new()).expect("the pipe closes"), 0);
    assert!(processes.state().groups.is_empty());
}

#[test]
fn terminate_gives_the_exit_status() {
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut running = Processes::default()
        .spawn(shell(script).stdout(Stdio::piped()))
        .expect("starts");
    running
        .take_stdout()
        .expect("piped")
        .read_exact(&mut [0; 6])
        .expect("the trap is set");
    assert_eq!(running.terminate().expect("ends").code(), Some(7));
}
