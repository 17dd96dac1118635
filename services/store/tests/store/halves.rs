//! Claims in two halves on PostgreSQL: where much is due in many lanes, nothing is lost, doubled or left behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use baton_domain::{
    fixtures::SeededChance,
    ids::{EndpointId, RunId, UserId},
    run::lane_of,
    services::{Claim, Claims, Queue as _, Services},
};
use baton_store::{
    postgres::{self, queue::PostgresQueue, session::Sessions},
    store::DbClock,
};
use futures_util::future::join_all;

use crate::{
    databases::{OwnDatabase, hot},
    looks::serve,
    polling::{endpoint, submit_to},
};

const USERS: usize = 30;
const EACH: usize = 12;
const LIMIT: usize = 90;

fn claim(owner: &str) -> Claim {
    Claim {
        owner: owner.to_owned(),
        lease: Duration::from_secs(15),
        limit: LIMIT,
        host_concurrency: None,
        as_of: None,
    }
}

/// A run on each of many endpoints of many users, all due.
async fn crowd(services: &Services) -> BTreeMap<RunId, UserId> {
    let users = (0..USERS).map(|number| UserId(format!("user-{number}")));
    let submitted = users.map(|user| async move {
        let mut runs = Vec::new();
        for _ in 0..EACH {
            let endpoint: EndpointId = endpoint(services, &user).await;
            runs.push((submit_to(services, &user, endpoint).await, user.clone()));
        }
        runs
    });
    let runs: BTreeMap<RunId, UserId> = join_all(submitted).await.into_iter().flatten().collect();
    let lanes: BTreeSet<u8> = runs.values().map(lane_of).collect();
    let odd = lanes.iter().filter(|lane| *lane % 2 == 1).count();
    assert!(odd >= 4 && lanes.len() - odd >= 4, "{lanes:?}");
    runs
}

fn ids(claims: &Claims) -> Vec<RunId> {
    claims.runs.iter().map(|claimed| claimed.run.id).collect()
}

#[tokio::test]
async fn a_crowd_is_claimed_to_the_last_run_and_each_once() {
    for sessions in [Sessions::Pooled, Sessions::Own] {
        let database = OwnDatabase::migrated().await;
        let (services, _) = serve(&database).await;
        let waiting = crowd(&services).await;
        let store = postgres::connect(&database.url(), DbClock::Database, 1, sessions).await;
        let store = store.expect("a migrated database opens");
        let hot = hot(&database, &store, sessions);
        let queue = PostgresQueue::new(hot, Arc::new(store), Arc::new(SeededChance::new(1)));
        let mut taken = Vec::new();
        for number in 1.. {
            let claims = queue.claim_due(&claim("engine")).await.expect("the store is up");
            let lanes: Vec<u8> = claims
                .runs
                .iter()
                .map(|claimed| lane_of(&claimed.run.user_id))
                .collect();
            let all: BTreeSet<&u8> = lanes.iter().collect();
            let first: BTreeSet<&u8> = lanes.iter().take(all.len()).collect();
            assert!(number > 1 || first == all, "one of each lane first: {lanes:?}");
            taken.extend(ids(&claims));
            if claims.runs.len() < LIMIT {
                break;
            }
            // The first has seen all lanes, each later one has what is the part of either half.
            let odd = claims
                .runs
                .iter()
                .filter(|claimed| lane_of(&claimed.run.user_id) % 2 == 1);
            assert!(number == 1 || odd.count() == LIMIT / 2, "claim {number}");
            assert!(claims.more);
        }
        for _ in 0..3 {
            taken.extend(ids(&queue.claim_due(&claim("engine")).await.expect("the store is up")));
        }
        let once: BTreeSet<RunId> = taken.iter().copied().collect();
        let all = waiting.into_keys().collect();
        assert_eq!((taken.len(), &once), (once.len(), &all), "{sessions:?}");
    }
}

#[tokio::test]
async fn schedulers_that_claim_in_halves_take_no_run_twice() {
    let database = OwnDatabase::migrated().await;
    let (services, one) = serve(&database).await;
    let (_, other) = serve(&database).await;
    let waiting = crowd(&services).await;
    let mut taken = Vec::new();
    let (ours, theirs) = (claim("one"), claim("other"));
    // Each may find held by the other what it looks at.
    for _ in 0..waiting.len() {
        let claims = [one.claim_due(&ours), other.claim_due(&theirs)];
        for claims in join_all(claims).await {
            taken.extend(ids(&claims.expect("the store is up")));
        }
        if taken.len() >= waiting.len() {
            break;
        }
    }
    let once: BTreeSet<RunId> = taken.iter().copied().collect();
    assert_eq!((taken.len(), &once), (waiting.len(), &waiting.into_keys().collect()));
}
