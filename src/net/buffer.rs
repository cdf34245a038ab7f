//! The bytes of a connection that wait to be read as messages, or to be written.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::stream::Stream;

/// Taken for the first read of a message.
const READ_BYTES_MIN: usize = 4 * 1024;
/// A read with less room than this makes more.
const READ_ROOM_BYTES_MIN: usize = 1024;
/// The most that one read adds room for, however long the message claims to be.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// Replies to pipelined requests are gathered up to this.
const GATHERED_BYTES_MAX: usize = 64 * 1024;
/// What an idle connection may keep of each buffer.
const IDLE_BYTES_MAX: usize = 4 * 1024;

/// Received and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: BytesMut,
    /// The size of the allocation behind `buffer`, as far as known.
    allocated_bytes: usize,
}

impl Input {
    /// With what was received already.
    pub(super) fn with(received: BytesMut) -> Self {
        Self {
            allocated_bytes: received.capacity(),
            buffer: received,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes the first `count` bytes, without copying. They must be there.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        self.buffer.split_to(count.min(self.buffer.len())).freeze()
    }

    /// Gives memory back if a large message is over; to be called before an idle wait.
    pub(super) fn rest(&mut self) {
        if self.buffer.is_empty() && self.allocated_bytes > IDLE_BYTES_MAX {
            *self = Self::default();
        }
    }

    /// Waits until the peer has sent something, and only then makes room: at most as much as has
    /// arrived already, so memory follows what was really sent. `message_bytes` is the length of the
    /// message that has begun, 0 if unknown. Returns the bytes read, 0 at the end. May be dropped at
    /// any time without losing bytes.
    pub(super) async fn fill(
        &mut self,
        stream: &mut Stream,
        message_bytes: usize,
    ) -> io::Result<usize> {
        poll_fn(|context| stream.poll_readable(context)).await?;
        self.make_room(message_bytes);
        stream.read_buf(&mut self.buffer).await
    }

    fn make_room(&mut self, message_bytes: usize) {
        let held = self.buffer.len();
        if self.buffer.capacity() - held >= READ_ROOM_BYTES_MIN {
            return;
        }
        let missing = message_bytes.saturating_sub(held);
        let wanted = missing.min(held).clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        self.buffer.reserve(wanted);
        self.allocated_bytes = self.allocated_bytes.max(self.buffer.capacity());
    }
}

/// Encoded and not yet written.
#[derive(Debug, Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
}

impl Output {
    /// Where replies are encoded.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether it is time to write although more replies could be gathered.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= GATHERED_BYTES_MAX
    }

    /// Writes everything; returns how many bytes that was.
    pub(super) async fn flush(
        &mut self,
        stream: &mut Stream,
        limit: Duration,
    ) -> io::Result<usize> {
        let count = self.buffer.len();
        {
            let mut writing = pin!(async {
                stream.write_all(&self.buffer).await?;
                stream.flush().await // TLS keeps what the kernel had no room for
            });
            // Nearly every write is done at once, and costs less than a timer.
            match poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await {
                Poll::Ready(written) => written?,
                Poll::Pending => timeout(limit, writing).await??,
            }
        }
        self.buffer.clear();
        if self.buffer.capacity() > IDLE_BYTES_MAX {
            self.buffer = Vec::new();
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_follows_what_arrived() {
        let mut input = Input::default();
        input.make_room(48_000_000);
        assert!(input.buffer.capacity() < 2 * READ_BYTES_MIN);
        input.buffer.extend_from_slice(&[0; READ_BYTES_MIN]);
        input.make_room(48_000_000);
        assert!(input.buffer.capacity() < 4 * READ_BYTES_MIN);
    }

    #[test]
    fn large_buffers_do_not_outlive_their_message() {
        let mut input = Input::default();
        input.buffer.extend_from_slice(&[0; 10_000]);
        input.make_room(0);
        drop(input.take(10_000));
        input.rest();
        assert_eq!(input.buffer.capacity(), 0);

        input.make_room(0);
        input.buffer.extend_from_slice(&[0; 100]);
        drop(input.take(100));
        input.rest();
        assert!(input.buffer.capacity() > 0, "small ones are kept");
    }
}
