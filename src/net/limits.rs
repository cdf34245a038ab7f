//! The limits of every connection.

use std::time::Duration;

use crate::wire::WireLimits;

/// What peers may take; the defaults are mongod's where mongod has the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Message length and compressors.
    pub wire: WireLimits,
    /// `net.maxIncomingConnections`: connections at one time.
    pub max_incoming_connections: u32,
    /// From accepting a connection to its first complete message.
    pub handshake_timeout_ms: u64,
    /// From the first byte of a message to its last.
    pub message_timeout_ms: u64,
    /// From one message to the next; unlimited if absent, as in mongod.
    pub idle_timeout_ms: Option<u64>,
    /// From the first byte of a reply to the last being in the kernel's hands.
    pub write_timeout_ms: u64,
    /// From the order to stop to closing what is still busy.
    pub stop_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire: WireLimits::default(),
            max_incoming_connections: 65_536,
            handshake_timeout_ms: 30_000,
            message_timeout_ms: 120_000,
            idle_timeout_ms: None,
            write_timeout_ms: 60_000,
            stop_timeout_ms: 15_000,
        }
    }
}

impl Limits {
    pub(super) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    pub(super) fn message_timeout(&self) -> Duration {
        Duration::from_millis(self.message_timeout_ms)
    }

    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout_ms.map(Duration::from_millis)
    }

    pub(super) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(super) fn stop_timeout(&self) -> Duration {
        Duration::from_millis(self.stop_timeout_ms)
    }
}
