//! Connections for a protocol of its own: bytes both ways, after the same door.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::admission::{Admission, let_in};
use super::listener::Accepted;
use super::serve::serve_with;
use super::shutdown::Stopped;
use super::stream::Stream;
use super::{ConnectionCounters, Door, Listeners, Peer, ServeSummary, StopSignal};

/// What connections that carry no messages of MongoDB are for.
pub trait StreamService: Send + Sync + 'static {
    /// Serves one connection to its end; after the order to stop it ends by itself, or is dropped
    /// when the time for that is over.
    fn serve(
        &self,
        stream: ByteStream,
        peer: Peer,
        stop: StopSignal,
    ) -> impl Future<Output = ()> + Send;
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub struct ByteStream {
    /// What was read before it was known whether it is encrypted.
    received: BytesMut,
    stream: Stream,
}

/// Serves all listeners until `stop`, as [`serve`](super::serve()) does.
pub async fn serve_streams<S: StreamService>(
    listeners: Listeners,
    service: Arc<S>,
    door: Arc<Door>,
    counters: Arc<ConnectionCounters>,
    stop: StopSignal,
) -> ServeSummary {
    let spawned = |accepted, admission| run(accepted, Arc::clone(&service), admission);
    serve_with(listeners, door, counters, stop, spawned).await
}

async fn run<S: StreamService>(accepted: Accepted, service: Arc<S>, admission: Admission) {
    let mut stop = Stopped::new(admission.stop.clone());
    let connection_id = admission.place.connection_id();
    let Some(arrived) = let_in(accepted, connection_id, &admission, &mut stop).await else {
        return;
    };
    drop(stop);
    let stream = ByteStream {
        received: arrived.received,
        stream: arrived.stream,
    };
    let peer = Peer {
        connection_id,
        local: arrived.local,
        remote: arrived.remote,
        proxy: arrived.proxy,
        tls: arrived.tls,
    };
    service.serve(stream, peer, admission.stop).await;
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.received.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let length = this.received.len().min(buffer.remaining());
        if let Some(bytes) = this.received.get(..length) {
            buffer.put_slice(bytes);
        }
        this.received.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
