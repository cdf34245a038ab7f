//! Where clients come from, as far as limits tell them apart.

use std::net::{IpAddr, Ipv6Addr};

/// Bits of an IPv6 address that one subscriber is given; it chooses the other 64 as it likes.
const IPV6_PREFIX_BITS: u32 = 64;

/// An IPv4 address, the first 64 bits of an IPv6 address, or the Unix sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(Option<IpAddr>);

impl Origin {
    /// Of a client at this address; `None` is a Unix socket.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let prefix = u128::MAX << (u128::BITS - IPV6_PREFIX_BITS);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & prefix))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_of_ipv6_has_one_origin_and_every_ipv4_address_its_own() {
        let of = |text: &str| Origin::of(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("::"), Origin::of(None));
    }
}
