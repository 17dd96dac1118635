//! SeaORM entities, one file a table, in plain column types.
//!
//! What the columns mean to the domain is in [`crate::mapping`]; nothing outside this crate sees an entity. Instants are
//! UTC in whole microseconds, columns that end in `_us` are durations in microseconds.

pub mod api_token;
pub mod denial;
pub mod endpoint_state;
pub mod flash_sale;
pub mod flash_sale_job;
pub mod hint;
pub mod job;
pub mod job_endpoint;
pub mod job_planning;
pub mod live_run;
pub mod plan;
pub mod plan_hint;
pub mod plan_step;
pub mod request_key;
pub mod run_attempt;
pub mod run_history;
pub mod schedule_change;
pub mod signal_change;
