//! Manual runs into the queue, a batch in one transaction of sets of rows.
//!
//! Everything that is plainly new and allowed goes in here. The rest (an endpoint that is missing, foreign or archived, a
//! request id that is known) is answered by the general way, which has the words for it, after the batch is committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use baton_domain::{
    error::{Error, StoreError},
    ids::{Chance, EndpointId, JobId, UserId},
    ports::{Store, StoreResult, Topic},
    run::{LiveRun, Run},
    services::{StoreSubmissions, Submission, Submissions},
    time::Timestamp,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    columns::{Param, Written, by_width, insert_of, param},
    session::{Hot, Step, Work, clock, notify},
};
use crate::{
    entity::live_run, error::postgres_error, finishing::is_about_rows, mapping::runs::live_row, tx::unexpected,
};

/// Keeps the endpoints $1, as far as they are of one of the users $2, from being written or deleted, in id order as
/// everybody does. Claims and ends of runs do not write them, so they go on meanwhile. The ids are looked up one by one:
/// a join with them would be made the other way round, for the order's sake, and read every endpoint there is.
const KEEP: &str = "
SELECT e.id
  FROM job_endpoints e
 WHERE e.id = ANY($1)
   AND e.user_id = ANY($2)
 ORDER BY e.id
   FOR SHARE OF e";

/// The endpoints $1 of the users $2 that may run, each with its owner and job. A statement after [`KEEP`], so that it
/// sees what the one had to wait for.
const OPEN: &str = "
SELECT e.id, e.user_id, e.job_id
  FROM job_endpoints e
  JOIN UNNEST($1, $2) AS wanted (id, user_id) ON wanted.id = e.id AND wanted.user_id = e.user_id
  LEFT JOIN jobs j ON j.id = e.job_id
 WHERE e.status <> 'archived'
   AND j.status IS DISTINCT FROM 'archived'";

/// Adds the request keys that are not there, in one order for everybody; waits for another transaction that is just adding
/// one of them. Returns what those that were added stand for.
const CLAIM_KEYS: &str = "
INSERT INTO request_keys (user_id, method, request_id, digest, resource_id, created_at)
SELECT *
  FROM UNNEST($1, $2, $3, $4, $5, $6) AS wanted (user_id, method, request_id, digest, resource_id, created_at)
 ORDER BY user_id, method, request_id
    ON CONFLICT (user_id, method, request_id) DO NOTHING
RETURNING resource_id";

/// Queues manual runs by statements about sets of rows.
pub struct PostgresSubmissions {
    hot: Hot,
    general: StoreSubmissions,
    chance: Arc<dyn Chance>,
}

/// `None` for what is left to the general way.
type Answers = Vec<Option<Result<Run, Error>>>;

impl PostgresSubmissions {
    /// `hot` must be of the same database as `store`.
    pub fn new(hot: Hot, store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        let general = StoreSubmissions::new(store, Arc::clone(&chance));
        Self { hot, general, chance }
    }

    /// Halves a batch that fails for the sake of its rows until the one at fault stands alone.
    fn submit_batch(&self, batch: Vec<Submission>) -> BoxFuture<'_, Vec<Result<Run, Error>>> {
        async move {
            match self.submit_new(&batch).await {
                Ok(answers) => self.submit_rest(batch, answers).await,
                Err(error) if !is_about_rows(&error) => {
                    let reason = error.to_string();
                    let each = |_| Err(StoreError::Unavailable(reason.clone()).into());
                    batch.iter().map(each).collect()
                }
                Err(_) if batch.len() > 1 => {
                    let mut left = batch;
                    let right = left.split_off(left.len() / 2);
                    let mut answers = self.submit_batch(left).await;
                    answers.extend(self.submit_batch(right).await);
                    answers
                }
                Err(_) => self.general.submit(batch).await,
            }
        }
        .boxed()
    }

    async fn submit_new(&self, batch: &[Submission]) -> StoreResult<Answers> {
        let work = self.hot.work().await?;
        let Endpoints { now, open } = endpoints(&work, batch, self.hot.now()).await?;
        let mut answers: Answers = batch.iter().map(|_| None).collect();
        let mut rows: Vec<(usize, LiveRun)> = Vec::new();
        for (position, submission) in batch.iter().enumerate() {
            let Some(job) = open.get(&(submission.request.endpoint_id, submission.user.clone())) else {
                continue;
            };
            match submission.row(*job, now, self.chance.as_ref()) {
                Ok(row) => rows.push((position, row)),
                Err(error) => answers[position] = Some(Err(error)),
            }
        }
        let mut known = BTreeSet::new();
        for (position, error) in claim_keys(&work, batch, &rows, now, &mut known).await? {
            answers[position] = Some(Err(error));
        }
        rows.retain(|(position, row)| answers[*position].is_none() && !known.contains(&row.run.id.0));
        if rows.is_empty() {
            // Nothing is written: it ends as it began, and its connection goes back.
            work.all_and_commit(Vec::new()).await?;
            return Ok(answers);
        }
        let models: Vec<live_run::Model> = rows.iter().map(|(_, row)| live_row(row)).collect();
        let mut steps: Vec<Step> = by_width(models)
            .map(|(width, rows)| {
                Step::new(
                    insert_of::<live_run::Model>(width),
                    live_run::Model::arrays(rows, width),
                )
            })
            .collect();
        steps.push(notify(Topic::Queue));
        work.all_and_commit(steps).await?;
        self.hot.wake(Topic::Queue);
        for (position, row) in rows {
            answers[position] = Some(Ok(row.run));
        }
        Ok(answers)
    }

    async fn submit_rest(&self, batch: Vec<Submission>, answers: Answers) -> Vec<Result<Run, Error>> {
        let rest = batch.into_iter().zip(&answers);
        let rest: Vec<Submission> = rest
            .filter(|(_, answer)| answer.is_none())
            .map(|(submission, _)| submission)
            .collect();
        let mut general = if rest.is_empty() {
            Vec::new()
        } else {
            self.general.submit(rest).await
        }
        .into_iter();
        let missing = || Err(unexpected("an answer for each submission").into());
        answers
            .into_iter()
            .map(|answer| answer.or_else(|| general.next()).unwrap_or_else(missing))
            .collect()
    }
}

#[async_trait]
impl Submissions for PostgresSubmissions {
    #[tracing::instrument(skip_all, level = "debug")]
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<Run, Error>> {
        self.submit_batch(batch).await
    }
}

/// What a batch asks for, as it is now and stays until the transaction ends.
struct Endpoints {
    now: Timestamp,
    /// Those that may run, by id and owner, each with its job.
    open: BTreeMap<(EndpointId, UserId), Option<JobId>>,
}

async fn endpoints(work: &Work, batch: &[Submission], now: Option<Timestamp>) -> StoreResult<Endpoints> {
    let wanted: BTreeSet<(Uuid, &str)> = batch
        .iter()
        .map(|submission| (submission.request.endpoint_id.0, submission.user.0.as_str()))
        .collect();
    let of_wanted = |sql: &str| {
        let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| *id).collect();
        let users: Vec<String> = wanted.iter().map(|(_, user)| (*user).to_owned()).collect();
        let params = vec![param(ids, Type::UUID_ARRAY), param(users, Type::TEXT_ARRAY)];
        Step::new(sql, params)
    };
    let found: [Vec<Row>; 3] = work
        .all(vec![of_wanted(KEEP), clock(now), of_wanted(OPEN)])
        .await?
        .try_into()
        .map_err(|_| unexpected("as many answers as statements"))?;
    let [_, clock, open] = found;
    let clock = clock
        .first()
        .ok_or_else(|| unexpected("the database did not tell the time"))?;
    let read = || {
        let mut found = BTreeMap::new();
        for row in &open {
            let (endpoint, user) = (EndpointId(row.try_get("id")?), UserId(row.try_get("user_id")?));
            let job: Option<Uuid> = row.try_get("job_id")?;
            found.insert((endpoint, user), job.map(JobId));
        }
        Ok(Endpoints {
            now: clock.try_get("now")?,
            open: found,
        })
    };
    read().map_err(|error| postgres_error(&error))
}

/// Stores the keys of the rows whose requests name an id. Adds to `known` the rows that an earlier request stands for, and
/// returns what is wrong with a request id, by position.
async fn claim_keys(
    work: &Work,
    batch: &[Submission],
    rows: &[(usize, LiveRun)],
    now: Timestamp,
    known: &mut BTreeSet<Uuid>,
) -> StoreResult<Vec<(usize, Error)>> {
    let mut keys = Keys::default();
    let mut wrong = Vec::new();
    for (position, row) in rows {
        let submission = &batch[*position];
        match submission.key() {
            Ok(None) => {}
            Ok(Some(key)) => {
                keys.users.push(key.user_id.0);
                keys.methods.push(key.method.to_owned());
                keys.request_ids.push(key.request_id);
                keys.digests.push(key.digest);
                keys.resources.push(row.run.id.0);
            }
            Err(error) => wrong.push((*position, error)),
        }
    }
    if keys.resources.is_empty() {
        return Ok(wrong);
    }
    known.extend(&keys.resources);
    for row in work.one(Step::new(CLAIM_KEYS, keys.params(now))).await? {
        let added: Uuid = row.try_get("resource_id").map_err(|error| postgres_error(&error))?;
        known.remove(&added);
    }
    Ok(wrong)
}

/// Request keys, column by column.
#[derive(Default)]
struct Keys {
    users: Vec<String>,
    methods: Vec<String>,
    request_ids: Vec<String>,
    digests: Vec<String>,
    resources: Vec<Uuid>,
}

impl Keys {
    fn params(self, now: Timestamp) -> Vec<Param> {
        let times = vec![now; self.resources.len()];
        vec![
            param(self.users, Type::TEXT_ARRAY),
            param(self.methods, Type::TEXT_ARRAY),
            param(self.request_ids, Type::TEXT_ARRAY),
            param(self.digests, Type::TEXT_ARRAY),
            param(self.resources, Type::UUID_ARRAY),
            param(times, Type::TIMESTAMPTZ_ARRAY),
        ]
    }
}
