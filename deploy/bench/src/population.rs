//! What stands in a database before something is measured: endpoints of many users, and runs that are due.
//!
//! The first endpoint of each user comes in by the use case that everybody uses; on PostgreSQL the others are copies of
//! its rows, made by the server, as millions of them would otherwise take hours. Runs are submitted as callers submit them.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, anyhow, ensure};
use baton_domain::{
    ids::{Chance, EndpointId, UserId, uuid_at},
    limits::{self, PlanLimits},
    schedule::Schedule,
    services::{EndpointDraft, Idempotency, Purpose, RunRequest, Services, Submission},
    time::Timestamp,
};
use baton_runtime::clock::{SystemChance, SystemClock};
use baton_store::{Opened, Options};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::task::AbortOnDropHandle;

use crate::server::Database;

/// Runs that are submitted in one transaction, and transactions at once.
const BATCH: usize = 500;
const AT_ONCE: usize = 4;
/// What a caller's span would have left.
const TRACE_PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Which endpoints stand in the database.
#[derive(Debug, Clone)]
pub struct Population {
    pub users: usize,
    pub endpoints: usize,
    /// What each of them calls.
    pub url: String,
    /// `None` runs only when told.
    pub interval: Option<Duration>,
}

/// An endpoint and its owner.
pub type Owned = (EndpointId, UserId);

/// A store as a scheduler opens it, hearing what others commit.
pub struct Open {
    pub opened: Opened,
    _listening: Option<AbortOnDropHandle<()>>,
}

/// Opens a store, its history arranged as every scheduler does at its start.
pub async fn open(url: &str) -> Result<Open> {
    let mut opened = baton_store::open(url, &Options::new(Arc::new(SystemClock), chance())).await?;
    let listener = opened.listener.take();
    let kept = services(&opened).retain(limits::RETENTION_DEFAULT).await;
    kept.map_err(|error| anyhow!("{error}"))?;
    Ok(Open {
        opened,
        _listening: listener.map(|listener| AbortOnDropHandle::new(tokio::spawn(listener))),
    })
}

pub fn chance() -> Arc<dyn Chance> {
    Arc::new(SystemChance)
}

/// The use cases, as the API has them.
pub(crate) fn services(opened: &Opened) -> Services {
    Services::new(Arc::clone(&opened.store), chance(), PlanLimits::default())
}

impl Population {
    /// Dormant endpoints.
    pub fn dormant(users: usize, endpoints: usize) -> Self {
        Self {
            users,
            endpoints,
            url: "http://127.0.0.1:9/".to_owned(),
            interval: None,
        }
    }

    /// The first endpoint of each user.
    async fn first_of_each(&self, opened: &Opened) -> Result<Vec<Schedule>> {
        let services = services(opened);
        let draft = EndpointDraft {
            name: "endpoint".to_owned(),
            method: "POST".to_owned(),
            url: self.url.clone(),
            interval: self.interval,
            ..EndpointDraft::default()
        };
        let create = |number: usize| {
            let (services, draft) = (&services, &draft);
            async move {
                let user = user(number, self.users);
                let made = services.create_endpoint(&user, None, draft, &no_key()).await;
                made.map_err(|error| anyhow!("{error}"))
            }
        };
        stream::iter((0..self.users).map(create))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// By the port alone: for SQLite.
    pub async fn insert(&self, opened: &Opened) -> Result<Vec<Owned>> {
        let first = self.first_of_each(opened).await?;
        let mut owned: Vec<Owned> = first.iter().map(owned_by).collect();
        let mut tx = opened.store.begin().await?;
        for number in first.len()..self.endpoints {
            let mut schedule = first[number % first.len()].clone();
            schedule.endpoint.id = EndpointId(uuid_at(schedule.endpoint.created_at, &SystemChance));
            schedule.changes.clear();
            tx.insert_schedule(&schedule).await?;
            owned.push(owned_by(&schedule));
        }
        tx.commit().await?;
        Ok(owned)
    }

    /// By copies: for PostgreSQL. With an interval, the plan row of endpoint number n is due at `first_due` and
    /// n × `apart` later.
    pub async fn copy(
        &self,
        database: &Database,
        opened: &Opened,
        first_due: Timestamp,
        apart: Duration,
    ) -> Result<Vec<Owned>> {
        self.first_of_each(opened).await?;
        self.grow(database, self.users, first_due, apart).await
    }

    /// The same, where as many as `there` are of the same users already.
    pub async fn grow(
        &self,
        database: &Database,
        there: usize,
        first_due: Timestamp,
        apart: Duration,
    ) -> Result<Vec<Owned>> {
        let more = self.endpoints.saturating_sub(there);
        let client = database.connect().await?;
        client.batch_execute("SET synchronous_commit = off").await?;
        client.batch_execute(&self.copies(more, first_due, apart)).await?;
        let rows = client
            .query("SELECT id, user_id FROM job_endpoints ORDER BY id", &[])
            .await?;
        let owned: Result<Vec<Owned>, tokio_postgres::Error> = rows
            .iter()
            .map(|row| Ok((EndpointId(row.try_get(0)?), UserId(row.try_get(1)?))))
            .collect();
        let owned = owned?;
        ensure!(
            owned.len() == self.endpoints,
            "{} of {} endpoints",
            owned.len(),
            self.endpoints
        );
        Ok(owned)
    }

    fn copies(&self, more: usize, first_due: Timestamp, apart: Duration) -> String {
        let (due, apart) = (first_due.to_rfc3339(), apart.as_micros());
        // The time in the ids goes up, as it would have.
        let id = |millis: &str| {
            format!(
                "(LPAD(TO_HEX({millis}), 12, '0') || '7' || SUBSTR(MD5(RANDOM()::text), 1, 3)
                  || '8' || SUBSTR(MD5(RANDOM()::text), 1, 15))::uuid"
            )
        };
        let (endpoint_id, run_id) = (
            id("(EXTRACT(EPOCH FROM CLOCK_TIMESTAMP()) * 1000)::bigint"),
            id("(EXTRACT(EPOCH FROM due) * 1000)::bigint"),
        );
        format!(
            "CREATE TEMP TABLE copies AS
             WITH first AS (SELECT id, ROW_NUMBER() OVER (ORDER BY id) - 1 AS place FROM job_endpoints),
                  numbered AS (SELECT n, '{due}'::timestamptz + n * {apart}::bigint * INTERVAL '1 microsecond' AS due
                                 FROM GENERATE_SERIES(1, {more}) n)
             SELECT f.id AS template, due, {endpoint_id} AS id, {run_id} AS run_id
               FROM numbered JOIN first f ON f.place = n % {users};
             ANALYZE copies;
             INSERT INTO job_endpoints
             SELECT r.* FROM copies c JOIN job_endpoints e ON e.id = c.template,
                    LATERAL JSONB_POPULATE_RECORD(e, JSONB_BUILD_OBJECT('id', c.id)) r;
             INSERT INTO endpoint_state
             SELECT r.* FROM copies c JOIN endpoint_state s ON s.endpoint_id = c.template
                    JOIN job_endpoints e ON e.id = c.template,
                    LATERAL JSONB_POPULATE_RECORD(s, JSONB_BUILD_OBJECT('endpoint_id', c.id) || COALESCE(
                        JSONB_BUILD_OBJECT('anchor_at', c.due - e.interval_us * INTERVAL '1 microsecond',
                                           'cursor_at', c.due - e.interval_us * INTERVAL '1 microsecond',
                                           'changed_at', c.due - e.interval_us * INTERVAL '1 microsecond'), '{{}}')) r
              WHERE e.interval_us IS NOT NULL
              UNION ALL
             SELECT r.* FROM copies c JOIN endpoint_state s ON s.endpoint_id = c.template
                    JOIN job_endpoints e ON e.id = c.template,
                    LATERAL JSONB_POPULATE_RECORD(s, JSONB_BUILD_OBJECT('endpoint_id', c.id)) r
              WHERE e.interval_us IS NULL;
             INSERT INTO live_runs
             SELECT r.* FROM copies c JOIN live_runs p ON p.endpoint_id = c.template,
                    LATERAL JSONB_POPULATE_RECORD(p, JSONB_BUILD_OBJECT(
                        'id', c.run_id, 'endpoint_id', c.id, 'planned_at', c.due, 'due_at', c.due)) r;
             ANALYZE;",
            users = self.users,
        )
    }
}

/// Submits that many runs, over the endpoints by turns. The first is planned for `from`, the others each `apart` later;
/// what has passed is due at once.
pub async fn submit(
    opened: &Opened,
    endpoints: &[Owned],
    count: usize,
    from: Timestamp,
    apart: Duration,
) -> Result<()> {
    let batch = |start: usize| {
        let submissions = (start..count.min(start + BATCH)).map(|number| {
            let (endpoint_id, user) = endpoints[number % endpoints.len()].clone();
            let later = apart.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
            Submission {
                user,
                request: RunRequest {
                    endpoint_id,
                    purpose: Purpose::Work,
                    planned_at: Some(baton_domain::time::after(from, later)),
                    trace_parent: Some(TRACE_PARENT.to_owned()),
                },
                idempotency: no_key(),
            }
        });
        let submissions: Vec<Submission> = submissions.collect();
        async move {
            for answer in opened.submissions.submit(submissions).await {
                answer.map_err(|error| anyhow!("{error}"))?;
            }
            anyhow::Ok(())
        }
    };
    let batches = stream::iter((0..count).step_by(BATCH).map(batch)).buffer_unordered(AT_ONCE);
    batches.try_collect().await
}

fn owned_by(schedule: &Schedule) -> Owned {
    (schedule.endpoint.id, schedule.endpoint.user_id.clone())
}

/// With a single one it is the user that callers of the API are.
fn user(number: usize, of: usize) -> UserId {
    UserId(if of == 1 {
        "local".to_owned()
    } else {
        format!("user-{number}")
    })
}

/// A request that nobody repeats.
pub(crate) fn no_key() -> Idempotency {
    Idempotency {
        method: "SubmitRun",
        request_id: String::new(),
        digest: String::new(),
    }
}
