//! The body of a request, which has to be there by a deadline.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// Ends with `DEADLINE_EXCEEDED` where the rest does not come in time.
pub(super) struct TimedBody {
    body: Incoming,
    too_late: Pin<Box<Sleep>>,
}

impl TimedBody {
    /// From now on.
    pub(super) fn new(body: Incoming, limit: Duration) -> Self {
        Self {
            body,
            too_late: Box::pin(sleep(limit)),
        }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let too_late = this.too_late.as_mut().poll(context);
        too_late.map(|()| {
            let status = Status::deadline_exceeded("the request does not come to its end");
            Some(Err(status.into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
