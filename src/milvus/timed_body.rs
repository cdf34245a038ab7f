//! The body of a request, which has to be there by a deadline, and of which strangers have so much.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::stranger_bytes::CallBytes;

/// Ends with `DEADLINE_EXCEEDED` where the rest does not come in time, and with `UNAVAILABLE` where
/// strangers have sent too much.
pub(super) struct TimedBody {
    body: Incoming,
    too_late: Pin<Box<Sleep>>,
    /// Where it is counted; `None` for who is no stranger.
    bytes: Option<Arc<CallBytes>>,
}

impl TimedBody {
    /// From now on.
    pub(super) fn new(body: Incoming, limit: Duration, bytes: Option<Arc<CallBytes>>) -> Self {
        Self {
            body,
            bytes,
            too_late: Box::pin(sleep(limit)),
        }
    }
}

impl TimedBody {
    fn counted(
        &self,
        frame: Frame<Bytes>,
    ) -> Result<Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match &self.bytes {
            Some(bytes) if !bytes.take(length) => Err(too_much().into()),
            _ => Ok(frame),
        }
    }
}

/// It will be less in a moment.
pub(super) fn too_much() -> Status {
    Status::unavailable("too much is under way that nobody has signed in for")
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
            let frame = frame.map(|frame| this.counted(frame?));
            return Poll::Ready(frame);
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
