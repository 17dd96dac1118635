//! Flash sales between their proto and domain forms.
//!
//! Reading gives a draft that carries what could not be read; the domain checks the rest and reports all of it at once.

use std::time::Duration;

use baton_domain::{
    error::{Error, Violation},
    ids::{FlashSaleId, JobId},
    sale::{FlashSale, SaleState},
    services::{Idempotency, SaleDraft},
    time::{Timestamp, after, before, from_micros},
};
use baton_proto::v1 as pb;

use super::{
    Fields,
    job::etag,
    mask::{Mask, Writable},
    repeat, time,
};

const WRITABLE: Writable = Writable {
    message: "flash_sale",
    paths: &[
        "name",
        "description",
        "start_time",
        "end_time",
        "phase",
        "signals",
        "job_ids",
    ],
    output_only: &["id", "state", "create_time", "update_time", "etag"],
};
const START: &str = "flash_sale.start_time";
const END: &str = "flash_sale.end_time";
/// How long a sale is of which only one end could be read.
const STAND_IN: Duration = Duration::from_secs(1);

/// Reads everything; violations travel in the draft.
pub(crate) fn read_create(request: pb::CreateFlashSaleRequest) -> (SaleDraft, Idempotency) {
    let mut fields = Fields::default();
    let idempotency = repeat::read(&mut fields, &request);
    let sale = request.flash_sale.unwrap_or_else(|| {
        fields.push("flash_sale", "must be present");
        pb::FlashSale::default()
    });
    let (starts_at, ends_at) = read_times(&mut fields, &sale);
    let draft = SaleDraft {
        name: sale.name,
        description: sale.description,
        starts_at,
        ends_at,
        phase: sale.phase,
        signals: sale.signals.into_iter().collect(),
        job_ids: read_jobs(&mut fields, &sale.job_ids),
        unreadable: fields.into_violations(),
    };
    (draft, idempotency)
}

/// Both times are required; in the place of one that is missing stands one that fits the other.
fn read_times(fields: &mut Fields, sale: &pb::FlashSale) -> (Timestamp, Timestamp) {
    let [start, end] = [(START, &sale.start_time), (END, &sale.end_time)].map(|(field, value)| {
        let value = fields.require(field, value.as_ref());
        fields.timestamp(field, value)
    });
    match (start, end) {
        (Some(start), Some(end)) => (start, end),
        (Some(start), None) => (start, after(start, STAND_IN)),
        (None, Some(end)) => (before(end, STAND_IN), end),
        (None, None) => (from_micros(0), after(from_micros(0), STAND_IN)),
    }
}

fn read_jobs(fields: &mut Fields, ids: &[String]) -> Vec<JobId> {
    let ids = ids.iter().enumerate();
    ids.map(|(index, id)| fields.id(&format!("flash_sale.job_ids[{index}]"), id, JobId))
        .collect()
}

/// What UpdateFlashSale is to do.
pub(crate) struct SaleUpdate {
    pub id: FlashSaleId,
    pub etag: Option<String>,
    /// Present, as named by the mask, is written; absent and named is unset.
    sale: pb::FlashSale,
    mask: Mask,
    unreadable: Vec<Violation>,
}

/// Fails only when it is not clear which sale is meant; what is wrong with its fields travels to the domain's check.
pub(crate) fn read_update(request: pb::UpdateFlashSaleRequest) -> Result<SaleUpdate, Error> {
    let mut fields = Fields::default();
    let mask = Mask::read(&mut fields, &WRITABLE, request.update_mask.as_ref());
    let Some(mut sale) = fields.require("flash_sale", request.flash_sale) else {
        return Err(fields.refusal());
    };
    let mut own = Fields::default();
    let id = own.id("flash_sale.id", &sale.id, FlashSaleId);
    let update = SaleUpdate {
        id,
        etag: etag(std::mem::take(&mut sale.etag)),
        sale,
        mask,
        unreadable: fields.into_violations(),
    };
    own.done_or(|violations| violations.extend(update.unreadable.iter().cloned()))?;
    Ok(update)
}

impl SaleUpdate {
    /// Writes the fields into the definition, with what could not be read.
    pub(crate) fn write(self, draft: &mut SaleDraft) {
        let Self {
            sale, mask, unreadable, ..
        } = self;
        let mut fields = Fields::default();
        write_times(&mut fields, &mask, draft, &sale);
        if mask.writes("job_ids", !sale.job_ids.is_empty()) {
            draft.job_ids = read_jobs(&mut fields, &sale.job_ids);
        }
        if mask.writes("name", !sale.name.is_empty()) {
            draft.name = sale.name;
        }
        if mask.writes("description", !sale.description.is_empty()) {
            draft.description = sale.description;
        }
        if mask.writes("phase", !sale.phase.is_empty()) {
            draft.phase = sale.phase;
        }
        if mask.writes("signals", !sale.signals.is_empty()) {
            draft.signals = sale.signals.into_iter().collect();
        }
        draft.unreadable = unreadable;
        draft.unreadable.extend(fields.into_violations());
    }
}

/// Times cannot be unset.
fn write_times(fields: &mut Fields, mask: &Mask, draft: &mut SaleDraft, sale: &pb::FlashSale) {
    let times = [
        ("start_time", START, &sale.start_time, &mut draft.starts_at),
        ("end_time", END, &sale.end_time, &mut draft.ends_at),
    ];
    for (path, field, value, target) in times {
        if mask.writes(path, value.is_some()) {
            let value = fields.require(field, value.as_ref());
            *target = fields.timestamp(field, value).unwrap_or(*target);
        }
    }
}

pub(crate) fn to_proto(sale: &FlashSale, now: Timestamp) -> pb::FlashSale {
    let state = match sale.state(now) {
        SaleState::Scheduled => pb::FlashSaleState::Scheduled,
        SaleState::Active => pb::FlashSaleState::Active,
        SaleState::Ended => pb::FlashSaleState::Ended,
    };
    pb::FlashSale {
        id: sale.id.to_string(),
        name: sale.name.clone(),
        description: sale.description.clone(),
        start_time: Some(time::timestamp(sale.starts_at)),
        end_time: Some(time::timestamp(sale.ends_at)),
        phase: sale.phase.clone(),
        signals: sale.signals.clone().into_iter().collect(),
        job_ids: sale.job_ids.iter().map(ToString::to_string).collect(),
        state: state.into(),
        create_time: Some(time::timestamp(sale.created_at)),
        update_time: Some(time::timestamp(sale.updated_at)),
        etag: sale.version.to_string(),
    }
}
