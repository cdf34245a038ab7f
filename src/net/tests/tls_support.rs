//! Certificates from `fixtures/certs`, and clients that use them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{Client, TestServer, loopback, soon};
use crate::net::{Door, Limits, Tls, TlsOptions, TlsVersion};

pub(super) const BOTH_VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A file of `fixtures/certs`.
pub(super) fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/certs");
    folder.join(format!("{name}.pem"))
}

/// The first certificate in it.
pub(super) fn der(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(file(name)).unwrap().to_vec()
}

/// Required, with a certificate of the client; `change` says what is different.
pub(super) fn options(change: impl FnOnce(&mut TlsOptions)) -> TlsOptions {
    let mut options = TlsOptions {
        is_required: true,
        certificate_key_file: file("server"),
        ca_file: file("ca"),
        crl_file: None,
        allow_connections_without_certificates: false,
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
    };
    change(&mut options);
    options
}

pub(super) fn tls(change: impl FnOnce(&mut TlsOptions)) -> Arc<Tls> {
    Arc::new(Tls::load(options(change)).unwrap())
}

pub(super) async fn start(tls: &Arc<Tls>) -> TestServer {
    start_with(tls, Limits::default()).await
}

pub(super) async fn start_with(tls: &Arc<Tls>, limits: Limits) -> TestServer {
    let door = Door {
        limits,
        tls: Some(Arc::clone(tls)),
        ..Door::default()
    };
    TestServer::start_behind(&loopback(), door).await
}

/// Trusts `ca` and presents `certificate`.
pub(super) fn client_config(
    certificate: Option<&str>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(der("ca").into()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = match certificate {
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(file(name)).unwrap();
            builder.with_client_auth_cert(vec![der(name).into()], key)
        }
        None => Ok(builder.with_no_client_auth()),
    };
    Arc::new(config.unwrap())
}

pub(super) type TlsClient = Client<TlsStream<TcpStream>>;

/// A client after its side of the handshake. With TLS 1.3 the server may still refuse it.
pub(super) async fn connect(
    server: &TestServer,
    certificate: Option<&str>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsClient> {
    let tcp = server.connect_unseen().await.0;
    let connector = TlsConnector::from(client_config(certificate, versions));
    let name = ServerName::try_from("localhost").unwrap();
    Ok(Client(soon(connector.connect(name, tcp)).await?))
}
