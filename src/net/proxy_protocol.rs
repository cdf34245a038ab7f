//! The PROXY protocol, version 2 (`HAProxy`, "The PROXY protocol", sections 2.2 and 2.3): how a
//! proxy says for whom it connects.
//!
//! A header is a prelude of 16 bytes and as many bytes as that announces: two addresses, then
//! extensions, which nothing here needs. Version 1, which is text, is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A whole header; the addresses take 52 bytes of it at most, the rest is extensions.
const PROXY_HEADER_BYTES_MAX: usize = 4096;
const PRELUDE_BYTES: usize = 16;
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Why a header is not accepted.
#[derive(Debug, Error)]
pub(super) enum ProxyHeaderError {
    #[error("the connection does not begin with a PROXY header of version 2")]
    Signature,
    #[error("the PROXY header is of version {0}, only 2 is understood")]
    Version(u8),
    #[error("the PROXY header has the unknown command {0}")]
    Command(u8),
    /// A Unix socket, a datagram, or nothing at all: the client would be nobody.
    #[error("the PROXY header names no addresses of a TCP connection")]
    Family,
    #[error("the PROXY header has {0} bytes, at most {PROXY_HEADER_BYTES_MAX} are read")]
    TooLong(usize),
    #[error("the PROXY header is too short for its addresses")]
    TooShort,
    #[error("the PROXY header does not arrive: {0}")]
    Socket(#[from] io::Error),
}

/// Whom a proxy connects for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// `LOCAL`: the proxy itself, for instance to see whether the server lives.
    Proxy,
    /// `PROXY`: a client. IPv4 addresses are never written as IPv6.
    Client {
        source: SocketAddr,
        destination: SocketAddr,
    },
}

/// Reads a header and not one byte more.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Announced, ProxyHeaderError> {
    let mut bytes = [0; PRELUDE_BYTES];
    stream.read_exact(&mut bytes).await?;
    let prelude = Prelude::parse(bytes)?;
    let mut rest = vec![0; prelude.rest_bytes];
    stream.read_exact(&mut rest).await?;
    prelude.announced(&rest)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

/// The first 16 bytes.
#[derive(Debug, Clone, Copy)]
struct Prelude {
    command: Command,
    family_and_transport: u8,
    rest_bytes: usize,
}

impl Prelude {
    fn parse(bytes: [u8; PRELUDE_BYTES]) -> Result<Self, ProxyHeaderError> {
        let [.., version_and_command, family_and_transport, high, low] = bytes;
        if !bytes.starts_with(&SIGNATURE) {
            return Err(ProxyHeaderError::Signature);
        }
        let command = match (version_and_command >> 4, version_and_command & 15) {
            (2, 0) => Command::Local,
            (2, 1) => Command::Proxy,
            (2, other) => return Err(ProxyHeaderError::Command(other)),
            (version, _) => return Err(ProxyHeaderError::Version(version)),
        };
        let rest_bytes = usize::from(u16::from_be_bytes([high, low]));
        if PRELUDE_BYTES + rest_bytes > PROXY_HEADER_BYTES_MAX {
            return Err(ProxyHeaderError::TooLong(PRELUDE_BYTES + rest_bytes));
        }
        Ok(Self {
            command,
            family_and_transport,
            rest_bytes,
        })
    }

    /// What the header says; `rest` is all that follows the prelude.
    fn announced(self, rest: &[u8]) -> Result<Announced, ProxyHeaderError> {
        if self.command == Command::Local {
            return Ok(Announced::Proxy);
        }
        let (source, destination) = match self.family_and_transport {
            0x11 => addresses::<4>(rest)?,
            0x21 => addresses::<16>(rest)?,
            _ => return Err(ProxyHeaderError::Family),
        };
        Ok(Announced::Client {
            source,
            destination,
        })
    }
}

/// Both addresses, then both ports, in network order.
fn addresses<const BYTES: usize>(rest: &[u8]) -> Result<(SocketAddr, SocketAddr), ProxyHeaderError>
where
    IpAddr: From<[u8; BYTES]>,
{
    let too_short = || ProxyHeaderError::TooShort;
    let (source, rest) = rest.split_first_chunk::<BYTES>().ok_or_else(too_short)?;
    let (destination, rest) = rest.split_first_chunk::<BYTES>().ok_or_else(too_short)?;
    let (source_port, rest) = rest.split_first_chunk().ok_or_else(too_short)?;
    let (destination_port, _) = rest.split_first_chunk().ok_or_else(too_short)?;
    let socket_address = |ip: [u8; BYTES], port: [u8; 2]| {
        SocketAddr::new(IpAddr::from(ip).to_canonical(), u16::from_be_bytes(port))
    };
    Ok((
        socket_address(*source, *source_port),
        socket_address(*destination, *destination_port),
    ))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0x69, 0x89];

    fn header(version_and_command: u8, family_and_transport: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        let mut header = SIGNATURE.to_vec();
        header.extend([version_and_command, family_and_transport]);
        header.extend(length);
        header.extend(rest);
        header
    }

    /// What is read, and what is left behind it.
    async fn read_of(mut bytes: &[u8]) -> (Result<Announced, String>, Vec<u8>) {
        let announced = read(&mut bytes).await;
        (announced.map_err(|error| error.to_string()), bytes.to_vec())
    }

    fn client(source: &str, destination: &str) -> Announced {
        Announced::Client {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn tcp_over_ipv4_with_extensions_and_nothing_more_is_read() {
        let expected = Ok(client("192.0.2.7:50000", "198.51.100.1:27017"));
        let mut bytes = header(0x21, 0x11, &V4);
        bytes.extend(b"hello");
        assert_eq!(read_of(&bytes).await, (expected.clone(), b"hello".to_vec()));
        let with_extension = [&V4[..], &[0x04, 0, 2, 0, 0]].concat();
        let bytes = header(0x21, 0x11, &with_extension);
        assert_eq!(read_of(&bytes).await, (expected, vec![]));
    }

    #[tokio::test]
    async fn tcp_over_ipv6_and_ipv4_written_as_ipv6() {
        let ends = |source: &str, destination: &str| {
            let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
            [&ip(source)[..], &ip(destination), &[0, 1], &[0, 2]].concat()
        };
        let bytes = header(0x21, 0x21, &ends("2001:db8::7", "2001:db8::1"));
        let expected = Ok(client("[2001:db8::7]:1", "[2001:db8::1]:2"));
        assert_eq!(read_of(&bytes).await.0, expected);
        let bytes = header(0x21, 0x21, &ends("::ffff:192.0.2.7", "::ffff:192.0.2.1"));
        let expected = Ok(client("192.0.2.7:1", "192.0.2.1:2"));
        assert_eq!(read_of(&bytes).await.0, expected);
    }

    #[tokio::test]
    async fn local_is_the_proxy_whatever_else_the_header_says() {
        for family_and_transport in [0x00, 0x11, 0x31, 0xff] {
            let mut bytes = header(0x20, family_and_transport, &V4);
            bytes.push(9);
            let (announced, left) = read_of(&bytes).await;
            assert_eq!((announced, left), (Ok(Announced::Proxy), vec![9]));
        }
    }

    #[tokio::test]
    async fn everything_else_is_refused_with_its_reason() {
        let long = vec![0; PROXY_HEADER_BYTES_MAX - PRELUDE_BYTES + 1];
        let no_addresses = "the PROXY header names no addresses of a TCP connection";
        let no_signature = "the connection does not begin with a PROXY header of version 2";
        let cases = [
            (
                b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
                no_signature,
            ),
            (vec![0; 16], no_signature),
            (
                header(0x11, 0x11, &V4),
                "the PROXY header is of version 1, only 2 is understood",
            ),
            (
                header(0x22, 0x11, &V4),
                "the PROXY header has the unknown command 2",
            ),
            (header(0x21, 0x00, &[]), no_addresses),
            (header(0x21, 0x10, &V4), no_addresses),
            (header(0x21, 0x12, &V4), no_addresses),
            (header(0x21, 0x31, &[0; 216]), no_addresses),
            (
                header(0x21, 0x11, &V4[..11]),
                "the PROXY header is too short for its addresses",
            ),
            (
                header(0x21, 0x21, &[0; 35]),
                "the PROXY header is too short for its addresses",
            ),
            (
                header(0x21, 0x11, &long),
                "the PROXY header has 4097 bytes, at most 4096 are read",
            ),
            (
                header(0x21, 0x11, &V4)[..27].to_vec(),
                "the PROXY header does not arrive: early eof",
            ),
            (
                SIGNATURE.to_vec(),
                "the PROXY header does not arrive: early eof",
            ),
        ];
        for (bytes, reason) in cases {
            assert_eq!(read_of(&bytes).await.0, Err(reason.to_owned()));
        }
    }
}
