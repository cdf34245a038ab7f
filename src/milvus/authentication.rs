//! Who calls: metadata `authorization`, the base64 of `user:password`, with every call.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::{Code, Status};
use zeroize::Zeroizing;

use super::auditing::{MECHANISM, unaudited};
use super::connection::Connection;
use crate::auth::hash_pool::Owner;
use crate::authz::Resolved;
use crate::command::sasl::guard::failure_limits;
use crate::command::user::credentials::argon2_cost;
use crate::error::ErrorCode;
use crate::model::names::{DbName, UserName};
use crate::model::user::User;
use crate::secret::Secret;
use crate::telemetry::events;

/// The name and password of a call.
struct Claim {
    user: String,
    password: Secret<String>,
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
        Err(status) => {
            let code = match status.code() {
                Code::Unauthenticated => ErrorCode::AUTHENTICATION_FAILED,
                _ => ErrorCode::OPERATION_FAILED,
            };
            // It has failed whether or not that can be written.
            let _ = connection.audit_sign_in(&name, None, code.0).await;
            // Audited first: who hangs up meanwhile is in the audit log all the same.
            let delay = connection.milvus.services.parameters.auth_failed_delay();
            if code == ErrorCode::AUTHENTICATION_FAILED && !delay.is_zero() {
                sleep(delay).await;
            }
            return Err(status);
        }
    };
    if !is_remembered || connection.is_new_user(user.user_id) {
        let audited = connection.audit_sign_in(&name, Some(&user), 0).await;
        audited.map_err(|failure| unaudited(&failure))?;
        connection.note_user(user.user_id);
        events::sign_in_succeeded(&user.name, MECHANISM, connection.client);
    }
    Ok(user)
}

/// The user, and whether its password was right of late already. `named` is what the call says.
async fn find(
    connection: &Connection,
    metadata: &HeaderMap,
    named: &mut String,
) -> Result<(Arc<User>, bool), Status> {
    let claim = Claim::of(metadata)?;
    named.clone_from(&claim.user);
    let services = &connection.milvus.services;
    let name = UserName::new(&claim.user, DbName::MILVUS).ok();
    let user = name
        .as_ref()
        .and_then(|name| services.directory.catalog().user(name));
    let is_remembered = user.as_ref().is_some_and(|user| {
        let verified = &services.verified_secrets;
        verified.is_remembered(user, &claim.password)
    });
    let is_right = if is_remembered {
        true
    } else {
        check(connection, user.as_deref(), name, claim.password).await?
    };
    let reason = match user {
        Some(user) if is_right && may_come_from_here(&user, connection) => {
            return Ok((user, is_remembered));
        }
        Some(_) if is_right => "its authenticationRestrictions are not met",
        Some(_) => "wrong password, or none that can be checked",
        None => "there is no such user",
    };
    let name = format!("{}@{}", claim.user, DbName::MILVUS);
    events::sign_in_failed(&name, MECHANISM, connection.client, &reason);
    Err(wrong())
}

/// Checks a password that was not right of late: after failures not at once, and never many.
async fn check(
    connection: &Connection,
    user: Option<&User>,
    name: Option<UserName>,
    password: Secret<String>,
) -> Result<bool, Status> {
    let services = &connection.milvus.services;
    let limits = failure_limits(&services.parameters);
    let guess = connection.limited_origin().zip(name);
    if let Some((from, name)) = &guess {
        let failed = &services.failed_sign_ins;
        let turn = failed.turn(*from, name, Instant::now(), &limits);
        let turn = turn.map_err(|reason| {
            events::sign_in_failed(&name.to_string(), MECHANISM, connection.client, &reason);
            wrong()
        })?;
        tokio::select! {
            () = sleep_until(turn.at) => {}
            () = services.stop.stopped() => return Err(Status::unavailable("shutting down")),
        }
    }
    let pool = services
        .hash_pool
        .share_of(Owner::Stranger(connection.origin));
    let cost = argon2_cost(&services.parameters);
    let verifying = services.verified_secrets.verify(user, password, cost, pool);
    let is_right = verifying
        .await
        .map_err(|overloaded| Status::unavailable(overloaded.to_string()))?;
    if let Some((from, name)) = &guess {
        if is_right {
            services.failed_sign_ins.succeeded(*from, name);
        } else {
            let now = Instant::now();
            services.failed_sign_ins.failed(*from, name, now, &limits);
        }
    }
    Ok(is_right)
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
