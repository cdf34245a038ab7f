//! Who calls: metadata `authorization`, the base64 of `user:password`, with every call.

use std::fmt::Display;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::{Code, Status};
use zeroize::Zeroizing;

use super::auditing::{MECHANISM, unaudited};
use super::connection::Connection;
use crate::auth::failed_sign_ins::Guess;
use crate::auth::hash_pool::Owner;
use crate::auth::stranger_lines::Refusal;
use crate::auth::verified::{Check, Unchecked};
use crate::authz::Resolved;
use crate::command::sasl::guard::failure_limits;
use crate::command::user::credentials::argon2_cost;
use crate::error::ErrorCode;
use crate::model::names::UserName;
use crate::model::user::User;
use crate::secret::Secret;
use crate::telemetry::events;

/// The name and password of a call.
struct Claim {
    user: String,
    password: Secret<String>,
}

/// Why nobody is signed in.
struct Refused {
    status: Status,
    refusal: Refusal,
}

/// Nothing was looked at.
impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let refusal = Refusal::Other;
        Self { status, refusal }
    }
}

/// The user of a call, if its password is right and it may come from where it does. Who may not is
/// told the same as who does not exist. Whoever is new to the connection is audited, and whoever is
/// refused: who cannot be audited is not let in.
pub(super) async fn authenticate(
    connection: &Connection,
    metadata: &HeaderMap,
) -> Result<Arc<User>, Status> {
    let mut name = String::new();
    let found = find(connection, metadata, &mut name).await;
    let (user, is_remembered) = match found {
        Ok(found) => found,
        Err(Refused { status, refusal }) => {
            let code = match status.code() {
                Code::Unauthenticated => ErrorCode::AUTHENTICATION_FAILED,
                _ => ErrorCode::OPERATION_FAILED,
            };
            connection.audit_no_sign_in(&name, refusal, code).await;
            // Audited first: who hangs up meanwhile is in the audit log all the same.
            let delay = connection.milvus.services.parameters.auth_failed_delay();
            if code == ErrorCode::AUTHENTICATION_FAILED && !delay.is_zero() {
                sleep(delay).await;
            }
            return Err(status);
        }
    };
    if !is_remembered || connection.is_new_user(&user) {
        let audited = connection.audit_sign_in(&name, &user).await;
        audited.map_err(|failure| unaudited(&failure))?;
        connection.note_user(&user);
        events::sign_in_succeeded(&user.name, MECHANISM, connection.client);
    }
    Ok(user)
}

/// The user, and whether its password was right of late already. `named` is what the call says.
async fn find(
    connection: &Connection,
    metadata: &HeaderMap,
    named: &mut String,
) -> Result<(Arc<User>, bool), Refused> {
    let claim = Claim::of(metadata)?;
    named.clone_from(&claim.user);
    let services = &connection.milvus.services;
    // Nobody can have a name that is none: there is nothing to guess.
    let Ok(name) = UserName::new(&claim.user, connection.milvus.settings.database.clone()) else {
        let reason = "nobody can be called so";
        return Err(refused(connection, Refusal::Other, &claim.user, reason));
    };
    let user = services.directory.catalog().user(&name);
    let verified = &services.verified_secrets;
    let is_remembered = verified.remembers(user.as_deref(), &claim.password);
    // Who may not come from here is not told so sooner with the right password.
    let known = user.as_ref().filter(|_| is_remembered);
    if let Some(Ok(user)) = known.map(|user| admit(connection, user)) {
        return Ok((user, true));
    }
    let owner = Owner::Stranger(connection.origin);
    let checked = verify(connection, (user.as_deref(), name), claim.password, owner);
    let (is_right, guess) = checked.await?;
    let admitted = match &user {
        Some(user) if is_right => admit(connection, user),
        Some(_) => Err("wrong password, or none that can be checked"),
        None => Err("there is no such user"),
    };
    // All of these are told alike, so they count alike.
    match guess {
        Some(guess) if admitted.is_ok() => guess.succeeded(),
        Some(guess) => guess.failed(),
        None => {}
    }
    let user = admitted.map_err(|reason| {
        let refusal = Refusal::Guess;
        refused(connection, refusal, &claim.user, reason)
    })?;
    Ok((user, false))
}

/// The user as it is now, if it is still the one that `proved` was and may come from here, or why not.
/// It may have changed while its password waited for its turn and was hashed, which can take long.
fn admit(connection: &Connection, proved: &User) -> Result<Arc<User>, &'static str> {
    let catalog = connection.milvus.services.directory.catalog();
    let _hold = catalog.hold();
    let current = catalog
        .user(&proved.name)
        .filter(|user| user.user_id == proved.user_id)
        .ok_or("it was dropped while its password was checked")?;
    if current.credentials != proved.credentials {
        return Err("its credentials changed while its password was checked");
    }
    if !may_come_from_here(&current, connection) {
        return Err("its authenticationRestrictions are not met");
    }
    Ok(current)
}

/// Whether it is the password of the user of this name, who may be nobody: after failures not at once,
/// and never many. A wrong one is a failed sign-in; what a right one is, is left to the caller.
pub(super) async fn verify(
    connection: &Connection,
    (user, name): (Option<&User>, UserName),
    password: Secret<String>,
    owner: Owner,
) -> Result<(bool, Option<Arc<Guess>>), Status> {
    let services = &connection.milvus.services;
    loop {
        let guess = wait_for_turn(connection, &name).await?;
        let check = Check {
            pool: services.hash_pool.share_of(owner.clone()),
            cost: argon2_cost(&services.parameters),
            guess: guess.clone(),
        };
        let verified = &services.verified_secrets;
        match verified.verify(user, password.clone(), check).await {
            Ok(is_right) => return Ok((is_right, guess)),
            Err(Unchecked::NotItsTurn) => {}
            Err(Unchecked::Overloaded(reason)) => {
                return Err(Status::unavailable(reason.to_string()));
            }
        }
    }
}

/// Holds back an attempt to be `name`; none where its failures do not count.
async fn wait_for_turn(
    connection: &Connection,
    name: &UserName,
) -> Result<Option<Arc<Guess>>, Status> {
    let services = &connection.milvus.services;
    let Some(from) = connection.limited_origin() else {
        return Ok(None);
    };
    let limits = failure_limits(&services.parameters);
    let turn = services
        .failed_sign_ins
        .turn(from, name, Instant::now(), &limits)
        .map_err(|reason| refused(connection, Refusal::Other, name.user(), reason).status)?;
    tokio::select! {
        () = sleep_until(turn.at) => {}
        () = services.stop.stopped() => return Err(Status::unavailable("shutting down")),
    }
    let failures = Arc::clone(&services.failed_sign_ins);
    let guess = Guess::new(failures, from, name.clone(), limits, turn.has_queued());
    Ok(Some(Arc::new(guess)))
}

/// Logs why; the client is told the same whatever the reason.
fn refused(connection: &Connection, refusal: Refusal, user: &str, reason: impl Display) -> Refused {
    if connection.may_write(refusal) {
        let name = format!("{user}@{}", connection.milvus.settings.database);
        events::sign_in_failed(&name, MECHANISM, connection.client, &reason);
    }
    Refused {
        status: wrong(),
        refusal,
    }
}

fn wrong() -> Status {
    Status::unauthenticated("auth check failure, please check username and password are correct")
}

fn may_come_from_here(user: &User, connection: &Connection) -> bool {
    let catalog = connection.milvus.services.directory.catalog();
    let endpoints = connection.endpoints;
    user.restrictions.are_met(endpoints)
        && Resolved::of(&user.roles, catalog.as_ref())
            .restrictions()
            .all(|restrictions| restrictions.are_met(endpoints))
}

impl Claim {
    /// Takes the first value; there is no prefix such as `Basic`.
    fn of(metadata: &HeaderMap) -> Result<Self, Status> {
        let value = metadata
            .get("authorization")
            .ok_or_else(|| Status::unauthenticated("missing authorization in header"))?;
        let decoded = STANDARD
            .decode(value.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| Status::unauthenticated("invalid token format"))?;
        let Some(colon) = decoded.iter().position(|byte| *byte == b':') else {
            return Err(Status::unauthenticated(
                "auth check failure, please check api key is correct",
            ));
        };
        let (user, password) = decoded.split_at(colon);
        // What is not UTF-8 names nobody and is nobody's password.
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap_or_default().to_owned();
        Ok(Self {
            user: text(user),
            password: Secret::new(text(password.get(1..).unwrap_or_default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(value: &[u8]) -> Result<(String, String), String> {
        let mut metadata = HeaderMap::new();
        metadata.insert("authorization", value.try_into().unwrap());
        match Claim::of(&metadata) {
            Ok(claim) => Ok((claim.user, claim.password.expose().clone())),
            Err(status) => Err(status.message().to_owned()),
        }
    }

    fn encoded(text: &str) -> Vec<u8> {
        STANDARD.encode(text).into_bytes()
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        let claimed = |user: &str, password: &str| Ok((user.to_owned(), password.to_owned()));
        assert_eq!(claim(&encoded("root:Milvus")), claimed("root", "Milvus"));
        assert_eq!(claim(&encoded("root:a:b")), claimed("root", "a:b"));
        assert_eq!(claim(&encoded(":")), claimed("", ""));
    }

    #[test]
    fn what_is_no_name_and_password_is_told_apart() {
        let refused = |text: &str| Err(text.to_owned());
        let key = "auth check failure, please check api key is correct";
        assert_eq!(claim(b""), refused(key));
        assert_eq!(claim(&encoded("an-api-key")), refused(key));
        for bad in ["Basic cm9vdDpNaWx2dXM=", "cm9vdDpNaWx2dXM", "!!!!"] {
            assert_eq!(
                claim(bad.as_bytes()),
                refused("invalid token format"),
                "{bad}"
            );
        }
        let missing = Claim::of(&HeaderMap::new()).err().unwrap();
        assert_eq!(missing.message(), "missing authorization in header");
    }
}
