//! TLS by rustls: which files, which versions, who has to show a certificate.

mod certificates;
mod client_verifier;
mod error;
mod handshake;
pub(super) mod log;
mod server_config;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;

pub use error::TlsError;
pub(super) use handshake::{TurnedAway, secure};

/// A version of TLS that the server can speak; older ones it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Where the certificates are and what is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// `net.tls.mode` is `requireTLS`: connections over TCP without TLS are closed.
    pub is_required: bool,
    /// `net.tls.certificateKeyFile`, PEM: the server's certificate, those between it and its
    /// authority, and its key.
    pub certificate_key_file: PathBuf,
    /// `net.tls.CAFile`, PEM: the authorities that client certificates are verified against.
    pub ca_file: PathBuf,
    /// `net.tls.CRLFile`, PEM: which client certificates were revoked.
    pub crl_file: Option<PathBuf>,
    /// `net.tls.allowConnectionsWithoutCertificates`: clients need not present a certificate; one
    /// that they do present is verified all the same.
    pub allow_connections_without_certificates: bool,
    /// Versions that clients may choose from, at least one.
    pub versions: Vec<TlsVersion>,
}

/// What TLS connections begin with. The files can be read again while the server runs: connections
/// that are open go on with what they began with.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    loaded: RwLock<Loaded>,
    /// Held while files are read, so that the last reload is the one that counts.
    reloading: Mutex<()>,
}

/// What was read from the files.
#[derive(Debug, Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    certificate: Arc<[u8]>,
    warnings: Vec<&'static str>,
}

impl Tls {
    /// Reads and checks all files. Blocks while it does.
    pub fn load(options: TlsOptions) -> Result<Self, TlsError> {
        Ok(Self {
            loaded: RwLock::new(Loaded::read(&options)?),
            options,
            reloading: Mutex::new(()),
        })
    }

    /// Reads all files again, for connections to come; after an error nothing has changed.
    pub async fn rotate(self: &Arc<Self>) -> Result<(), TlsError> {
        let tls = Arc::clone(self);
        let reloaded = tokio::task::spawn_blocking(move || tls.reload()).await;
        reloaded.unwrap_or_else(|error| Err(TlsError::system(&error)))
    }

    /// The server's own certificate in DER, as new connections see it.
    pub fn certificate(&self) -> Arc<[u8]> {
        self.loaded().certificate
    }

    /// What is odd about the server's own certificate and keeps some clients away, in sentences.
    pub fn warnings(&self) -> Vec<&'static str> {
        self.loaded().warnings
    }

    /// Blocks.
    fn reload(&self) -> Result<(), TlsError> {
        let _reloading = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let loaded = Loaded::read(&self.options)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    fn is_required(&self) -> bool {
        self.options.is_required
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.loaded().config
    }

    fn loaded(&self) -> Loaded {
        let loaded = self.loaded.read();
        loaded.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TlsVersion {
    /// As `serverStatus` and logs name it: `TLSv1.2`, `TLSv1.3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}
