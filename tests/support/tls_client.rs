//! Blocking TLS clients with the certificates of `fixtures/certs`.

use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::{PATIENCE, RawClient, TestServer, fixture};

/// A connection after its handshake, as far as the client can tell.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// The versions that the server speaks.
pub const TLS_VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A file of `fixtures/certs`.
pub fn certificate_file(name: &str) -> PathBuf {
    fixture("certs").join(format!("{name}.pem"))
}

/// The first certificate in it, in DER.
pub fn certificate_der(name: &str) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_file(certificate_file(name));
    certificate.unwrap().to_vec()
}

/// Options of a server with `mode`, the certificate `server` and the authority `ca`.
pub fn tls_arguments(mode: &str) -> Vec<String> {
    [
        ("tlsMode", mode.to_owned()),
        ("tlsCertificateKeyFile", path_text("server")),
        ("tlsCAFile", path_text("ca")),
    ]
    .map(|(name, value)| format!("--{name}={value}"))
    .to_vec()
}

fn path_text(name: &str) -> String {
    certificate_file(name).display().to_string()
}

/// What a client presents and offers. It trusts `ca`.
pub struct TlsClient {
    certificate: Option<String>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl TlsClient {
    /// With the certificate of this name, in any version.
    pub fn with(certificate: &str) -> Self {
        Self {
            certificate: Some(certificate.to_owned()),
            ..Self::without_certificate()
        }
    }

    pub fn without_certificate() -> Self {
        Self {
            certificate: None,
            versions: TLS_VERSIONS.to_vec(),
        }
    }

    pub fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// What its handshakes begin with.
    pub fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate_der("ca").into()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        match &self.certificate {
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(certificate_file(name)).unwrap();
                let chain = vec![certificate_der(name).into()];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        }
    }

    /// Does the client's part of the handshake. With TLS 1.3 the server may refuse it after that.
    pub fn connect(&self, server: &TestServer) -> io::Result<TlsStream> {
        let mut tcp = TcpStream::connect(server.address())?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let name = "localhost".try_into().unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.config()), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(StreamOwned::new(connection, tcp))
    }

    /// A raw client over TLS, which must get that far.
    pub fn raw(&self, server: &TestServer) -> RawClient {
        RawClient::over(self.connect(server).unwrap())
    }
}
