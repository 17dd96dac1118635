//! Ends of runs by a fast way that may leave some out or fail as a whole, and by the general one.

use std::fmt::Display;

use async_trait::async_trait;
use baton_domain::{
    error::{Error, StoreError},
    schedule::{FinishedRun, Settled},
    services::{Queue as _, StoreQueue},
};
use futures_util::{FutureExt as _, future::BoxFuture};

use crate::{hot::Answers, tx::unexpected};

/// How often a single report is tried that loses to another transaction each time.
const TRIES: u32 = 3;

/// A database's own way of recording ends.
#[async_trait]
pub(crate) trait Fast: Send + Sync {
    /// Records what it can in one transaction. Fails as a whole.
    async fn finish(&self, reports: &[FinishedRun]) -> Result<Answers, StoreError>;
}

/// Both ways.
pub(crate) struct Finishing<'a> {
    pub fast: &'a dyn Fast,
    pub general: &'a StoreQueue,
}

impl Finishing<'_> {
    /// Answers each report. What fails for the sake of its rows is halved until the one at fault stands alone; a database
    /// that is away fails the whole, and whoever reports tries again: what was recorded before then answers as refused.
    pub fn finish<'a>(&'a self, reports: &'a [FinishedRun]) -> BoxFuture<'a, Result<Vec<Settled>, Error>> {
        async move {
            match self.fast.finish(reports).await {
                Ok(answers) => self.finish_rest(reports, answers).await,
                Err(error) if !is_about_rows(&error) => Err(error.into()),
                Err(_) if reports.len() > 1 => {
                    let (left, right) = reports.split_at(reports.len() / 2);
                    let mut answers = self.finish(left).await?;
                    answers.extend(self.finish(right).await?);
                    Ok(answers)
                }
                Err(_) => self.finish_alone(reports).await,
            }
        }
        .boxed()
    }

    /// Has the general way answer what the fast one left out.
    async fn finish_rest(&self, reports: &[FinishedRun], answers: Answers) -> Result<Vec<Settled>, Error> {
        let rest: Vec<FinishedRun> = reports
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(report, _)| report.clone())
            .collect();
        let mut settled = self.finish_generally(&rest).await?.into_iter();
        let answers = answers.into_iter().map(|answer| answer.or_else(|| settled.next()));
        let answers: Option<Vec<Settled>> = answers.collect();
        Ok(answers.ok_or_else(|| unexpected("an answer for each report"))?)
    }

    async fn finish_generally(&self, reports: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        match self.general.finish_runs(reports).await {
            Err(Error::Store(error)) if is_about_rows(&error) => {
                let mut answers = Vec::with_capacity(reports.len());
                for report in reports {
                    answers.extend(self.finish_alone(std::slice::from_ref(report)).await?);
                }
                Ok(answers)
            }
            done => done,
        }
    }

    /// One report, as on any store. One that cannot be written is told of and let go: its lease runs out, and the run is
    /// taken up again.
    async fn finish_alone(&self, report: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        for _ in 0..TRIES {
            match self.general.finish_runs(report).await {
                Err(Error::Store(StoreError::Conflict(_))) => {}
                Err(Error::Store(error)) if !is_about_rows(&error) => return Err(error.into()),
                Err(error) => {
                    tell_unrecorded(report, &error);
                    return Ok(vec![Settled::Unrecorded; report.len()]);
                }
                Ok(answers) => return Ok(answers),
            }
        }
        let lost = StoreError::Conflict(format!("lost to another transaction {TRIES} times"));
        tell_unrecorded(report, &lost);
        Ok(vec![Settled::Unrecorded; report.len()])
    }
}

fn tell_unrecorded(reports: &[FinishedRun], error: &dyn Display) {
    for report in reports {
        tracing::error!(run_id = %report.run_id, %error, "the end of a run could not be recorded");
    }
}

/// True when the same batch may fail again for what one of its reports carries; not when the database is away.
pub(crate) fn is_about_rows(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) => false,
        StoreError::Conflict(_) | StoreError::Broken(_) => true,
    }
}
