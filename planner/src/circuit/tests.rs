//! The circuit's transitions, on instants that are made up.

use super::*;

const CONFIG: Config = Config {
    threshold: 3,
    first_pause: Duration::from_secs(10),
    max_pause: Duration::from_secs(35),
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn opened_at(now: Instant) -> Circuit {
    let mut circuit = Circuit::new(CONFIG);
    assert_eq!(circuit.failed(Failure::Ordinary, now), Change::None);
    assert_eq!(circuit.failed(Failure::Ordinary, now), Change::None);
    assert_eq!(circuit.failed(Failure::Ordinary, now), Change::Opened(seconds(10)));
    circuit
}

#[test]
fn opens_after_failures_in_a_row_and_says_until_when() {
    let now = Instant::now();
    let mut circuit = opened_at(now);
    assert_eq!(circuit.begin(now), Permit::NotUntil(now + seconds(10)));
}

#[test]
fn a_success_between_failures_keeps_it_closed() {
    let now = Instant::now();
    let mut circuit = Circuit::new(CONFIG);
    for _ in 0..10 {
        circuit.failed(Failure::Ordinary, now);
        circuit.failed(Failure::Ordinary, now);
        assert_eq!(circuit.succeeded(), Change::None);
    }
    assert_eq!(circuit.begin(now), Permit::Granted);
}

#[test]
fn lets_exactly_one_ask_try_after_the_pause() {
    let now = Instant::now();
    let mut circuit = opened_at(now);
    let later = now + seconds(10);
    assert_eq!(circuit.begin(later), Permit::Granted);
    assert_eq!(circuit.begin(later), Permit::AfterProbe);
    assert_eq!(circuit.succeeded(), Change::Closed);
    assert_eq!(circuit.begin(later), Permit::Granted);
    assert_eq!(circuit.begin(later), Permit::Granted);
}

#[test]
fn the_pause_doubles_with_every_failed_try_up_to_the_cap() {
    let mut now = Instant::now();
    let mut circuit = opened_at(now);
    for pause in [20, 35, 35] {
        now += seconds(40);
        assert_eq!(circuit.begin(now), Permit::Granted);
        assert_eq!(circuit.failed(Failure::Ordinary, now), Change::Opened(seconds(pause)));
    }
}

#[test]
fn the_pause_starts_small_again_after_a_success() {
    let now = Instant::now();
    let mut circuit = opened_at(now);
    circuit.begin(now + seconds(10));
    circuit.succeeded();
    circuit.failed(Failure::Ordinary, now);
    circuit.failed(Failure::Ordinary, now);
    assert_eq!(circuit.failed(Failure::Ordinary, now), Change::Opened(seconds(10)));
}

#[test]
fn a_try_that_did_not_reach_the_model_leaves_room_for_another() {
    let now = Instant::now();
    let mut circuit = opened_at(now);
    let later = now + seconds(10);
    circuit.begin(later);
    circuit.unused(later);
    assert_eq!(circuit.begin(later), Permit::Granted);
    assert_eq!(circuit.begin(later), Permit::AfterProbe);
}

#[test]
fn a_wrong_key_opens_at_once() {
    let now = Instant::now();
    let mut circuit = Circuit::new(CONFIG);
    assert_eq!(circuit.failed(Failure::Lasting, now), Change::Opened(seconds(10)));
}

#[test]
fn the_servers_own_pause_is_honoured_up_to_the_cap() {
    let now = Instant::now();
    let mut circuit = Circuit::new(CONFIG);
    assert_eq!(
        circuit.failed(Failure::HoldFor(seconds(25)), now),
        Change::Opened(seconds(25))
    );
    let mut circuit = Circuit::new(CONFIG);
    assert_eq!(
        circuit.failed(Failure::HoldFor(seconds(9_999)), now),
        Change::Opened(seconds(35))
    );
}

#[test]
fn a_late_failure_of_an_earlier_ask_neither_shortens_nor_doubles_the_pause() {
    let now = Instant::now();
    let mut circuit = opened_at(now);
    assert_eq!(circuit.failed(Failure::Ordinary, now + seconds(5)), Change::None);
    assert_eq!(circuit.begin(now + seconds(9)), Permit::NotUntil(now + seconds(10)));
    assert_eq!(circuit.begin(now + seconds(10)), Permit::Granted);
}
