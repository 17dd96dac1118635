//! Flash sales: create, read, change, end. Each change tells the planners of the jobs concerned.

use std::collections::BTreeSet;

use crate::{
    error::{Error, Resource, Violation, Violations},
    ids::{FlashSaleId, JobId, UserId, uuid_at},
    plan::reason,
    ports::{Page, Topic, Tx},
    sale::{FlashSale, SaleState},
    time::{Timestamp, truncate},
};

use super::{Idempotency, Listing, Services, check_etag, claim_request, found, listing, lost_update, peek};

/// The fields of a sale that its owner writes.
#[derive(Debug, Clone, PartialEq)]
pub struct SaleDraft {
    pub name: String,
    pub description: String,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub phase: String,
    pub signals: std::collections::BTreeMap<String, f64>,
    pub job_ids: Vec<JobId>,
    /// What was wrong with values that could not even be read: refused together with what the check finds.
    pub unreadable: Vec<Violation>,
}

impl SaleDraft {
    fn of(sale: &FlashSale) -> Self {
        Self {
            name: sale.name.clone(),
            description: sale.description.clone(),
            starts_at: sale.starts_at,
            ends_at: sale.ends_at,
            phase: sale.phase.clone(),
            signals: sale.signals.clone(),
            job_ids: sale.job_ids.clone(),
            unreadable: Vec::new(),
        }
    }

    /// Writes the fields to the sale, or tells every violation of what that gives.
    fn write(self, sale: &mut FlashSale) -> Result<(), Error> {
        let mut violations = Violations::default();
        violations.extend(self.unreadable);
        sale.name = self.name;
        sale.description = self.description;
        sale.starts_at = truncate(self.starts_at);
        sale.ends_at = truncate(self.ends_at);
        sale.phase = self.phase;
        sale.signals = self.signals;
        sale.job_ids = self.job_ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        sale.check(&mut violations);
        violations.into_result()
    }
}

impl Services {
    /// Adds a sale, or answers with the one that an earlier request of the same id made.
    pub async fn create_sale(
        &self,
        user: &UserId,
        draft: SaleDraft,
        idempotency: &Idempotency,
    ) -> Result<FlashSale, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let mut sale = FlashSale {
            id: FlashSaleId(uuid_at(now, self.chance.as_ref())),
            user_id: user.clone(),
            name: String::new(),
            description: String::new(),
            starts_at: now,
            ends_at: now,
            phase: String::new(),
            signals: std::collections::BTreeMap::new(),
            job_ids: Vec::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        draft.write(&mut sale)?;
        if let Some(earlier) = claim_request(tx.as_mut(), user, idempotency, sale.id.0).await? {
            return found(Resource::FlashSale, tx.get_sale(user, FlashSaleId(earlier)).await?);
        }
        require_jobs(tx.as_mut(), user, &sale.job_ids).await?;
        let changes = sale.signal_changes(&std::collections::BTreeMap::new(), now);
        tx.create_sale(&sale, &changes).await?;
        note_jobs(tx.as_mut(), &sale.job_ids, reason::SALE_CHANGED).await?;
        tx.commit().await?;
        Ok(sale)
    }

    pub async fn get_sale(&self, user: &UserId, id: FlashSaleId) -> Result<FlashSale, Error> {
        let mut tx = self.store.read().await?;
        found(Resource::FlashSale, tx.get_sale(user, id).await?)
    }

    /// Oldest first.
    pub async fn list_sales(&self, user: &UserId, page: Page) -> Result<Listing<FlashSale>, Error> {
        let mut tx = self.store.read().await?;
        let rows = tx.list_sales(user, peek(page)).await?;
        Ok(listing(rows, page, |sale| sale.id.0))
    }

    /// Applies `edit` to the sale's fields. A change of signals is recorded signal by signal.
    pub async fn update_sale(
        &self,
        user: &UserId,
        id: FlashSaleId,
        etag: Option<&str>,
        edit: impl FnOnce(&mut SaleDraft) + Send,
    ) -> Result<FlashSale, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let before = found(Resource::FlashSale, tx.get_sale(user, id).await?)?;
        check_etag(etag, before.version)?;
        require_not_ended(&before, now)?;
        let mut sale = before.clone();
        let mut draft = SaleDraft::of(&before);
        edit(&mut draft);
        draft.write(&mut sale)?;
        if sale.job_ids != before.job_ids {
            require_jobs(tx.as_mut(), user, &sale.job_ids).await?;
        }
        self.write_sale(tx, &before, sale).await
    }

    /// Ends the sale now.
    pub async fn end_sale(&self, user: &UserId, id: FlashSaleId) -> Result<FlashSale, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let before = found(Resource::FlashSale, tx.get_sale(user, id).await?)?;
        require_not_ended(&before, now)?;
        let sale = FlashSale {
            starts_at: before.starts_at.min(now),
            ends_at: now,
            ..before.clone()
        };
        self.write_sale(tx, &before, sale).await
    }

    async fn write_sale(&self, mut tx: Box<dyn Tx>, before: &FlashSale, sale: FlashSale) -> Result<FlashSale, Error> {
        let now = tx.now();
        let changes = sale.signal_changes(&before.signals, now);
        let why = if changes.is_empty() {
            reason::SALE_CHANGED
        } else {
            reason::SIGNAL_CHANGED
        };
        let sale = FlashSale {
            version: before.version + 1,
            updated_at: now,
            ..sale
        };
        if !tx.update_sale(&sale, &changes).await? {
            return Err(lost_update());
        }
        let mut concerned = before.job_ids.clone();
        concerned.extend(&sale.job_ids);
        note_jobs(tx.as_mut(), &concerned, why).await?;
        tx.commit().await?;
        Ok(sale)
    }
}

fn require_not_ended(sale: &FlashSale, now: Timestamp) -> Result<(), Error> {
    match sale.state(now) {
        SaleState::Scheduled | SaleState::Active => Ok(()),
        SaleState::Ended => Err(Error::Precondition {
            reason: "SALE_ENDED",
            message: "flash sale has ended".to_owned(),
        }),
    }
}

async fn require_jobs(tx: &mut dyn Tx, user: &UserId, jobs: &[JobId]) -> Result<(), Error> {
    for job in jobs {
        found(Resource::Job, tx.get_job(user, *job).await?)?;
    }
    Ok(())
}

async fn note_jobs(tx: &mut dyn Tx, jobs: &[JobId], why: &str) -> Result<(), Error> {
    let now = tx.now();
    let jobs: Vec<JobId> = jobs.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    for mut planning in tx.lock_planning(&jobs).await? {
        planning.note(Some(why), now);
        tx.save_planning(&planning).await?;
    }
    tx.wake(Topic::Contexts);
    Ok(())
}
