//! A connection to the server that is copied: one command at a time, blocking.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bson::raw::RawDocument;
use bson::{RawBsonRef, RawDocumentBuf, rawdoc};

use super::BackupError;
use super::tls;
use crate::config::BackupConfig;
use crate::wire::{
    HEADER_BYTES, Header, MESSAGE_BYTES_MAX, Request, WireLimits, frame_length, op_code, parse,
};

/// Until the server accepts the connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// Until the server says something; sorting many users takes it a few seconds.
const SILENCE_LIMIT: Duration = Duration::from_mins(5);

/// What bytes go over.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// An open connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// For errors.
    server: String,
    last_request: i32,
}

impl Connection {
    /// Connects, and does the handshake of TLS.
    pub(super) fn open(config: &BackupConfig) -> Result<Self, BackupError> {
        let is_unix = config.host.starts_with('/');
        let server = if is_unix {
            config.host.clone()
        } else {
            format!("{}:{}", config.host, config.port)
        };
        let failed = |error: io::Error| BackupError::Connection {
            server: server.clone(),
            reason: error.to_string(),
        };
        let stream: Box<dyn Stream> = if is_unix {
            Box::new(connect_unix(&config.host).map_err(failed)?)
        } else {
            let tcp = connect(&config.host, config.port).map_err(failed)?;
            match &config.tls {
                Some(files) => {
                    let begin = tls::begin(files, &config.host)?;
                    Box::new(begin.handshake(tcp).map_err(failed)?)
                }
                None => Box::new(tcp),
            }
        };
        Ok(Self {
            stream,
            server,
            last_request: 0,
        })
    }

    /// Says who connects, for the server's log.
    pub(super) fn greet(&mut self) -> Result<(), BackupError> {
        let hello = rawdoc! {
            "hello": 1,
            "client": {
                "application": { "name": "portcullis backup" },
                "driver": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
                "os": { "type": std::env::consts::OS },
            },
            "$db": "admin",
        };
        self.run("hello", &hello).map(drop)
    }

    /// Runs a command, which is called `name`; an answer without `ok` is an error.
    pub(super) fn run(
        &mut self,
        name: &'static str,
        command: &RawDocument,
    ) -> Result<RawDocumentBuf, BackupError> {
        let exchanged = self.send(command).and_then(|()| self.receive());
        let reply = exchanged.map_err(|error| BackupError::Connection {
            server: self.server.clone(),
            reason: match error.kind() {
                io::ErrorKind::WouldBlock => "it does not answer".to_owned(),
                io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
                _ => error.to_string(),
            },
        })?;
        let is_ok = match reply.get("ok") {
            Ok(Some(RawBsonRef::Double(ok))) => ok != 0.0,
            Ok(Some(RawBsonRef::Int32(ok))) => ok != 0,
            _ => return Err(BackupError::Answer(name)),
        };
        if is_ok {
            return Ok(reply);
        }
        Err(BackupError::Refused {
            command: name,
            code: reply.get_i32("code").unwrap_or_default(),
            message: reply.get_str("errmsg").unwrap_or_default().to_owned(),
        })
    }

    fn send(&mut self, command: &RawDocument) -> io::Result<()> {
        self.last_request += 1;
        let flags = 0_u32.to_le_bytes();
        let length = HEADER_BYTES + flags.len() + 1 + command.as_bytes().len();
        let header = Header {
            message_length: i32::try_from(length).map_err(io::Error::other)?,
            request_id: self.last_request,
            response_to: 0,
            op_code: op_code::MSG,
        };
        let mut message = Vec::with_capacity(length);
        header.write(&mut message);
        message.extend_from_slice(&flags);
        message.push(0);
        message.extend_from_slice(command.as_bytes());
        self.stream.write_all(&message)?;
        self.stream.flush()
    }

    fn receive(&mut self) -> io::Result<RawDocumentBuf> {
        let mut frame = vec![0; HEADER_BYTES];
        self.stream.read_exact(&mut frame)?;
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let length = frame_length(&frame, MESSAGE_BYTES_MAX);
        let length = length.map_err(|error| invalid(error.to_string()))?;
        frame.resize(length.unwrap_or(HEADER_BYTES), 0);
        let rest = frame.get_mut(HEADER_BYTES..).unwrap_or_default();
        self.stream.read_exact(rest)?;
        let response_to = Header::read(&frame).map(|header| header.response_to);
        let limits = WireLimits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            compressors: [].into_iter().collect(),
        };
        match parse(frame.into(), &limits).request {
            Ok(Request::Msg(message)) if response_to == Some(self.last_request) => {
                Ok(message.body().to_owned())
            }
            Ok(_) => Err(invalid("its answer is to something else".to_owned())),
            Err(error) => Err(invalid(error.to_string())),
        }
    }
}

/// The first address that answers.
fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE_LIMIT))?;
                stream.set_write_timeout(Some(SILENCE_LIMIT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_unix(path: &str) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    stream.set_write_timeout(Some(SILENCE_LIMIT))?;
    Ok(stream)
}
