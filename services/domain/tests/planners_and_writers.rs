//! Planners beside those who write: what is refused begins no transaction that writes, and whoever is overtaken between its
//! look and its lock is judged again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use baton_domain::{
    error::Error,
    fixtures::{MemoryStore, SeededChance, TestClock},
    ids::{JobId, UserId},
    limits::PlanLimits,
    plan::ModelCall,
    ports::{Store, StoreResult, Topic, Tx},
    services::{Answer, Begun, Idempotency, SaleDraft, Services},
    time::{Clock as _, Timestamp, after, from_micros},
};
use futures_core::{future::BoxFuture, stream::BoxStream};

/// Counts transactions that write, and lets something else happen before the next one.
struct Watched {
    inner: MemoryStore,
    writes: AtomicUsize,
    before_next: Mutex<Option<BoxFuture<'static, ()>>>,
}

#[async_trait]
impl Store for Watched {
    async fn begin(&self) -> StoreResult<Box<dyn Tx>> {
        let before = self.before_next.lock().expect("not poisoned").take();
        if let Some(before) = before {
            before.await;
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.begin().await
    }

    async fn read(&self) -> StoreResult<Box<dyn Tx>> {
        self.inner.read().await
    }

    fn wakes(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.inner.wakes(topic)
    }

    async fn check(&self) -> StoreResult<()> {
        self.inner.check().await
    }

    async fn arrange_history(&self, kept_from: Timestamp) -> StoreResult<u64> {
        self.inner.arrange_history(kept_from).await
    }
}

/// A job whose sale is on.
struct Stage {
    store: Arc<Watched>,
    services: Services,
    user: UserId,
    job: JobId,
}

impl Stage {
    async fn set() -> Self {
        let clock = Arc::new(TestClock::at(from_micros(1_800_000_000_000_000)));
        let store = Arc::new(Watched {
            inner: MemoryStore::new(clock.clone()),
            writes: AtomicUsize::new(0),
            before_next: Mutex::default(),
        });
        let chance = Arc::new(SeededChance::new(7));
        let services = Services::new(store.clone(), chance, PlanLimits::default());
        let user = UserId("ada".to_owned());
        let job = services.create_job(&user, "shop", "as it was", &once()).await;
        let job = job.expect("job is created").id;
        let sale = SaleDraft {
            name: "sale".to_owned(),
            starts_at: clock.now(),
            ends_at: after(clock.now(), Duration::from_secs(3_600)),
            job_ids: vec![job],
            description: String::new(),
            phase: String::new(),
            signals: BTreeMap::new(),
            unreadable: Vec::new(),
        };
        services
            .create_sale(&user, sale, &once())
            .await
            .expect("sale is created");
        Self {
            store,
            services,
            user,
            job,
        }
    }

    async fn begin(&self, planner: &str) -> Result<Begun, Error> {
        self.services.begin_plan(&self.user, self.job, planner).await
    }

    fn writes(&self) -> usize {
        self.store.writes.load(Ordering::SeqCst)
    }

    /// Before the next transaction that writes.
    fn before_next(&self, happens: impl Future<Output = ()> + Send + 'static) {
        *self.store.before_next.lock().expect("not poisoned") = Some(Box::pin(happens));
    }
}

fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

fn nothing_to_do(begun: &Begun) -> Answer {
    Answer {
        definition_revision: begun.plan.definition_revision,
        steps: Vec::new(),
        hints: Vec::new(),
        rationale: String::new(),
        review_after: Duration::from_secs(120),
        call: ModelCall::default(),
        trace_parent: None,
    }
}

fn reason<T: std::fmt::Debug>(refused: Result<T, Error>) -> &'static str {
    match refused {
        Err(Error::Aborted { reason, .. } | Error::Precondition { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_refused_begins_no_transaction_that_writes() {
    let stage = Stage::set().await;
    let (services, user) = (&stage.services, &stage.user);
    let begun = stage.begin("one").await.expect("the sale has started");
    let id = begun.plan.id;
    let before = stage.writes();
    assert_eq!(reason(stage.begin("two").await), "PLAN_LEASE_HELD");
    assert_eq!(reason(services.advance_plan(user, id, 1, None).await), "PLAN_STATE");
    assert_eq!(stage.writes(), before);

    let answer = nothing_to_do(&begun);
    services.submit_plan(user, id, answer.clone()).await.expect("is taken");
    let before = stage.writes();
    services.submit_plan(user, id, answer).await.expect("is known");
    services.advance_plan(user, id, 0, None).await.expect("is done");
    assert_eq!(reason(stage.begin("two").await), "ASK_NOT_DUE");
    assert_eq!(stage.writes(), before);
}

#[tokio::test]
async fn of_two_that_found_the_job_free_one_gets_it() {
    let stage = Arc::new(Stage::set().await);
    let faster = Arc::clone(&stage);
    stage.before_next(async move {
        faster.begin("two").await.expect("is first");
    });
    let refused = stage.begin("one").await;
    let Err(Error::Aborted {
        reason: "PLAN_LEASE_HELD",
        details,
        ..
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert!(details.contains(&("planner", "two".to_owned())), "{details:?}");
}

#[tokio::test]
async fn what_changes_between_the_look_and_the_lock_is_in_the_context() {
    let stage = Stage::set().await;
    let (services, user, job) = (stage.services.clone(), stage.user.clone(), stage.job);
    stage.before_next(async move {
        let changed = services.update_job(&user, job, None, None, Some("as it is now")).await;
        changed.expect("is changed");
    });
    let begun = stage.begin("one").await.expect("the sale has started");
    assert_eq!(begun.context.job.description, "as it is now");
    assert!(begun.plan.context.contains("as it is now"));
    let answer = nothing_to_do(&begun);
    let taken = stage.services.submit_plan(&stage.user, begun.plan.id, answer).await;
    taken.expect("the definition is the one that was seen");
}
