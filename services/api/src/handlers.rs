//! One file a service: each RPC reads its request, calls one use case and converts the answer.
//!
//! Called by tonic, behind the layers. No rule is decided here.

mod flash_sales;
mod jobs;
mod plans;
mod runs;

pub(crate) use flash_sales::FlashSales;
pub(crate) use jobs::Jobs;
pub(crate) use plans::Plans;
pub(crate) use runs::Runs;

use baton_domain::{error::Error, ids::UserId};
use tonic::{Request, Response, Status};

use crate::{caller, status};

type Answer<T> = Result<Response<T>, Status>;

/// Answers one unary request about one user: who asks, what comes of it, and how an error is told.
async fn handle<Q, A, F>(request: Request<Q>, work: impl FnOnce(UserId, Q) -> F) -> Answer<A>
where
    F: Future<Output = Result<A, Error>>,
{
    let (caller, message) = caller::open(request)?;
    let user = caller.user()?;
    work(user, message).await.map(Response::new).map_err(status::of_error)
}
