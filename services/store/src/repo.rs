//! The repositories: the ports of [`baton_domain::ports`] by topic, each once for both databases.
//!
//! Statements are about sets of rows wherever a caller may have many.

use baton_domain::ports::Page;

mod changes;
mod endpoints;
mod jobs;
mod ledger;
mod plans;
pub(crate) mod queue;
mod requests;
mod retention;
mod runs;
mod sales;
mod schedules;
mod successors;
mod summaries;
mod tokens;

/// How many rows a page wants.
fn rows_of(page: Page) -> u64 {
    u64::try_from(page.limit).unwrap_or(u64::MAX)
}
