//! `authenticationRestrictions`: the addresses a user may sign in from and to.

use std::net::IpAddr;
use std::str::FromStr;

/// Why a text is no address range. The texts are the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    /// Not an IPv4 or IPv6 address before the slash.
    #[error("Invalid IP address in CIDR string")]
    Address,
    /// A prefix longer than the address.
    #[error("Invalid length in CIDR string")]
    Length,
    /// Something other than digits after the slash.
    #[error("Non-numeric length in CIDR string")]
    NonNumericLength,
}

/// A range of addresses: `10.0.0.0/8`, `::1`. Keeps the text it was given as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cidr {
    text: Box<str>,
    network: IpAddr,
    prefix_bits: u8,
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| InvalidCidr::Address)?;
        let bits_max = address_bits(network);
        let prefix_bits = match length {
            None => bits_max,
            Some(digits) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(InvalidCidr::NonNumericLength);
            }
            Some(digits) => match digits.parse() {
                Ok(bits) if bits <= bits_max => bits,
                _ => return Err(InvalidCidr::Length),
            },
        };
        Ok(Self {
            text: text.into(),
            network,
            prefix_bits,
        })
    }
}

impl Cidr {
    /// The text the range was given as.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The range with its prefix length, `127.0.0.1/32`, as the server renders it from its cache.
    pub fn with_prefix(&self) -> String {
        format!("{}/{}", self.network, self.prefix_bits)
    }

    /// Whether `address` is in the range. Families never match each other; an IPv4 client that
    /// reached an IPv6 socket counts as IPv4 (the caller passes canonical addresses).
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_prefix(
                network.to_bits().into(),
                address.to_bits().into(),
                32,
                self.prefix_bits,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128, self.prefix_bits)
            }
            _ => false,
        }
    }
}

fn address_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn same_prefix(left: u128, right: u128, bits: u8, prefix_bits: u8) -> bool {
    prefix_bits == 0 || (left ^ right) >> (bits - prefix_bits) == 0
}

/// The two ends of a connection; `None` for a Unix socket, which no range contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The client's address, IPv4-mapped IPv6 already turned to IPv4.
    pub client: Option<IpAddr>,
    /// The server's address the client connected to, likewise.
    pub server: Option<IpAddr>,
}

/// One entry of `authenticationRestrictions`: met when all of its lists are met, a list when any of
/// its ranges contains the address. A list that is present and empty is never met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRestriction {
    /// Ranges for the client's address.
    pub client_source: Option<Box<[Cidr]>>,
    /// Ranges for the address the client connected to.
    pub server_address: Option<Box<[Cidr]>>,
}

impl AddressRestriction {
    fn is_met(&self, endpoints: Endpoints) -> bool {
        list_is_met(self.client_source.as_deref(), endpoints.client)
            && list_is_met(self.server_address.as_deref(), endpoints.server)
    }
}

fn list_is_met(ranges: Option<&[Cidr]>, address: Option<IpAddr>) -> bool {
    match (ranges, address) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(ranges), Some(address)) => ranges.iter().any(|range| range.contains(address)),
    }
}

/// All entries of one user or role. Empty: no restriction. Else met when any entry is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restrictions(Option<Box<[AddressRestriction]>>);

impl Restrictions {
    /// No restriction.
    pub const NONE: Self = Self(None);

    /// An empty list restricts nothing.
    pub fn new(entries: Vec<AddressRestriction>) -> Self {
        Self((!entries.is_empty()).then(|| entries.into_boxed_slice()))
    }

    /// Whether there is nothing to meet.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The entries as given.
    pub fn entries(&self) -> &[AddressRestriction] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether a connection between these ends may be used.
    pub fn are_met(&self, endpoints: Endpoints) -> bool {
        self.is_empty() || self.entries().iter().any(|entry| entry.is_met(endpoints))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_contain_what_they_should() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(cidr("10.0.0.0/8").contains(ip("10.255.1.2")));
        assert!(!cidr("10.0.0.0/8").contains(ip("11.0.0.0")));
        assert!(cidr("127.0.0.1").contains(ip("127.0.0.1")));
        assert!(!cidr("127.0.0.1").contains(ip("127.0.0.2")));
        assert!(cidr("0.0.0.0/0").contains(ip("8.8.8.8")));
        assert!(!cidr("0.0.0.0/0").contains(ip("::1")));
        assert!(cidr("2001:db8::/32").contains(ip("2001:db8:1::5")));
        assert!(!cidr("::1").contains(ip("127.0.0.1")));
        assert!(!cidr("::ffff:127.0.0.1").contains(ip("127.0.0.1")));
        assert_eq!(cidr("::1").with_prefix(), "::1/128");
    }

    #[test]
    fn bad_ranges_say_why() {
        let why = |text: &str| text.parse::<Cidr>().unwrap_err();
        assert_eq!(why("10.0.0.0/33"), InvalidCidr::Length);
        assert_eq!(why("10.0.0.0/4294967304"), InvalidCidr::Length);
        assert_eq!(why("10.0.0.0/x"), InvalidCidr::NonNumericLength);
        assert_eq!(why("10.0.0.0/-1"), InvalidCidr::NonNumericLength);
        assert_eq!(why("10.0.0.0/"), InvalidCidr::NonNumericLength);
        assert_eq!(why("10.0.0"), InvalidCidr::Address);
        assert_eq!(why(""), InvalidCidr::Address);
        assert_eq!(why("localhost"), InvalidCidr::Address);
    }

    #[test]
    fn any_entry_all_lists_any_range() {
        let both = AddressRestriction {
            client_source: Some([cidr("127.0.0.2"), cidr("127.0.0.3")].into()),
            server_address: Some([cidr("127.0.0.1")].into()),
        };
        let restrictions = Restrictions::new(vec![both]);
        let ends = |client: &str, server: &str| Endpoints {
            client: client.parse().ok(),
            server: server.parse().ok(),
        };
        assert!(restrictions.are_met(ends("127.0.0.3", "127.0.0.1")));
        assert!(!restrictions.are_met(ends("127.0.0.3", "127.0.0.2")));
        assert!(!restrictions.are_met(ends("127.0.0.4", "127.0.0.1")));
        assert!(!restrictions.are_met(Endpoints {
            client: None,
            server: None
        }));
        assert!(Restrictions::NONE.are_met(Endpoints {
            client: None,
            server: None
        }));
        let nothing = AddressRestriction {
            client_source: Some([].into()),
            server_address: None,
        };
        assert!(!Restrictions::new(vec![nothing]).are_met(ends("127.0.0.1", "127.0.0.1")));
    }
}
