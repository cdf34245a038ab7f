//! Unix sockets: a file that must be made, replaced and removed at the right moments.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::listener::BACKLOG_CONNECTIONS_MAX;
use super::{Address, BindError};

/// A listening Unix socket. Dropping it removes its file, unless somebody put another in its place.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: Arc<Path>,
    /// Device and inode of the file.
    identity: (u64, u64),
}

impl UnixSocket {
    pub(super) fn bind(path: &Path, permissions: u32) -> Result<Self, BindError> {
        bind(path, permissions).map_err(|source| BindError::Listen {
            address: Address::Unix(path.into()),
            source,
        })
    }

    pub(super) fn address(&self) -> Address {
        Address::Unix(Arc::clone(&self.path))
    }

    pub(super) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        let accepted = self.listener.poll_accept(context);
        accepted.map_ok(|(stream, _unnamed)| stream)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let removed = fs::remove_file(&self.path);
            if let Err(error) = removed {
                tracing::warn!(path = %self.path.display(), %error, "cannot remove the Unix socket");
            }
        }
    }
}

fn bind(path: &Path, permissions: u32) -> io::Result<UnixSocket> {
    let address = SockAddr::unix(path)?;
    remove_stale(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    // Before listening, so that nobody connects by the permissions the file was born with.
    fs::set_permissions(path, Permissions::from_mode(permissions))?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)?;
    let listener = std::os::unix::net::UnixListener::from(OwnedFd::from(socket));
    Ok(UnixSocket {
        listener: UnixListener::from_std(listener)?,
        path: path.into(),
        identity: identity(path)?,
    })
}

/// Removes what a server that was killed left behind.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the path exists and is no socket",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Connected, or refused to wait in a full queue: somebody listens.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
