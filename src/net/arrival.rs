//! From an accepted socket to a peer that may send messages.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::BytesMut;

use super::counters::ConnectionCounters;
use super::listener::Accepted;
use super::proxy_protocol::{self, Announced};
use super::stream::Stream;
use super::tls::{TurnedAway, secure};
use super::{Address, Limits, Tls, TlsSession};
use crate::model::restriction::Cidr;

/// What a new connection has to pass, in this order: the list of addresses, the PROXY header of a
/// trusted proxy, and the list again for whom the header names.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// What peers may take.
    pub limits: Limits,
    /// `net.ipSourceAllowlist`: clients that may connect; all of them if it is empty. Unix sockets
    /// have file permissions instead.
    pub allowlist: Vec<Cidr>,
    /// `net.proxyProtocol.trustedPeers`: proxies, whose connections have to begin with a PROXY
    /// header. What others send is never taken for one.
    pub trusted_proxies: Vec<Cidr>,
    /// Offers TLS to connections over TCP; absent means that all are plain.
    pub tls: Option<Arc<Tls>>,
}

/// A connection that passed.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    pub(super) local: Address,
    pub(super) remote: Address,
    pub(super) proxy: Option<Address>,
    pub(super) tls: Option<Arc<TlsSession>>,
    /// Bytes of the first message that were read already.
    pub(super) received: BytesMut,
}

impl Door {
    /// Whether a connection of this socket address is looked at at all.
    pub(super) fn may_knock(&self, remote: &Address) -> bool {
        self.is_trusted_proxy(remote) || self.is_allowed(remote)
    }

    fn is_allowed(&self, remote: &Address) -> bool {
        let is_listed = |ip| contains(&self.allowlist, ip);
        self.allowlist.is_empty() || remote.ip().is_none_or(is_listed)
    }

    fn is_trusted_proxy(&self, remote: &Address) -> bool {
        remote
            .ip()
            .is_some_and(|ip| contains(&self.trusted_proxies, ip))
    }
}

/// Lets a connection in. Answers at once where there is nothing to wait for.
///
/// Fails when the peer may not come in, or leaves; who it was and the reason are for the log.
pub(super) async fn arrive(
    accepted: Accepted,
    door: &Door,
    counters: &ConnectionCounters,
) -> Result<Arrived, (Address, TurnedAway)> {
    let knocking = accepted.remote.clone();
    let announced = announce(accepted, door, counters).await;
    let accepted = announced.map_err(|error| (knocking, TurnedAway::from(error)))?;
    match secure(accepted.stream, door.tls.as_deref()).await {
        Ok(secured) => Ok(Arrived {
            stream: secured.stream,
            local: accepted.local,
            remote: accepted.remote,
            proxy: accepted.proxy,
            tls: secured.tls,
            received: secured.received,
        }),
        Err(reason) => Err((accepted.remote, reason)),
    }
}

/// Finds out whom a trusted proxy connects for; other connections stay as they are.
///
/// Fails when there is no such header or its client may not come in.
async fn announce(
    mut accepted: Accepted,
    door: &Door,
    counters: &ConnectionCounters,
) -> io::Result<Accepted> {
    if !door.is_trusted_proxy(&accepted.remote) {
        return Ok(accepted);
    }
    let announced = proxy_protocol::read(&mut accepted.stream).await;
    match announced {
        Err(reason) => {
            counters.add_proxy_header_refused(&accepted.remote, &reason);
            Err(io::Error::other(reason))
        }
        Ok(Announced::Proxy) => listed(accepted, door, counters),
        Ok(Announced::Client {
            source,
            destination,
        }) => {
            let client = seen_from_here(source, &accepted.remote, &accepted.remote);
            let accepted = Accepted {
                stream: accepted.stream,
                local: seen_from_here(destination, &accepted.remote, &accepted.local),
                proxy: Some(accepted.remote),
                remote: client,
            };
            listed(accepted, door, counters)
        }
    }
}

/// Lets a connection in if whose it is, the client behind a proxy or the proxy itself, is on the list.
fn listed(accepted: Accepted, door: &Door, counters: &ConnectionCounters) -> io::Result<Accepted> {
    if door.is_allowed(&accepted.remote) {
        return Ok(accepted);
    }
    counters.add_not_on_allowlist(&accepted.remote);
    let reason = "whom the proxy connects for is not on the list of addresses";
    Err(io::Error::other(reason))
}

/// What `proxy` announced as one end of a connection; `end` is that end of its own connection.
///
/// A proxy elsewhere means its own machine by a loopback address. Taken as it stands it would be in
/// the ranges of this one.
fn seen_from_here(announced: SocketAddr, proxy: &Address, end: &Address) -> Address {
    match end {
        Address::Ip(end) if announced.ip().is_loopback() && !proxy.is_on_this_machine() => {
            Address::Ip(SocketAddr::new(end.ip(), announced.port()))
        }
        _ => Address::Ip(announced),
    }
}

fn contains(ranges: &[Cidr], ip: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(allowlist: &[&str], trusted_proxies: &[&str]) -> Door {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Door {
            limits: Limits::default(),
            allowlist: ranges(allowlist),
            trusted_proxies: ranges(trusted_proxies),
            tls: None,
        }
    }

    #[test]
    fn the_list_is_for_clients_and_proxies_stand_beside_it() {
        let ip = |text: &str| Address::Ip(format!("{text}:1").parse().unwrap());
        let unix = Address::Unix(std::path::Path::new("/run/server.sock").into());
        let open = door(&[], &["192.0.2.9"]);
        assert!(open.may_knock(&ip("203.0.113.1")) && open.may_knock(&unix));
        let narrow = door(&["10.0.0.0/8", "2001:db8::/32"], &["192.0.2.9"]);
        for (address, may_knock, is_allowed) in [
            (ip("10.1.2.3"), true, true),
            (ip("[2001:db8::5]"), true, true),
            (ip("11.0.0.1"), false, false),
            (ip("127.0.0.1"), false, false),
            (ip("192.0.2.9"), true, false),
            (unix, true, true),
        ] {
            assert_eq!(narrow.may_knock(&address), may_knock, "{address}");
            assert_eq!(narrow.is_allowed(&address), is_allowed, "{address}");
        }
    }

    #[test]
    fn a_loopback_address_is_the_machine_of_the_proxy_that_says_it() {
        let ip = |text: &str| Address::Ip(text.parse().unwrap());
        let (here, elsewhere) = (ip("127.0.0.2:5"), ip("192.0.2.9:5"));
        let server = ip("198.51.100.1:27017");
        for (announced, proxy, end, seen) in [
            ("127.0.0.1:7", &elsewhere, &elsewhere, "192.0.2.9:7"),
            ("[::1]:7", &elsewhere, &elsewhere, "192.0.2.9:7"),
            ("127.0.0.1:7", &elsewhere, &server, "198.51.100.1:7"),
            ("203.0.113.1:7", &elsewhere, &elsewhere, "203.0.113.1:7"),
            ("127.0.0.1:7", &here, &here, "127.0.0.1:7"),
        ] {
            assert_eq!(
                seen_from_here(announced.parse().unwrap(), proxy, end),
                ip(seen)
            );
        }
    }
}
