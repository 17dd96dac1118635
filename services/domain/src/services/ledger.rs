//! "Why did it not run at 12:00?": what became of one time of one endpoint.

use crate::{
    error::{Error, Resource},
    ids::{EndpointId, UserId},
    ports::TimeRecord,
    time::Timestamp,
};

use super::{Services, found};

impl Services {
    /// The runs planned for that time or skipped with it, and the change that was in force. Deleted endpoints answer as
    /// long as their record is kept.
    pub async fn explain_time(&self, user: &UserId, id: EndpointId, at: Timestamp) -> Result<TimeRecord, Error> {
        let mut tx = self.store.read().await?;
        let record = tx.time_record(user, id, at).await?;
        let known = !record.runs.is_empty() || record.change.is_some();
        found(Resource::Endpoint, known.then_some(record))
    }
}
