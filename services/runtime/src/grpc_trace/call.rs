//! Follows one call to its end and writes its gRPC status to its span.
//!
//! A call ends with the status in its trailers, or in its headers, or without one when either side gives up.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tracing::Span;

use super::Side;

/// A call whose end is still to come. Dropped before, it counts as cancelled.
pub(super) struct ObservedCall {
    side: Side,
    span: Span,
    ended: bool,
}

impl ObservedCall {
    pub(super) fn new(side: Side, span: Span) -> Self {
        Self {
            side,
            span,
            ended: false,
        }
    }

    /// Ends the call if the headers or trailers hold a status.
    pub(super) fn note_status(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end(status.code());
        }
    }

    /// Ends the call, unless it has ended, because no response came or none with a status.
    pub(super) fn broke(&mut self) {
        let code = match self.side {
            Side::Server => Code::Unknown,
            Side::Client => Code::Unavailable,
        };
        self.end(code);
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.span.record("rpc.grpc.status_code", code as i32);
        if is_failure(self.side, code) {
            self.span.record("otel.status_code", "ERROR");
            self.tell(code);
        }
    }

    /// The caller handles what it is answered; for the server's own faults this is the place.
    fn tell(&self, code: Code) {
        if self.side == Side::Server {
            self.span.in_scope(|| tracing::warn!(code = ?code, "rpc failed"));
        }
    }
}

impl Drop for ObservedCall {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// For the server a refusal is no failure: it is the right answer to a wrong request.
pub(super) fn is_failure(side: Side, code: Code) -> bool {
    match code {
        Code::Ok | Code::Cancelled => false,
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => side == Side::Client,
    }
}

/// A response body that ends its call with the trailers, and keeps the span open until then.
pub(super) struct ObservedBody {
    body: Body,
    call: ObservedCall,
}

impl ObservedBody {
    pub(super) fn new(body: Body, call: ObservedCall) -> Self {
        Self { body, call }
    }
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = ready!(this.call.span.in_scope(|| Pin::new(&mut this.body).poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.call.note_status(trailers);
                }
            }
            Some(Err(_)) | None => this.call.broke(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
