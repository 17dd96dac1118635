//! A response body that can be ended from the side, with a status of its own.
//!
//! Used for deadlines and for the stop of the server: whatever comes first, the body's own end or the given future.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};

type End = Pin<Box<dyn Future<Output = Status> + Send>>;

/// Ends with the status that `end` gives, unless the inner body ends before.
pub(super) struct EndingBody {
    /// Taken when the body has been ended from the side: what it would still say is not wanted.
    inner: Option<Body>,
    end: End,
}

impl EndingBody {
    pub(super) fn wrap(inner: Body, end: impl Future<Output = Status> + Send + 'static) -> Body {
        Body::new(Self {
            inner: Some(inner),
            end: Box::pin(end),
        })
    }
}

impl HttpBody for EndingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        // What is ready goes out first.
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Poll::Ready(status) = this.end.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        this.inner = None;
        Poll::Ready(Some(trailers(&status)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // It may end earlier than the inner body would.
        SizeHint::default()
    }
}

/// The last frame of a response that ends with this status.
pub(super) fn trailers(status: &Status) -> Result<Frame<Bytes>, Status> {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers)?;
    Ok(Frame::trailers(headers))
}
