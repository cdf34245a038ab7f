//! The server's only step.

use super::{ClientMessage, PlainUsers};
use crate::auth::sasl::{Attempt, Challenge, Policy, SignInError, Start, mechanism_unavailable};
use crate::auth::session::Session;
use crate::auth::verified::{Check, Unchecked};
use crate::catalog::Catalog;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::names::{DbName, UserName};

impl Start<'_> {
    /// The user whose password the message is, where the message is a password that will be checked.
    pub fn user_to_prove(&self, allowed: PlainUsers<'_>) -> Option<UserName> {
        let is_plain = self.mechanism == Mechanism::Plain.name();
        if !is_plain || !self.is_private || self.is_speculative {
            return None;
        }
        let message = ClientMessage::parse(self.payload.expose()).ok()?;
        let name = name(&message.user, self.db).ok()?;
        allowed.include(name.db()).then_some(name)
    }
}

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
        let name =
            name(&message.user, start.db).map_err(|reason| SignInError::failed(&reason, None))?;
        if !policy.plain_users.include(name.db()) {
            return Err(SignInError::told(mechanism_unavailable(start), None));
        }
        let attempt = Attempt {
            user: name,
            mechanism: Mechanism::Plain,
            is_speculative: start.is_speculative,
        };
        let user = catalog.user(&attempt.user);
        // Who may not come from here is not answered sooner for a right password than for a wrong one.
        let may_enter = || {
            let user = user.as_deref();
            user.is_some_and(|user| self.admit(user, &attempt, catalog).is_ok())
        };
        let verified = policy.verified;
        let is_right = if verified.remembers(user.as_deref(), &message.password) && may_enter() {
            true
        } else {
            let check = Check {
                pool: policy.hash_pool.clone(),
                cost: policy.argon2_cost,
                guess: policy.guess.clone(),
            };
            let is_right = verified.verify(user.as_deref(), message.password, check);
            is_right
                .await
                .map_err(|reason| unchecked(reason, attempt.clone()))?
        };
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

/// Many drivers send PLAIN to `$external`, whatever database they are told: there, where nobody has a
/// password, the name is `user@db`, as names print.
fn name(user: &str, db: &DbName) -> Result<UserName, String> {
    if !db.is_external() {
        return UserName::new(user, db.clone()).map_err(|error| error.to_string());
    }
    let (user, db) = user
        .rsplit_once('@')
        .ok_or_else(|| "a name for PLAIN on $external is user@db".to_owned())?;
    DbName::parse(db)
        .and_then(|db| UserName::new(user, db))
        .map_err(|error| error.to_string())
}

/// The password has been on the wire by now; that is worth a clear word to whoever configured it.
fn not_private() -> CommandError {
    CommandError::new(
        ErrorCode::MECHANISM_UNAVAILABLE,
        "PLAIN sends the password in clear and needs a TLS connection or a Unix domain socket",
    )
}

fn unchecked(reason: Unchecked, attempt: Attempt) -> Box<SignInError> {
    let error = CommandError::new(ErrorCode::OPERATION_FAILED, reason.to_string());
    Box::new(SignInError {
        needs_another_turn: reason == Unchecked::NotItsTurn,
        ..*SignInError::told(error, Some(attempt))
    })
}

#[cfg(test)]
mod tests;
