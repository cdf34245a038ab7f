//! From files to what rustls needs.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::certificates::{Identity, PemFile, oddities};
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

/// Who signed a client's certificate, what it is for, when it is valid, and whether it was revoked.
fn client_verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let file = PemFile {
        option: CA_FILE,
        path: &options.ca_file,
    };
    let mut roots = RootCertStore::empty();
    for authority in file.authorities()? {
        roots.add(authority).map_err(|error| file.refuse(error))?;
    }
    let roots = Arc::new(roots);
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
    let mut last = file;
    if let Some(path) = &options.crl_file {
        last = PemFile {
            option: CRL_FILE,
            path,
        };
        // As OpenSSL in mongod: the client's own certificate has to be in the scope of a list that is
        // up to date; those between it and its authority are not looked up.
        builder = builder
            .with_crls(last.revocations()?)
            .only_check_end_entity_revocation()
            .enforce_revocation_expiration();
    }
    if options.allow_connections_without_certificates {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| last.refuse(error))
}

fn supported(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    }
}
