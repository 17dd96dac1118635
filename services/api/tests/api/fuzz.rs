//! Every RPC of the package under random requests: nothing panics, nothing is answered with INTERNAL, every refusal says
//! what is wrong with which field, and what is refused has written nothing.
//!
//! The RPCs and the shapes of their requests come from the descriptors, so a new RPC is fuzzed as soon as it exists. It
//! also has to be *reached*: one of which no request is ever accepted, or none refused, fails until `values` knows what
//! its fields may hold and `stage` has what it needs.
//!
//! How to read it: `values` is what a field may hold, `messages` makes requests of that, `stage` is a served world with
//! something of everything, `call` sends requests that are known by their descriptor only, `judge` holds the answers to
//! the promises, `tally` counts them.
//!
//! `BATON_FUZZ_CASES` sets the requests an RPC (default 200, the long mode has 20 000), `BATON_FUZZ_SEED` another
//! sequence of them, `BATON_FUZZ_ONLY` one RPC.

pub mod call;
mod judge;
mod messages;
mod stage;
mod tally;
mod values;

use std::cell::RefCell;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use messages::{Requests, Sent};
use stage::Stage;
use tally::Tally;

/// Requests on one stage before a fresh one: what was written slows the in-memory store down.
const CASES_ON_A_STAGE: usize = 400;
const MESSAGES_OF_A_STREAM: usize = 6;

#[test]
fn jobs_service_withstands_any_request() {
    fuzz("baton.v1.JobsService");
}

#[test]
fn runs_service_withstands_any_request() {
    fuzz("baton.v1.RunsService");
}

#[test]
fn flash_sales_service_withstands_any_request() {
    fuzz("baton.v1.FlashSalesService");
}

#[test]
fn plans_service_withstands_any_request() {
    fuzz("baton.v1.PlansService");
}

#[test]
fn every_service_of_the_package_has_its_test() {
    let mut services: Vec<String> = pool()
        .services()
        .map(|service| service.full_name().to_owned())
        .collect();
    services.sort();
    assert_eq!(
        services,
        ["FlashSalesService", "JobsService", "PlansService", "RunsService"].map(|name| format!("baton.v1.{name}"))
    );
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(baton_proto::FILE_DESCRIPTOR_SET).expect("descriptors are readable")
}

/// The RPC of this name.
pub fn method(name: &str) -> MethodDescriptor {
    let services: Vec<ServiceDescriptor> = pool().services().collect();
    let mut all = services.iter().flat_map(ServiceDescriptor::methods);
    let found = all.find(|method| method.name() == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn fuzz(service: &str) {
    let pool = pool();
    let service: ServiceDescriptor = pool
        .services()
        .find(|found| found.full_name() == service)
        .expect("a service of the package");
    let only = std::env::var("BATON_FUZZ_ONLY").ok();
    let chosen = |method: &MethodDescriptor| only.as_deref().is_none_or(|only| only == method.name());
    for method in service.methods().filter(chosen) {
        let tally = fuzz_method(&method);
        println!("{tally}");
        tally.check();
    }
}

/// Sends the requests of one RPC; the first that breaks a promise is made as small as it goes and shown.
fn fuzz_method(method: &MethodDescriptor) -> Tally {
    let config = Config {
        cases: u32::try_from(setting("BATON_FUZZ_CASES", 200)).expect("fewer than 2^32 cases"),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(setting("BATON_FUZZ_SEED", 1)),
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let theatre = RefCell::new(Theatre::open(method));
    let requests = theatre.borrow().requests(method);
    let outcome = TestRunner::new(config).run(&requests, |messages| theatre.borrow_mut().play(messages));
    if let Err(broken) = outcome {
        panic!("{}: {broken}", method.full_name());
    }
    theatre.into_inner().tally
}

/// A stage that is replaced from time to time.
struct Theatre {
    method: MethodDescriptor,
    stage: Stage,
    left: usize,
    tally: Tally,
}

impl Theatre {
    fn open(method: &MethodDescriptor) -> Self {
        Self {
            method: method.clone(),
            stage: Stage::set(),
            left: CASES_ON_A_STAGE,
            tally: Tally::of(method),
        }
    }

    /// One message, or several for an RPC that takes a stream.
    fn requests(&self, method: &MethodDescriptor) -> BoxedStrategy<Vec<Sent>> {
        let one = Requests::new(self.stage.properties.clone()).of(&method.input());
        if method.is_client_streaming() {
            vec(one, 0..MESSAGES_OF_A_STREAM).boxed()
        } else {
            vec(one, 1).boxed()
        }
    }

    fn play(&mut self, messages: Vec<Sent>) -> Result<(), TestCaseError> {
        if self.left == 0 {
            let fresh = Stage::set();
            assert_eq!(fresh.properties, self.stage.properties, "a stage is always set alike");
            (self.stage, self.left) = (fresh, CASES_ON_A_STAGE);
        }
        self.left -= 1;
        let seen = self.stage.send(&self.method, &messages);
        self.tally.count(&seen.answer);
        judge::judge(&self.method, &messages, &seen).map_err(|broken| {
            // What made it fail may also have left something behind.
            self.left = 0;
            TestCaseError::fail(broken)
        })
    }
}
