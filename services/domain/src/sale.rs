//! A flash sale: a time-boxed situation of one user whose signals tell a planner what is going on.

use std::collections::BTreeMap;

use crate::{
    error::Violations,
    ids::{FlashSaleId, JobId, UserId},
    job::check_texts,
    limits,
    run::stored_enum,
    time::Timestamp,
};

stored_enum!(
    /// Where a sale stands at a given time.
    SaleState {
        Scheduled => "scheduled",
        Active => "active",
        Ended => "ended",
    }
);

/// A time-boxed situation and the jobs it concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct FlashSale {
    pub id: FlashSaleId,
    pub user_id: UserId,
    pub name: String,
    pub description: String,
    pub starts_at: Timestamp,
    /// Moved to the present when the sale is ended early.
    pub ends_at: Timestamp,
    /// A free word for people.
    pub phase: String,
    /// Current value by name.
    pub signals: BTreeMap<String, f64>,
    pub job_ids: Vec<JobId>,
    /// Grows with each write; the etag.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One signal that got another value, or went away.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalChange {
    pub name: String,
    pub value: Option<f64>,
    pub at: Timestamp,
}

impl FlashSale {
    pub fn state(&self, now: Timestamp) -> SaleState {
        if now >= self.ends_at {
            SaleState::Ended
        } else if now >= self.starts_at {
            SaleState::Active
        } else {
            SaleState::Scheduled
        }
    }

    /// The changes that lead from `before` to this sale's signals.
    pub fn signal_changes(&self, before: &BTreeMap<String, f64>, at: Timestamp) -> Vec<SignalChange> {
        let removed = before.keys().filter(|name| !self.signals.contains_key(*name));
        let removed = removed.map(|name| SignalChange {
            name: name.clone(),
            value: None,
            at,
        });
        let set = self
            .signals
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(value));
        set.map(|(name, value)| SignalChange {
            name: name.clone(),
            value: Some(*value),
            at,
        })
        .chain(removed)
        .collect()
    }

    /// Every breach of the stated bounds.
    pub fn check(&self, violations: &mut Violations) {
        check_texts(violations, "flash_sale.", &self.name, &self.description);
        violations.check(
            self.ends_at > self.starts_at,
            "flash_sale.end_time",
            "must be after start_time",
        );
        let too_long = self.ends_at > crate::time::after(self.starts_at, limits::INTERVAL_MAX);
        violations.check(
            !too_long,
            "flash_sale.end_time",
            "must be at most 366 days after start_time",
        );
        violations.check(
            self.phase.chars().count() <= limits::PHASE_CHARS && !self.phase.chars().any(char::is_control),
            "flash_sale.phase",
            format!(
                "must have at most {} characters, none of them a control character",
                limits::PHASE_CHARS
            ),
        );
        violations.check(
            (1..=limits::JOBS_PER_SALE).contains(&self.job_ids.len()),
            "flash_sale.job_ids",
            format!("must name 1 to {} jobs", limits::JOBS_PER_SALE),
        );
        violations.check(
            self.signals.len() <= limits::SIGNALS,
            "flash_sale.signals",
            format!("must have at most {} signals", limits::SIGNALS),
        );
        for (name, value) in &self.signals {
            let field = format!("flash_sale.signals[{name:?}]");
            violations.check(
                is_signal_name(name),
                &field,
                "the name must have 1 to 64 of: letters, digits, _ - .",
            );
            violations.check(value.is_finite(), &field, "must be a finite number");
        }
    }
}

fn is_signal_name(name: &str) -> bool {
    (1..=limits::SIGNAL_NAME_CHARS).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
