//! From files to what rustls needs.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::certificates::{Identity, PemFile, oddities};
use super::client_verifier::{ClientVerifier, Trust};
use super::{Loaded, TlsError, TlsOptions, TlsVersion};

const CERTIFICATE_KEY_FILE: &str = "net.tls.certificateKeyFile";
const CA_FILE: &str = "net.tls.CAFile";
const CRL_FILE: &str = "net.tls.CRLFile";

impl Loaded {
    /// Reads and checks all files.
    pub(super) fn read(options: &TlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let file = PemFile {
            option: CERTIFICATE_KEY_FILE,
            path: &options.certificate_key_file,
        };
        let identity = file.identity()?;
        let own = identity
            .chain
            .first()
            .ok_or_else(|| file.refuse("there is no certificate in it"))?;
        let certificate = Arc::from(own.as_ref());
        let warnings = oddities(own);
        let key = certified(&file, identity)?;
        let verifier = client_verifier(options, &provider)?;
        let versions: Vec<_> = options.versions.iter().map(|v| supported(*v)).collect();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|error| TlsError::system(&error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        // A resumed session would skip the checks of the client's certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            certificate,
            warnings,
        })
    }
}

fn certified(file: &PemFile<'_>, identity: Identity) -> Result<CertifiedKey, TlsError> {
    let key = ring::sign::any_supported_type(&identity.key)
        .map_err(|_| file.refuse("its private key is of no supported kind"))?;
    let certified = CertifiedKey::new(identity.chain, key);
    certified
        .keys_match()
        .map_err(|_| file.refuse("its private key does not belong to its first certificate"))?;
    Ok(certified)
}

fn client_verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let file = PemFile {
        option: CA_FILE,
        path: &options.ca_file,
    };
    let authorities = file.authorities()?;
    for authority in &authorities {
        let added = RootCertStore::empty().add(authority.certificate.clone());
        added.map_err(|error| file.refuse(error))?;
    }
    let mut last = file;
    let mut revocations = None;
    if let Some(path) = &options.crl_file {
        last = PemFile {
            option: CRL_FILE,
            path,
        };
        revocations = Some(last.revocations()?);
    }
    let verifier = ClientVerifier::new(Trust {
        authorities,
        revocations,
        is_optional: options.allow_connections_without_certificates,
        provider: Arc::clone(provider),
    });
    Ok(Arc::new(verifier.map_err(|error| last.refuse(error))?))
}

fn supported(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    }
}
