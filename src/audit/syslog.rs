//! The local syslog: one datagram for each event, in the form of RFC 3164 that `syslog(3)` sends.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::telemetry::timestamp::iso_8601;

/// Where the local syslog listens.
const SOCKET: &str = "/dev/log";
/// Facility `user` (1) and severity `informational` (6), RFC 3164 section 4.1.1.
const PRIORITY: u8 = 8 + 6;
/// Longest wait for a syslog that does not read.
const SEND_MAX: Duration = Duration::from_secs(1);

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A connected socket.
#[derive(Debug)]
pub(super) struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Syslog {
    /// Connects to the syslog of this machine.
    pub(super) fn connect() -> io::Result<Self> {
        Self::connect_to(Path::new(SOCKET))
    }

    fn connect_to(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// Sends one event. A syslog that was restarted has a new socket, so a failure is tried again on
    /// a new connection; one that does not read would only be waited for twice.
    pub(super) fn send(&mut self, event: &[u8]) -> io::Result<()> {
        let mut datagram = header(SystemTime::now(), std::process::id()).into_bytes();
        datagram.extend_from_slice(event);
        match self.socket.send(&datagram) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(_) => {
                *self = Self::connect_to(&self.path)?;
                self.socket.send(&datagram).map(|_| ())
            }
        }
    }
}

/// `<14>Jan  2 03:04:05 portcullis[6]: `, in UTC.
fn header(time: SystemTime, process_id: u32) -> String {
    let iso = iso_8601(time);
    let month = iso.get(5..7).and_then(|month| month.parse().ok());
    let month = month.and_then(|month: usize| MONTHS.get(month.checked_sub(1)?));
    let day = iso.get(8..10).unwrap_or_default().trim_start_matches('0');
    format!(
        "<{PRIORITY}>{} {day:>2} {} {}[{process_id}]: ",
        month.unwrap_or(&"Jan"),
        iso.get(11..19).unwrap_or_default(),
        env!("CARGO_PKG_NAME"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_header_is_that_of_rfc_3164() {
        let at = |seconds| header(UNIX_EPOCH + Duration::from_secs(seconds), 6);
        assert_eq!(at(97_445), "<14>Jan  2 03:04:05 portcullis[6]: ");
        assert_eq!(at(31_535_999), "<14>Dec 31 23:59:59 portcullis[6]: ");
    }

    #[test]
    fn each_event_is_a_datagram_also_after_a_restart_of_the_syslog() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut buffer = [0; 1024];
        let mut received = |socket: &UnixDatagram| {
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::connect_to(&path).unwrap();
        syslog.send(b"{\"a\":1}").unwrap();
        syslog.send(b"{}").unwrap();
        let text = received(&socket);
        assert!(text.starts_with("<14>"), "{text}");
        assert!(text.ends_with("]: {\"a\":1}"), "{text}");
        assert!(received(&socket).ends_with("]: {}"));

        drop(socket);
        syslog.send(b"{}").unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let socket = UnixDatagram::bind(&path).unwrap();
        syslog.send(b"{}").unwrap();
        assert!(received(&socket).ends_with("]: {}"));
    }

    #[test]
    fn a_syslog_that_does_not_read_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::connect_to(&path).unwrap();
        // A second try would not find it.
        std::fs::remove_file(&path).unwrap();
        let error = std::iter::repeat_with(|| syslog.send(b"{}"))
            .find_map(Result::err)
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
