//! Users, roles, grants and groups as a whole, to be kept elsewhere and brought back.

mod backup_rbac;
mod entries;
mod reading;
mod restore_rbac;

pub(super) use restore_rbac::Restore;

use super::call::{Call, Context};
use super::failure::Failure;
use crate::net::Address;

/// Refused where somebody on the way could read hashes of passwords, as `portcullisBackup` is.
fn check_privacy<C: Call>(context: &Context<'_>) -> Result<(), Failure> {
    let peer = &context.connection.peer;
    let is_private = peer.tls.is_some() || matches!(peer.remote, Address::Unix(_));
    let parameters = &context.services().parameters;
    if is_private || peer.is_local() || parameters.allow_backup_without_tls() {
        return Ok(());
    }
    Err(Failure::not_permitted(&format!(
        "{} holds hashes of passwords and needs a TLS connection, or a client on the same machine",
        C::METHOD
    )))
}
