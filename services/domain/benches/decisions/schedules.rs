//! Endpoints as their use case makes them, and with hints.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    fixtures::{MemoryStore, SeededChance, TestClock, contract::World},
    hint::{Author, Hint, Instruction},
    ids::{HintId, UserId},
    limits::PlanLimits,
    schedule::Schedule,
    services::{EndpointDraft, Idempotency, Services},
    time::after,
};
use uuid::Uuid;

/// Use cases over an empty store in memory.
pub fn services() -> Services {
    let clock = Arc::new(TestClock::at(World::start()));
    let store = Arc::new(MemoryStore::new(clock));
    Services::new(store, Arc::new(SeededChance::new(1)), PlanLimits::default())
}

pub fn user() -> UserId {
    UserId("ada".to_owned())
}

/// A request that nobody repeats.
pub fn once() -> Idempotency {
    Idempotency {
        method: "Bench",
        request_id: String::new(),
        digest: String::new(),
    }
}

pub fn draft() -> EndpointDraft {
    EndpointDraft {
        name: "restock".to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/restock".to_owned(),
        ..EndpointDraft::default()
    }
}

/// One of each kind of cadence, by name.
pub fn all() -> [(&'static str, Schedule); 3] {
    let minutely = EndpointDraft {
        interval: Some(Duration::from_secs(60)),
        ..draft()
    };
    let cron = EndpointDraft {
        cron: Some(("*/15 9-17 * * MON-FRI".to_owned(), "Europe/Berlin".to_owned())),
        ..draft()
    };
    let mut hinted = schedule(&minutely);
    hinted.hints = vec![
        hint(&hinted, 1, Instruction::Interval(Duration::from_secs(20))),
        hint(
            &hinted,
            2,
            Instruction::OneShot(after(World::start(), Duration::from_secs(10))),
        ),
    ];
    [
        ("interval", schedule(&minutely)),
        ("cron", schedule(&cron)),
        ("interval-with-hints", hinted),
    ]
}

fn schedule(draft: &EndpointDraft) -> Schedule {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let created = runtime.block_on(services().create_endpoint(&user(), None, draft, &once()));
    created.expect("the endpoint is created")
}

fn hint(schedule: &Schedule, number: u128, instruction: Instruction) -> Hint {
    Hint {
        id: HintId(Uuid::from_u128(number)),
        endpoint_id: schedule.endpoint.id,
        author: Author::Planner,
        instruction,
        written_at: World::start(),
        expires_at: after(World::start(), Duration::from_secs(3_600)),
        reason: "visitors surge".to_owned(),
        plan_id: None,
        held: false,
    }
}
