//! `serverStatus.connections` and `serverStatus.network`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::proxy_protocol::ProxyHeaderError;
use super::refusals::Refusals;
use super::{Address, TlsSession, TlsVersion};

/// Numbers that only tell, so all accesses are relaxed.
#[derive(Debug)]
pub struct ConnectionCounters {
    max: u32,
    current: AtomicU32,
    last_id: AtomicI32,
    total_created: AtomicU64,
    too_many: Refusals,
    not_on_allowlist: Refusals,
    proxy_headers: Refusals,
    unauthenticated: Refusals,
    tls: Refusals,
    panicked: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    requests: AtomicU64,
    tls_1_2: AtomicU64,
    tls_1_3: AtomicU64,
}

impl ConnectionCounters {
    /// `max` is [`Limits::max_incoming_connections`](super::Limits::max_incoming_connections).
    pub fn new(max: u32) -> Self {
        Self {
            max,
            current: AtomicU32::new(0),
            last_id: AtomicI32::new(0),
            total_created: AtomicU64::new(0),
            too_many: Refusals::new("connection refused because there are too many"),
            not_on_allowlist: Refusals::new("connection refused because of net.ipSourceAllowlist"),
            proxy_headers: Refusals::new("connection of a trusted proxy refused"),
            unauthenticated: Refusals::new(
                "connection refused because its address has too many that nobody signed in on",
            ),
            tls: Refusals::new(
                "Error receiving request from client. Ending connection from remote",
            ),
            panicked: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            tls_1_2: AtomicU64::new(0),
            tls_1_3: AtomicU64::new(0),
        }
    }

    /// Connections that are open.
    pub fn current(&self) -> u32 {
        self.current.load(Ordering::Relaxed)
    }

    /// Connections that could still be opened.
    pub fn available(&self) -> u32 {
        self.max.saturating_sub(self.current())
    }

    /// Connections that were ever served.
    pub fn total_created(&self) -> u64 {
        self.total_created.load(Ordering::Relaxed)
    }

    /// Connections that were closed at once because there were too many.
    pub fn rejected(&self) -> u64 {
        self.too_many.total()
    }

    /// Connections that were closed because `net.ipSourceAllowlist` leaves their address out.
    pub fn turned_away_by_allowlist(&self) -> u64 {
        self.not_on_allowlist.total()
    }

    /// Connections of trusted proxies that did not begin with a PROXY header that is understood.
    pub fn proxy_headers_refused(&self) -> u64 {
        self.proxy_headers.total()
    }

    /// One more connection closes because its address has too many without a user.
    pub fn add_unauthenticated_refused(&self, remote: &Address) {
        self.unauthenticated.add(remote, &"");
    }

    /// Connections that were closed because their address has too many without a user.
    pub fn unauthenticated_refused(&self) -> u64 {
        self.unauthenticated.total()
    }

    /// Connections that were closed because their TLS handshake failed, or TLS is required and they
    /// spoke something else.
    pub fn tls_refused(&self) -> u64 {
        self.tls.total()
    }

    /// Connections that ended in a panic of their handler.
    pub fn panicked(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    /// Bytes read from peers.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Bytes written to peers.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// Complete messages read.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Connections that were ever encrypted by this version of TLS.
    pub fn tls(&self, version: TlsVersion) -> u64 {
        self.tls_counter(version).load(Ordering::Relaxed)
    }

    /// Takes a place for a connection from `remote`; `None` when all are taken.
    pub(super) fn admit(self: &Arc<Self>, remote: &Address) -> Option<Place> {
        let taken = self.current.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        if taken >= self.max {
            self.too_many
                .add(remote, &format_args!("at most {} are served", self.max));
            return None; // dropping the place gives it back
        }
        self.total_created.fetch_add(1, Ordering::Relaxed);
        Some(place)
    }

    pub(super) fn add_not_on_allowlist(&self, remote: &Address) {
        self.not_on_allowlist.add(remote, &"");
    }

    pub(super) fn add_proxy_header_refused(&self, proxy: &Address, reason: &ProxyHeaderError) {
        self.proxy_headers.add(proxy, reason);
    }

    /// One more connection fails at TLS; how many the log is to be told of, if it is time for a line.
    pub(super) fn add_tls_refused(&self) -> Option<u64> {
        self.tls.count()
    }

    pub(super) fn add_panic(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_in(&self, bytes: usize) {
        add(&self.bytes_in, bytes);
    }

    pub(super) fn add_out(&self, bytes: usize) {
        add(&self.bytes_out, bytes);
    }

    pub(super) fn add_request(&self) {
        add(&self.requests, 1);
    }

    pub(super) fn add_tls(&self, session: &TlsSession) {
        let is_newest = session.version == TlsVersion::Tls13.name();
        let version = if is_newest {
            TlsVersion::Tls13
        } else {
            TlsVersion::Tls12
        };
        add(self.tls_counter(version), 1);
    }

    fn tls_counter(&self, version: TlsVersion) -> &AtomicU64 {
        match version {
            TlsVersion::Tls12 => &self.tls_1_2,
            TlsVersion::Tls13 => &self.tls_1_3,
        }
    }
}

/// One of the places for connections, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<ConnectionCounters>);

impl Place {
    pub(super) fn counters(&self) -> &ConnectionCounters {
        &self.0
    }

    /// The next connection's number.
    pub(super) fn connection_id(&self) -> i32 {
        self.0
            .last_id
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(u64::try_from(amount).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let counters = Arc::new(ConnectionCounters::new(1));
        let remote = Address::Ip("192.0.2.1:1".parse().unwrap());
        let place = counters.admit(&remote).unwrap();
        assert_eq!(place.connection_id(), 1);
        assert!(counters.admit(&remote).is_none());
        assert_eq!((counters.current(), counters.available()), (1, 0));
        drop(place);
        assert!(counters.admit(&remote).is_some());
        assert_eq!((counters.total_created(), counters.rejected()), (2, 1));
        assert_eq!((counters.current(), counters.available()), (0, 1));
    }
}
