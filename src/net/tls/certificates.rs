//! PEM files: certificates, keys and lists of revoked certificates.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs1KeyDer,
    PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use super::TlsError;
use super::client_verifier::Authority;

/// Bytes a file of certificates, keys or revocations may have.
const PEM_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What `net.tls.certificateKeyFile` holds.
pub(super) struct Identity {
    /// The server's own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Wiped when dropped.
    pub(super) key: Zeroizing<PrivateKeyDer<'static>>,
}

/// A PEM file and the option that names it.
#[derive(Clone, Copy)]
pub(super) struct PemFile<'a> {
    pub(super) option: &'static str,
    pub(super) path: &'a Path,
}

impl PemFile<'_> {
    /// The error for this file; `reason` follows its name.
    pub(super) fn refuse(&self, reason: impl std::fmt::Display) -> TlsError {
        TlsError::new(self.option, self.path, reason)
    }

    /// The server's certificate and key. The certificate has to be valid now, as in mongod.
    pub(super) fn identity(&self) -> Result<Identity, TlsError> {
        let mut chain = Vec::new();
        let mut key = None;
        for (kind, der) in self.sections()? {
            let found = match kind {
                SectionKind::Certificate => {
                    chain.push(CertificateDer::from(der));
                    continue;
                }
                SectionKind::PrivateKey => PrivatePkcs8KeyDer::from(der).into(),
                SectionKind::RsaPrivateKey => PrivatePkcs1KeyDer::from(der).into(),
                SectionKind::EcPrivateKey => PrivateSec1KeyDer::from(der).into(),
                _ => continue,
            };
            // As OpenSSL: the first key counts.
            key.get_or_insert(Zeroizing::new(found));
        }
        let own = chain
            .first()
            .ok_or_else(|| self.refuse("there is no certificate in it"))?;
        self.check_validity(own)?;
        let key = key.ok_or_else(|| self.refuse("there is no private key in it"))?;
        Ok(Identity { chain, key })
    }

    /// Authorities. All have to be valid now: among others, one that is not would go unnoticed.
    pub(super) fn authorities(&self) -> Result<Vec<Authority>, TlsError> {
        let mut authorities = Vec::new();
        for (kind, der) in self.sections()? {
            if kind == SectionKind::Certificate {
                let certificate = CertificateDer::from(der);
                let not_after_seconds = self.check_validity(&certificate)?;
                authorities.push(Authority {
                    certificate,
                    not_after_seconds,
                });
            }
        }
        if authorities.is_empty() {
            return Err(self.refuse("there is no certificate in it"));
        }
        Ok(authorities)
    }

    /// Lists of revoked certificates.
    pub(super) fn revocations(
        &self,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let lists: Vec<_> = self
            .sections()?
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Crl)
            .map(|(_, der)| CertificateRevocationListDer::from(der))
            .collect();
        if lists.is_empty() {
            return Err(self.refuse("there is no certificate revocation list in it"));
        }
        Ok(lists)
    }

    /// The last second that the certificate is valid, since 1970.
    fn check_validity(&self, certificate: &CertificateDer<'_>) -> Result<u64, TlsError> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|_| self.refuse("there is a certificate in it that cannot be read"))?;
        if !parsed.validity().is_valid() {
            return Err(self.refuse(format!(
                "the certificate {} is expired or not yet valid",
                parsed.subject()
            )));
        }
        Ok(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default())
    }

    fn sections(&self) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
        let bytes = self.bytes()?;
        if is_encrypted(&bytes) {
            return Err(self.refuse("its private key is encrypted, which is not supported"));
        }
        let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes);
        // The parser's own words could repeat parts of a key.
        sections
            .collect::<Result<_, _>>()
            .map_err(|_| self.refuse("it is not valid PEM"))
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        let unreadable = |error: std::io::Error| self.refuse(format!("cannot be read: {error}"));
        let file = File::open(self.path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let too_large = || self.refuse(format!("has more than {PEM_FILE_BYTES_MAX} bytes"));
        let capacity = usize::try_from(length).map_err(|_| too_large())?;
        if capacity > PEM_FILE_BYTES_MAX {
            return Err(too_large());
        }
        // Full capacity from the start: a growing vector would leave copies of a key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity + 64));
        file.take(PEM_FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() > PEM_FILE_BYTES_MAX {
            return Err(too_large());
        }
        Ok(bytes)
    }
}

/// What keeps clients away that check the server's certificate, as most do.
pub(super) fn oddities(certificate: &CertificateDer<'_>) -> Vec<&'static str> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let names = parsed.subject_alternative_name().ok().flatten();
    let has_name = names.is_some_and(|names| {
        let is_host = |name: &GeneralName<'_>| {
            matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_))
        };
        names.value.general_names.iter().any(is_host)
    });
    let usage = parsed.extended_key_usage().ok().flatten();
    let is_for_servers = usage.is_none_or(|usage| usage.value.server_auth || usage.value.any);
    let mut oddities = Vec::new();
    if !has_name {
        oddities.push(
            "Server certificate has no compatible Subject Alternative Name. This may prevent TLS \
             clients from connecting",
        );
    }
    if !is_for_servers {
        oddities.push(
            "Server certificate's extended key usage is not for servers. This may prevent TLS \
             clients from connecting",
        );
    }
    oddities
}

/// Whether a private key is encrypted, in the form of PKCS #8 or in OpenSSL's older one.
fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY")
            || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}
