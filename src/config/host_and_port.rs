//! Where a member of a replica set is found, as MongoDB writes it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

/// The port where none is named.
const DEFAULT_PORT: u16 = 27017;
/// Longest name of a host (RFC 1035 section 2.3.4), in bytes.
const HOST_NAME_BYTES_MAX: usize = 253;
/// Longest part of it between dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// `host:port`: a name, an IPv4 address or an IPv6 address in brackets, and a port from 1 to 65535.
/// Every driver can connect to what this is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostAndPort(Arc<str>);

/// Why a text is none, in mongod's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostAndPort {
    /// More than one colon, and no brackets.
    #[error(
        "More than one ':' detected. If this is an ipv6 address, it needs to be surrounded by '[' \
         and ']'; {0}"
    )]
    Colons(String),
    /// Nothing before the port.
    #[error("Empty host component parsing HostAndPort from \"{0}\"")]
    NoHost(String),
    /// What follows the colon is no number.
    #[error("Bad digit in the port parsing HostAndPort from \"{0}\"")]
    Port(String),
    /// No port has that number.
    #[error("Port number {port} out of range parsing HostAndPort from \"{text}\"")]
    PortRange {
        /// The number.
        port: u64,
        /// All of the text.
        text: String,
    },
    /// Neither a name nor an address.
    #[error("No host name and no address parsing HostAndPort from \"{0}\"")]
    Host(String),
}

impl HostAndPort {
    /// Reads it; space around it is no part of it, and a port that is left out is 27017.
    pub fn parse(text: &str) -> Result<Self, InvalidHostAndPort> {
        let text = text.trim();
        let whole = || text.to_owned();
        let (host, port) = if text.starts_with('[') {
            match text.rsplit_once("]:") {
                Some((host, port)) => (format!("{host}]"), Some(port)),
                None => (whole(), None),
            }
        } else {
            match text.split_once(':') {
                Some((_, rest)) if rest.contains(':') => {
                    return Err(InvalidHostAndPort::Colons(whole()));
                }
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (whole(), None),
            }
        };
        if host.is_empty() {
            return Err(InvalidHostAndPort::NoHost(whole()));
        }
        let port = port.map_or(Ok(DEFAULT_PORT), |port| parse_port(port, text))?;
        if !is_host(&host) {
            return Err(InvalidHostAndPort::Host(whole()));
        }
        Ok(Self(format!("{host}:{port}").into()))
    }

    /// Whether it names the machine itself, which is another one for everybody else.
    pub fn is_local(&self) -> bool {
        let host = self.0.rsplit_once(':').map_or(&*self.0, |(host, _)| host);
        host == "localhost" || host.starts_with("127.") || host == "[::1]"
    }
}

fn parse_port(port: &str, text: &str) -> Result<u16, InvalidHostAndPort> {
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let number = port.parse::<u64>().ok().filter(|_| is_number);
    let number = number.ok_or_else(|| InvalidHostAndPort::Port(text.to_owned()))?;
    match u16::try_from(number) {
        Ok(port @ 1..) => Ok(port),
        _ => Err(InvalidHostAndPort::PortRange {
            port: number,
            text: text.to_owned(),
        }),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[') {
        let address = inside.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        // No name ends with a number.
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= HOST_NAME_BYTES_MAX && host.split('.').all(is_label)
}

impl Deref for HostAndPort {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<SocketAddr> for HostAndPort {
    fn from(address: SocketAddr) -> Self {
        // Without the scope of an IPv6 address, which means something on this machine only.
        Self(
            SocketAddr::new(address.ip(), address.port())
                .to_string()
                .into(),
        )
    }
}

impl From<HostAndPort> for Arc<str> {
    fn from(host: HostAndPort) -> Self {
        host.0
    }
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for HostAndPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_have_a_port() {
        let table = [
            ("a:1", "a:1"),
            (" db-1.example_x.net:65535 ", "db-1.example_x.net:65535"),
            ("db1", "db1:27017"),
            ("192.0.2.7:27018", "192.0.2.7:27018"),
            ("[2001:db8::7]:27018", "[2001:db8::7]:27018"),
            ("[::1]", "[::1]:27017"),
            ("a:0027", "a:27"),
        ];
        for (text, expected) in table {
            let parsed = HostAndPort::parse(text).map(|host| host.to_string());
            assert_eq!(parsed, Ok(expected.to_owned()));
        }
    }

    #[test]
    fn what_no_driver_could_connect_to_is_none() {
        let long = format!("{}:1", "a".repeat(LABEL_BYTES_MAX + 1));
        let texts = [
            "",
            ":1",
            "a b:::",
            "a b:1",
            "a:",
            "a:x",
            "a:0",
            "a:65536",
            "a:+1",
            "a:-1",
            "::1",
            "::1:27017",
            "[::1",
            "[::1]27017",
            "[::1]:x",
            "[::g]:1",
            "[a]:1",
            "x[::1]:1",
            "]:1",
            "a..b:1",
            ".a:1",
            "300.1.1.1:1",
            "1.2.3:1",
            "/tmp/socket",
            "a/b:1",
            "a,b:1",
            "a@b:1",
            "b\u{fc}cher:1",
            "a\0:1",
            "a:99999999999999999999999",
            &long,
        ];
        for text in texts {
            assert!(HostAndPort::parse(text).is_err(), "{text:?}");
        }
        let refused = |text: &str| HostAndPort::parse(text).unwrap_err().to_string();
        assert_eq!(
            refused("a b:::"),
            "More than one ':' detected. If this is an ipv6 address, it needs to be surrounded by \
             '[' and ']'; a b:::"
        );
        assert_eq!(
            refused("a:65536"),
            "Port number 65536 out of range parsing HostAndPort from \"a:65536\""
        );
    }

    #[test]
    fn the_machine_itself_is_known() {
        for local in ["localhost:1", "127.0.0.1", "[::1]:1"] {
            assert!(HostAndPort::parse(local).unwrap().is_local(), "{local}");
        }
        for other in ["localhost.example:1", "128.0.0.1", "[::2]:1"] {
            assert!(!HostAndPort::parse(other).unwrap().is_local(), "{other}");
        }
    }
}
