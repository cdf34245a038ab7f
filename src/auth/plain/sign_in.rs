//! The server's only step.

use super::ClientMessage;
use crate::auth::hash_pool::Overloaded;
use crate::auth::sasl::{Attempt, Challenge, Policy, SignInError, Start};
use crate::auth::session::Session;
use crate::catalog::Catalog;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::names::UserName;

impl Session {
    /// Checks name and password. Every refusal but that of the connection looks alike, and an unknown
    /// user and one without a hash take as long as a wrong password.
    pub(in crate::auth) async fn plain_start(
        &mut self,
        start: &Start<'_>,
        policy: &Policy<'_>,
        catalog: &Catalog,
    ) -> Result<(Challenge, Attempt), Box<SignInError>> {
        if !start.is_private {
            return Err(SignInError::told(not_private(), None));
        }
        let message = ClientMessage::parse(start.payload.expose())
            .map_err(|error| SignInError::failed(&error, None))?;
        let name = UserName::new(&message.user, start.db.clone())
            .map_err(|error| SignInError::failed(&error, None))?;
        let attempt = Attempt {
            user: name,
            mechanism: Mechanism::Plain,
            is_speculative: start.is_speculative,
        };
        let user = catalog.user(&attempt.user);
        let verified = policy.verified.verify(
            user.as_deref(),
            message.password,
            policy.argon2_cost,
            policy.hash_pool,
        );
        let is_right = verified
            .await
            .map_err(|error| SignInError::told(overloaded(error), Some(attempt.clone())))?;
        let failed = |reason: &str| SignInError::failed(&reason, Some(attempt.clone()));
        let user = user.ok_or_else(|| failed("there is no such user"))?;
        if user.credentials.plain().is_none() {
            return Err(failed("the user has no credential for the mechanism"));
        }
        if !is_right {
            return Err(failed("the password is wrong"));
        }
        self.finish(&user, &attempt, start.is_api_strict, catalog)?;
        let done = Challenge {
            done: true,
            payload: Vec::new(),
        };
        Ok((done, attempt))
    }
}

/// The password has been on the wire by now; that is worth a clear word to whoever configured it.
fn not_private() -> CommandError {
    CommandError::new(
        ErrorCode::MECHANISM_UNAVAILABLE,
        "PLAIN sends the password in clear and needs a TLS connection or a Unix domain socket",
    )
}

fn overloaded(error: Overloaded) -> CommandError {
    CommandError::new(ErrorCode::OPERATION_FAILED, error.to_string())
}
