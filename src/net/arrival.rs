//! From an accepted socket to a peer that may send messages.

use std::io;
use std::net::IpAddr;
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
/// trusted proxy, and the list again for the client that the header names.
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

/// Finds out whom a trusted proxy connects for; other connections stay as they are.
///
/// Fails when there is no such header or its client may not come in.
pub(super) async fn announce(
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
        // The proxy itself was let in because it is trusted.
        Ok(Announced::Proxy) => Ok(accepted),
        Ok(Announced::Client {
            source,
            destination,
        }) => {
            let client = Address::Ip(source);
            if !door.is_allowed(&client) {
                counters.add_not_on_allowlist(&client);
                let reason = "the client behind the proxy is not on the list of addresses";
                return Err(io::Error::other(reason));
            }
            Ok(Accepted {
                stream: accepted.stream,
                local: Address::Ip(destination),
                proxy: Some(accepted.remote),
                remote: client,
            })
        }
    }
}

/// Lets a connection in. Answers at once where there is nothing to wait for.
///
/// Fails when the peer may not come in, or leaves; the reason is for the log.
pub(super) async fn arrive(accepted: Accepted, door: &Door) -> Result<Arrived, TurnedAway> {
    let secured = secure(accepted.stream, door.tls.as_deref()).await?;
    Ok(Arrived {
        stream: secured.stream,
        local: accepted.local,
        remote: accepted.remote,
        proxy: accepted.proxy,
        tls: secured.tls,
        received: secured.received,
    })
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
}
