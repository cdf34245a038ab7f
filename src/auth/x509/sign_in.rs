//! The sign-in by certificate, which takes one message.

use std::fmt::Display;
use std::sync::Arc;

use super::{ClientCertificate, Subject};
use crate::auth::sasl::{Attempt, SignInError};
use crate::auth::session::{Session, SignedIn, restrictions_of};
use crate::authz::RolesFrom;
use crate::catalog::Catalog;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::names::{DbName, UserName};
use crate::model::user::{Credentials, User};

/// An `authenticate`.
#[derive(Debug)]
pub struct Authenticate<'a> {
    /// The database it runs on.
    pub db: &'a DbName,
    /// The mechanism as the client names it.
    pub mechanism: &'a str,
    /// Who the client thinks it is; must be the subject, if it is said.
    pub user: Option<&'a str>,
    /// Whether it came inside a hello.
    pub is_speculative: bool,
    /// Whether the client forbids everything that is not in the stable API.
    pub is_api_strict: bool,
}

/// What the connection and the deployment say about signing in by certificate.
#[derive(Debug, Clone, Copy)]
pub struct CertificatePolicy<'a> {
    /// Whether the mechanism is enabled.
    pub is_enabled: bool,
    /// Whether the connection is encrypted.
    pub has_tls: bool,
    /// The client's verified certificate in DER, if it showed one.
    pub certificate: Option<&'a [u8]>,
    /// The subject of the server's own certificate; without one nobody signs in.
    pub server: Option<&'a Subject>,
    /// Whether certificates may grant roles.
    pub allows_roles: bool,
}

impl Session {
    /// Signs in whom the certificate names. The client is told of its own mistakes and that its user
    /// does not exist; everything else looks alike.
    pub fn authenticate(
        &mut self,
        request: &Authenticate<'_>,
        policy: &CertificatePolicy<'_>,
        catalog: &Catalog,
    ) -> Result<Attempt, Box<SignInError>> {
        self.abandon_conversation();
        if request.mechanism != Mechanism::X509.name() {
            return Err(SignInError::failed(
                &"the mechanism is not MONGODB-X509",
                None,
            ));
        }
        if !policy.is_enabled {
            return Err(SignInError::failed(&"the mechanism is not enabled", None));
        }
        check_place(request, policy)?;
        let certificate = read(policy).map_err(|reason| SignInError::failed(&reason, None))?;
        let subject = certificate.subject.to_string();
        let name = UserName::new(&subject, DbName::EXTERNAL)
            .map_err(|error| SignInError::failed(&error, None))?;
        let attempt = Attempt {
            user: name,
            mechanism: Mechanism::X509,
            is_speculative: request.is_speculative,
        };
        let failed = |reason: &dyn Display| SignInError::failed(reason, Some(attempt.clone()));
        if request.user.is_some_and(|user| user != subject) {
            return Err(failed(&"the certificate names another user"));
        }
        let Some(server) = policy.server else {
            return Err(failed(&"the server's own certificate cannot be read"));
        };
        if server.is_of_same_cluster(&certificate.subject) {
            return Err(failed(
                &"the certificate is that of a member of the cluster",
            ));
        }
        // Before the user: a change between the two reads is then seen next time.
        let generation = catalog.generation();
        let _hold = catalog.hold();
        let (user, roles_from) = if policy.allows_roles && !certificate.roles.is_empty() {
            let user = owner(&attempt.user, certificate, catalog);
            (Arc::new(user), RolesFrom::Certificate)
        } else {
            let found = catalog
                .user(&attempt.user)
                .ok_or_else(|| SignInError::user_is_gone(&attempt))?;
            (found, RolesFrom::Catalog)
        };
        let signed_in = SignedIn::resolve(user, roles_from, catalog, generation, self.endpoints())
            .map_err(|unmet| failed(&unmet))?;
        self.sign_in(signed_in, request.is_api_strict)
            .map_err(|error| failed(&error.message))?;
        Ok(attempt)
    }
}

/// What the client is told in so many words.
fn check_place(
    request: &Authenticate<'_>,
    policy: &CertificatePolicy<'_>,
) -> Result<(), Box<SignInError>> {
    let told = |text: &str| {
        let error = CommandError::new(ErrorCode::PROTOCOL_ERROR, text);
        Err(SignInError::told(error, None))
    };
    if !policy.has_tls {
        return told("SSL support is required for the MONGODB-X509 mechanism.");
    }
    if !request.db.is_external() {
        return told("X.509 authentication must always use the $external database.");
    }
    Ok(())
}

/// The client's certificate, with a subject.
fn read(policy: &CertificatePolicy<'_>) -> Result<ClientCertificate, String> {
    let der = policy
        .certificate
        .ok_or_else(|| "the client showed no certificate".to_owned())?;
    let certificate = ClientCertificate::parse(der).map_err(|error| error.to_string())?;
    if certificate.subject.is_empty() {
        return Err("the certificate has no subject".to_owned());
    }
    Ok(certificate)
}

/// A user that is nowhere but in its certificate. If the catalog has one of that name, its
/// restrictions hold, though its roles do not.
fn owner(name: &UserName, certificate: ClientCertificate, catalog: &Catalog) -> User {
    User {
        name: name.clone(),
        user_id: uuid::Uuid::new_v4(),
        credentials: Credentials::External,
        restrictions: restrictions_of(name, catalog),
        custom_data: None,
        roles: certificate.roles.into(),
    }
}

#[cfg(test)]
mod tests;
