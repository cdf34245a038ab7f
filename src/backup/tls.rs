//! The client's end of TLS: the server's certificate has to be of an authority that is named.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::BackupError;
use crate::config::BackupTls;

/// A handshake that has not begun.
pub(super) struct Beginning(ClientConnection);

/// Reads the files; the certificate of the server has to be that of `host`.
pub(super) fn begin(files: &BackupTls, host: &str) -> Result<Beginning, BackupError> {
    let ca_file = &files.ca_file;
    let mut roots = RootCertStore::empty();
    for authority in certificates(ca_file)? {
        roots
            .add(authority)
            .map_err(|error| refuse(ca_file, &error))?;
    }
    if roots.is_empty() {
        return Err(refuse(ca_file, &"there is no certificate in it"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(ca_file, &error))?
        .with_root_certificates(roots);
    let config = match &files.certificate_key_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let key = PrivateKeyDer::from_pem_file(file).map_err(|error| refuse(file, &error))?;
            builder
                .with_client_auth_cert(certificates(file)?, key)
                .map_err(|error| refuse(file, &error))?
        }
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| refuse(ca_file, &error))?;
    let connection = ClientConnection::new(Arc::new(config), name);
    let connection = connection.map_err(|error| refuse(ca_file, &error))?;
    Ok(Beginning(connection))
}

impl Beginning {
    pub(super) fn handshake(self, mut tcp: TcpStream) -> io::Result<TlsStream> {
        let Self(mut connection) = self;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(TlsStream(StreamOwned::new(connection, tcp)))
    }
}

/// An encrypted connection, whose end is announced when it is dropped.
pub(super) struct TlsStream(StreamOwned<ClientConnection, TcpStream>);

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.0.conn.send_close_notify();
        // Who is gone need not be told.
        let _ = self.0.flush();
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BackupError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>();
    read().map_err(|error: pem::Error| refuse(file, &error))
}

fn refuse(file: &Path, reason: &dyn std::fmt::Display) -> BackupError {
    BackupError::TlsFile {
        path: file.to_owned(),
        reason: reason.to_string(),
    }
}
