//! Flash sales and the changes of their signals.

use baton_domain::{
    ids::{FlashSaleId, JobId, UserId},
    ports::StoreResult,
    sale::{FlashSale, SignalChange},
};

use super::broken;
use crate::entity::{flash_sale, flash_sale_job, signal_change};

pub fn sale_row(sale: &FlashSale) -> flash_sale::Model {
    flash_sale::Model {
        id: sale.id.0,
        user_id: sale.user_id.0.clone(),
        name: sale.name.clone(),
        description: sale.description.clone(),
        starts_at: sale.starts_at,
        ends_at: sale.ends_at,
        phase: sale.phase.clone(),
        signals: sale
            .signals
            .iter()
            .map(|(name, value)| (name.clone(), serde_json::Value::from(*value)))
            .collect(),
        version: sale.version,
        created_at: sale.created_at,
        updated_at: sale.updated_at,
    }
}

/// One row for each job, in the order given.
pub fn sale_job_rows(sale: &FlashSale) -> Vec<flash_sale_job::Model> {
    let jobs = sale.job_ids.iter().zip(0_i64..);
    jobs.map(|(job, position)| flash_sale_job::Model {
        flash_sale_id: sale.id.0,
        job_id: job.0,
        position,
    })
    .collect()
}

/// `jobs` are those of this sale, in order.
pub fn sale_of(row: flash_sale::Model, jobs: Vec<JobId>) -> StoreResult<FlashSale> {
    Ok(FlashSale {
        id: FlashSaleId(row.id),
        user_id: UserId(row.user_id),
        name: row.name,
        description: row.description,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        phase: row.phase,
        signals: serde_json::from_value(row.signals).map_err(|error| broken("flash_sales.signals", error))?,
        job_ids: jobs,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The `id` is the database's to give.
pub fn signal_row(sale: FlashSaleId, change: &SignalChange) -> signal_change::Model {
    signal_change::Model {
        id: 0,
        flash_sale_id: sale.0,
        name: change.name.clone(),
        value: change.value,
        changed_at: change.at,
    }
}

pub fn signal_of(row: signal_change::Model) -> SignalChange {
    SignalChange {
        name: row.name,
        value: row.value,
        at: row.changed_at,
    }
}
