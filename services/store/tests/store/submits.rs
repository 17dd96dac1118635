//! Manual runs on PostgreSQL: a batch against who archives, against rows that cannot be written, and without a database.

use std::sync::Arc;

use baton_domain::{
    error::{Error, StoreError},
    fixtures::{SeededChance, TestClock, contract::World},
    ids::{EndpointId, UserId},
    limits::PlanLimits,
    ports::{Page, RunFilter, Store},
    run::RunStatus,
    services::{EndpointDraft, Idempotency, Purpose, RunRequest, Services, Submission, Submissions},
};
use baton_store::postgres::{
    pool,
    session::{Hot, Sessions},
    submit::PostgresSubmissions,
    tls::Target,
};
use futures_util::future::join;

use crate::databases::{OwnDatabase, hot, postgres_store};

fn user() -> UserId {
    UserId("ada".to_owned())
}

fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

fn wanted(endpoint_id: EndpointId) -> Submission {
    Submission {
        user: user(),
        request: RunRequest {
            endpoint_id,
            purpose: Purpose::Work,
            planned_at: None,
            trace_parent: None,
        },
        idempotency: once(),
    }
}

struct Both {
    services: Services,
    submissions: Arc<PostgresSubmissions>,
    _database: OwnDatabase,
}

async fn both() -> Both {
    let database = OwnDatabase::migrated().await;
    let clock = Arc::new(TestClock::at(World::start()));
    let store = postgres_store(&database, &clock).await;
    let hot = hot(&database, &store, Sessions::Own);
    let store: Arc<dyn Store> = Arc::new(store);
    let [submits, others] = [1, 2].map(|seed| Arc::new(SeededChance::new(seed)));
    Both {
        submissions: Arc::new(PostgresSubmissions::new(hot, Arc::clone(&store), submits)),
        services: Services::new(store, others, PlanLimits::default()),
        _database: database,
    }
}

impl Both {
    async fn endpoint(&self) -> EndpointId {
        let draft = EndpointDraft {
            name: "hook".to_owned(),
            method: "POST".to_owned(),
            url: "http://shop.example/hook".to_owned(),
            ..EndpointDraft::default()
        };
        let created = self.services.create_endpoint(&user(), None, &draft, &once()).await;
        created.expect("the endpoint is created").endpoint.id
    }
}

/// Whoever comes first: a run is refused, or cancelled with its endpoint, never left waiting on an archived one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_slips_past_an_archiving() {
    let both = both().await;
    let (mut refused, mut cancelled) = (0, 0);
    for _ in 0..40 {
        let endpoint = both.endpoint().await;
        let batch = vec![wanted(endpoint); 20];
        let owner = user();
        let (answers, archived) = join(
            both.submissions.submit(batch),
            both.services.archive_endpoint(&owner, endpoint),
        )
        .await;
        archived.expect("the endpoint is archived");
        refused += answers.iter().filter(|answer| answer.is_err()).count();
        let filter = RunFilter {
            endpoint_id: Some(endpoint),
            ..RunFilter::of_user(user())
        };
        let runs = both.services.list_runs(&filter, Page::first(100)).await;
        let runs = runs.expect("the runs can be read").items;
        assert_eq!(runs.len(), answers.iter().filter(|answer| answer.is_ok()).count());
        assert!(runs.iter().all(|run| run.status == RunStatus::Cancelled), "{runs:?}");
        cancelled += runs.len();
    }
    assert_eq!(refused + cancelled, 800);
}

/// PostgreSQL keeps no NUL in a text.
#[tokio::test]
async fn a_poison_submission_fails_alone() {
    let both = both().await;
    let endpoint = both.endpoint().await;
    let mut batch = vec![wanted(endpoint); 20];
    batch[7].request.trace_parent = Some("\0".to_owned());
    let answers = both.submissions.submit(batch).await;
    assert_eq!(answers.len(), 20);
    for (position, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_err(), position == 7, "{position}: {answer:?}");
    }
}

#[tokio::test]
async fn each_is_told_when_the_database_is_away() {
    let database = OwnDatabase::migrated().await;
    let store = postgres_store(&database, &Arc::new(TestClock::at(World::start()))).await;
    let target = Target::parse("postgres://baton@127.0.0.1:1/nowhere").expect("the URL is one");
    let pool = pool::open(&target, 1, Sessions::Own).expect("connections are made as needed");
    let hot = Hot::new(&store, pool, Sessions::Own);
    let submissions = PostgresSubmissions::new(hot, Arc::new(store), Arc::new(SeededChance::new(1)));
    let endpoint = EndpointId(sea_orm::prelude::Uuid::from_u128(1));
    let answers = submissions.submit(vec![wanted(endpoint); 3]).await;
    assert_eq!(answers.len(), 3);
    for answer in answers {
        assert!(
            matches!(answer, Err(Error::Store(StoreError::Unavailable(_)))),
            "{answer:?}"
        );
    }
}
