//! The sockets that peers connect to.

use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, lookup_host};

use super::Address;
use super::stream::Stream;
use super::unix::UnixSocket;

/// Connections the kernel keeps ready to be accepted; it caps this by `net.core.somaxconn`.
pub(super) const BACKLOG_CONNECTIONS_MAX: i32 = 4096;
/// With port 0, how many ports to try until one is free on every address.
const PORT_ATTEMPTS_MAX: u32 = 16;
/// `filePermissions` of mongod, where nothing else is said.
const UNIX_PERMISSIONS: u32 = 0o700;
/// As mongod: a silent peer is probed after this, and then every second.
const KEEPALIVE_AFTER: Duration = Duration::from_mins(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindOptions {
    /// `net.bindIp`: addresses, host names, `*` for all, or absolute paths of Unix sockets.
    pub hosts: Vec<String>,
    /// `net.port`; 0 takes any port that is free on all addresses.
    pub port: u16,
    /// `net.ipv6`: without it, host names and `*` stand for IPv4 only.
    pub ipv6: bool,
    /// `net.unixDomainSocket`; absent means no socket beside the port.
    pub unix_socket: Option<UnixSocketOptions>,
}

/// The Unix socket that goes with the port: `<directory>/mongodb-<port>.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocketOptions {
    /// `pathPrefix`, `/tmp` in mongod.
    pub directory: PathBuf,
    /// `filePermissions`, 0o700 in mongod.
    pub permissions: u32,
}

/// Why the server cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// `hosts` is empty and there is no Unix socket.
    #[error("there is no address to listen on")]
    NoAddress,
    /// A host name that means nothing.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// As configured.
        host: String,
        /// The resolver's reason.
        source: io::Error,
    },
    /// A socket cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: Address,
        /// Why not.
        source: io::Error,
    },
}

/// Open sockets. Dropping them closes them and removes the Unix sockets' files.
#[derive(Debug)]
pub struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Vec<UnixSocket>,
    addresses: Vec<Address>,
    /// The socket to ask first.
    turn: AtomicUsize,
}

/// A new connection.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) local: Address,
    pub(super) remote: Address,
    /// The trusted proxy that the peer came through.
    pub(super) proxy: Option<Address>,
}

impl Listeners {
    /// Opens every socket of `options`, or none.
    pub async fn bind(options: &BindOptions) -> Result<Self, BindError> {
        let is_path = |host: &&String| host.starts_with('/');
        let (paths, hosts): (Vec<_>, Vec<_>) = options.hosts.iter().partition(is_path);
        let ips = resolve(&hosts, options.ipv6).await?;
        let (tcp, port) = bind_all(&ips, options.port)?;

        let mut unix = Vec::new();
        for path in paths {
            let permissions = options.unix_socket.as_ref().map(|given| given.permissions);
            let permissions = permissions.unwrap_or(UNIX_PERMISSIONS);
            unix.push(UnixSocket::bind(Path::new(path), permissions)?);
        }
        if let Some(given) = &options.unix_socket {
            let path = given.directory.join(format!("mongodb-{port}.sock"));
            unix.push(UnixSocket::bind(&path, given.permissions)?);
        }

        let ip_addresses = ips.iter().map(|ip| Address::Ip(SocketAddr::new(*ip, port)));
        let unix_addresses = unix.iter().map(UnixSocket::address);
        let addresses: Vec<_> = ip_addresses.chain(unix_addresses).collect();
        if addresses.is_empty() {
            return Err(BindError::NoAddress);
        }
        Ok(Self {
            tcp,
            unix,
            addresses,
            turn: AtomicUsize::new(0),
        })
    }

    /// Where peers can connect, with the port that was taken.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The next connection of any socket. May be dropped without losing one.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        // In turn, so that a flood on one socket does not keep the others waiting.
        let first = self.turn.load(Ordering::Relaxed);
        let count = self.tcp.len() + self.unix.len();
        for place in (first..count).chain(0..first) {
            if let Poll::Ready(accepted) = self.poll_accept_at(place, context) {
                self.turn.store((place + 1) % count, Ordering::Relaxed);
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    fn poll_accept_at(
        &self,
        place: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Accepted>> {
        if let Some(listener) = self.tcp.get(place) {
            let accepted = listener.poll_accept(context);
            return accepted
                .map(|accepted| accepted.and_then(|(stream, remote)| tcp(stream, remote)));
        }
        let Some(socket) = self.unix.get(place - self.tcp.len()) else {
            return Poll::Pending;
        };
        socket.poll_accept(context).map_ok(|stream| Accepted {
            stream: Stream::Unix(stream),
            local: socket.address(),
            remote: socket.address(),
            proxy: None,
        })
    }
}

fn tcp(stream: TcpStream, remote: SocketAddr) -> io::Result<Accepted> {
    let canonical =
        |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    // Linux hands them on from the listening socket, which saves four system calls a connection.
    if cfg!(not(target_os = "linux")) {
        set_connection_options(&SockRef::from(&stream))?;
    }
    Ok(Accepted {
        local: Address::Ip(canonical(stream.local_addr()?)),
        remote: Address::Ip(canonical(remote)),
        stream: Stream::Tcp(stream),
        proxy: None,
    })
}

fn set_connection_options(socket: &Socket) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)
}

/// The addresses that `hosts` stand for, each once.
async fn resolve(hosts: &[&String], ipv6: bool) -> Result<Vec<IpAddr>, BindError> {
    let mut ips = Vec::new();
    for host in hosts {
        if *host == "*" {
            ips.push(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            ips.extend(ipv6.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        } else if let Ok(ip) = host.parse() {
            ips.push(ip);
        } else {
            let failed = |source| BindError::Resolve {
                host: (*host).clone(),
                source,
            };
            let found = lookup_host((host.as_str(), 0)).await.map_err(failed)?;
            let usable = found.map(|found| found.ip());
            let before = ips.len();
            ips.extend(usable.filter(|ip| ipv6 || ip.is_ipv4()));
            if ips.len() == before {
                let nothing = io::Error::other("the name has no address of an enabled family");
                return Err(failed(nothing));
            }
        }
    }
    let mut seen = HashSet::new();
    ips.retain(|ip| seen.insert(*ip));
    Ok(ips)
}

/// Listens on all of `ips` with one port, and says which it is.
fn bind_all(ips: &[IpAddr], port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    let mut attempt = 1;
    loop {
        match try_bind_all(ips, port) {
            Err(BindError::Listen { source, .. })
                if port == 0
                    && source.kind() == io::ErrorKind::AddrInUse
                    && attempt < PORT_ATTEMPTS_MAX =>
            {
                attempt += 1; // the port that was free on the first address was not on another
            }
            done => return done,
        }
    }
}

fn try_bind_all(ips: &[IpAddr], mut port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    let only_v6 = ips.iter().any(IpAddr::is_ipv4);
    let mut listeners = Vec::new();
    for ip in ips {
        let address = SocketAddr::new(*ip, port);
        let failed = |source| BindError::Listen {
            address: Address::Ip(address),
            source,
        };
        let listener = listen(address, only_v6).map_err(failed)?;
        port = listener.local_addr().map_err(failed)?.port();
        listeners.push(listener);
    }
    Ok((listeners, port))
}

fn listen(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    set_connection_options(&socket)?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)?;
    TcpListener::from_std(socket.into())
}
