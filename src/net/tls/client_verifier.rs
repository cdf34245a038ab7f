//! Whether a client's certificate is good: who signed it, what it is for, when it is valid, and whether
//! it was revoked.

use std::sync::Arc;

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
    trust: Trust,
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientVerifier {
    pub(super) fn new(trust: Trust) -> Result<Self, VerifierBuilderError> {
        Ok(Self {
            inner: trust.verifier()?,
            trust,
        })
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

    /// Without the authorities that have expired since the files were read; `None` if all are valid.
    fn without_expired(&self, now: UnixTime) -> Option<Self> {
        let mut trust = self.clone();
        trust
            .authorities
            .retain(|authority| now.as_secs() <= authority.not_after_seconds);
        (trust.authorities.len() < self.authorities.len()).then_some(trust)
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
        let Some(trust) = self.trust.without_expired(now) else {
            return self
                .inner
                .verify_client_cert(end_entity, intermediates, now);
        };
        // Fails when nobody is left.
        let verifier = trust
            .verifier()
            .map_err(|_| Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
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

    #[test]
    fn an_authority_that_expires_while_the_server_runs_is_trusted_no_more() {
        let authority = |name, not_after_seconds| Authority {
            certificate: certificate(name),
            not_after_seconds,
        };
        // In 2026, and 100 seconds later.
        let expiry = 1_770_000_000;
        let now = [expiry, expiry + 100].map(|at| {
            let since_1970 = std::time::Duration::from_secs(at);
            UnixTime::since_unix_epoch(since_1970)
        });
        let verifier = |authorities: Vec<Authority>| {
            ClientVerifier::new(Trust {
                authorities,
                revocations: None,
                is_optional: false,
                provider: Arc::new(default_provider()),
            })
        };
        let (ours, others) = (certificate("client"), certificate("client-of-other-ca"));
        let both = verifier(vec![
            authority("ca", expiry),
            authority("other-ca", u64::MAX),
        ]);
        let only = verifier(vec![authority("ca", expiry)]);
        let (both, only) = (both.unwrap(), only.unwrap());
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
}
