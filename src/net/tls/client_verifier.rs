//! Whether a client's certificate is good: who signed it, what it is for, when it is valid, and whether
//! it was revoked.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

/// What certificates are verified against.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    pub(super) authorities: Vec<Authority>,
    /// Absent where nothing is looked up. Else, as with OpenSSL in mongod, the client's own certificate
    /// has to be in the scope of a list that is up to date; those between it and its authority are not
    /// looked up.
    pub(super) revocations: Option<Vec<CertificateRevocationListDer<'static>>>,
    /// Whether clients may do without a certificate.
    pub(super) is_optional: bool,
    pub(super) provider: Arc<CryptoProvider>,
}

/// Somebody whose signature counts.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) certificate: CertificateDer<'static>,
    /// The last second it is valid, since 1970.
    pub(super) not_after_seconds: u64,
}

/// The verifier of rustls, which never asks whether an authority itself is still valid.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    /// With all authorities, also those that have expired since.
    inner: Arc<dyn ClientCertVerifier>,
    current: RwLock<Current>,
}

/// What certificates are verified against now.
#[derive(Debug)]
struct Current {
    /// Without those that have expired.
    trust: Trust,
    /// Absent when nobody is left.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl ClientVerifier {
    pub(super) fn new(trust: Trust) -> Result<Self, VerifierBuilderError> {
        let inner = trust.verifier()?;
        let verifier = Some(Arc::clone(&inner));
        Ok(Self {
            inner,
            current: RwLock::new(Current { trust, verifier }),
        })
    }

    /// The verifier for a certificate that is shown at `now`. It is made anew only when an authority
    /// has expired: revocations may be many, and strangers can ask.
    fn at(&self, now: UnixTime) -> Option<Arc<dyn ClientCertVerifier>> {
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if !current.trust.has_expired(now) {
                return current.verifier.clone();
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.trust.has_expired(now) {
            let is_valid = |authority: &Authority| !authority.has_expired(now);
            current.trust.authorities.retain(is_valid);
            current.verifier = current.trust.verifier().ok();
        }
        current.verifier.clone()
    }
}

impl Authority {
    fn has_expired(&self, now: UnixTime) -> bool {
        now.as_secs() > self.not_after_seconds
    }
}

impl Trust {
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(
            self.authorities
                .iter()
                .map(|authority| authority.certificate.clone()),
        );
        let provider = Arc::clone(&self.provider);
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let Some(revocations) = &self.revocations {
            builder = builder
                .with_crls(revocations.iter().cloned())
                .only_check_end_entity_revocation()
                .enforce_revocation_expiration();
        }
        if self.is_optional {
            builder = builder.allow_unauthenticated();
        }
        builder.build()
    }

    /// Whether an authority has.
    fn has_expired(&self, now: UnixTime) -> bool {
        let mut authorities = self.authorities.iter();
        authorities.any(|authority| authority.has_expired(now))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verifier = self
            .at(now)
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        verifier.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn certificate(name: &str) -> CertificateDer<'static> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/certs");
        CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()
    }

    fn authority(name: &str, not_after_seconds: u64) -> Authority {
        Authority {
            certificate: certificate(name),
            not_after_seconds,
        }
    }

    fn verifier(authorities: Vec<Authority>) -> ClientVerifier {
        let trust = Trust {
            authorities,
            revocations: None,
            is_optional: false,
            provider: Arc::new(default_provider()),
        };
        ClientVerifier::new(trust).unwrap()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    }

    #[test]
    fn an_authority_that_expires_while_the_server_runs_is_trusted_no_more() {
        // In 2026, and 100 seconds later.
        let expiry = 1_770_000_000;
        let now = [expiry, expiry + 100].map(at);
        let (ours, others) = (certificate("client"), certificate("client-of-other-ca"));
        let both = verifier(vec![
            authority("ca", expiry),
            authority("other-ca", u64::MAX),
        ]);
        let only = verifier(vec![authority("ca", expiry)]);
        let is_good = |verifier: &ClientVerifier, client, at| {
            let result = verifier.verify_client_cert(client, &[], at);
            if let Err(error) = &result {
                let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
                assert_eq!(error, &unknown);
            }
            result.is_ok()
        };
        assert_eq!(now.map(|at| is_good(&both, &ours, at)), [true, false]);
        assert_eq!(now.map(|at| is_good(&both, &others, at)), [true, true]);
        assert_eq!(now.map(|at| is_good(&only, &ours, at)), [true, false]);
        assert_eq!(now.map(|at| is_good(&only, &others, at)), [false, false]);
    }

    #[test]
    fn a_verifier_is_made_once_for_each_authority_that_expires() {
        let verifier = verifier(vec![authority("ca", 1_000), authority("other-ca", 2_000)]);
        let made = [0, 1_000, 1_001, 2_000].map(|seconds| verifier.at(at(seconds)).unwrap());
        let is_kept = made.windows(2).map(|pair| Arc::ptr_eq(&pair[0], &pair[1]));
        assert_eq!(is_kept.collect::<Vec<_>>(), [true, false, true]);
        assert!(
            [2_001, 3_000]
                .map(at)
                .iter()
                .all(|now| verifier.at(*now).is_none())
        );
    }
}
