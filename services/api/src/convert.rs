//! Messages to domain values and back, one file a resource.
//!
//! Called by the handlers. Reading a request never stops at the first mistake: [`Fields`] collects every violation with
//! its field path, puts a harmless value in the place of what cannot be read, and hands the violations on, so that the
//! domain adds its own and the caller sees all of them in one answer.

pub(crate) mod context;
pub(crate) mod endpoint;
pub(crate) mod explanation;
pub(crate) mod fields;
pub(crate) mod hint;
pub(crate) mod job;
pub(crate) mod mask;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod repeat;
pub(crate) mod run;
pub(crate) mod sale;
pub(crate) mod summary;
pub(crate) mod time;
pub(crate) mod watch;

pub(crate) use fields::Fields;
