//! What happens around every call, from the outside in. Each layer is one file and knows no service or message.
//!
//! Called by [`crate::server`]. The order is part of the behaviour: each line of [`stack`] says why it stands there.

mod admission;
mod deadline;
mod details;
mod ending;
mod identify;
mod panics;
mod streams;
mod until_stop;

pub(crate) use streams::Streams;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::{ServiceBuilder, util::BoxCloneService};

use crate::caller::Guard;

/// Routes with everything around them.
pub(crate) type Stacked = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// How many calls are taken, how long they may last, and what ends streams.
pub(crate) struct Bounds {
    pub max_calls: usize,
    pub max_streams: usize,
    pub deadline: Duration,
    /// Cancelled when open streams must end.
    pub stop: CancellationToken,
}

/// The layers around the routes; the first is the outermost.
pub(crate) fn stack(routes: Routes, guard: Guard, bounds: &Bounds) -> Stacked {
    let streams = Arc::new(Streams::of_every_service());
    let service = ServiceBuilder::new()
        // Outermost: completes what any layer below, and gRPC's own machinery, answers without details.
        .layer(details::CompleteDetails)
        // Around everything of ours that could panic; the answer still passes the layer above.
        .layer(panics::CatchPanic)
        // Before anything is spent on a call that is not taken.
        .layer(admission::Admission::new(
            bounds.max_calls,
            bounds.max_streams,
            Arc::clone(&streams),
        ))
        // Ends streams at the stop of the server, so that connections can close; inside admission, which counts them.
        .layer(until_stop::UntilStop::new(bounds.stop.clone(), Arc::clone(&streams)))
        // Starts the clock only for calls that were taken, and covers all that they do.
        .layer(deadline::Deadline::new(bounds.deadline, Arc::clone(&streams)))
        // Innermost: handlers find the caller here, and nothing that fails above needs to know who it was. No message is
        // read before it, and its look-ups count as part of the call.
        .layer(identify::IdentifyCaller::new(guard, streams))
        .service(routes.prepare());
    BoxCloneService::new(service)
}
