//! MONGODB-X509: the certificate that TLS has verified says who the client is.
//!
//! [`ClientCertificate`] reads a subject ([`Subject`], printed as RFC 2253) and roles out of one;
//! [`Authenticate`] is the sign-in itself. Nothing here verifies a certificate: the handshake has.

mod attribute;
mod certificate;
mod sign_in;
mod subject;

pub use certificate::{CertificateError, ClientCertificate};
pub use sign_in::{Authenticate, CertificatePolicy};
pub use subject::{InvalidSubject, Subject};
