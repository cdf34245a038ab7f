//! What commands tell the audit log: where an event comes from, and who was refused.

use std::sync::Arc;

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::context::{ConnectionState, Context};
use super::registry;
use super::services::Services;
use super::unserved::SENSITIVE;
use crate::audit::{Check, Endpoint, Event, Origin};
use crate::auth::stranger_lines::Refusal;
use crate::error::{CommandError, ErrorCode};
use crate::model::directory_change::DirectoryChange;
use crate::net::{Address, Peer};

/// Commands about a collection that are served all the same: some collections are shown.
const ABOUT_COLLECTIONS: [&str; 6] = ["aggregate", "count", "distinct", "drop", "find", "insert"];

impl ConnectionState {
    /// Where events of this connection come from; `None` while nothing is audited.
    pub fn audit_origin(&self) -> Option<Origin> {
        let uuid = self.audit_id?;
        let (local, remote) = audit_ends(&self.peer);
        let signed_in = self.session.signed_in();
        let roles = signed_in.map(|signed_in| signed_in.roles.names().cloned().collect());
        Some(Origin {
            uuid,
            local,
            remote,
            user: signed_in.map(|signed_in| signed_in.user.name.clone()),
            roles: roles.unwrap_or_default(),
        })
    }

    /// Audits that a command on a database is allowed; an error must keep it from running.
    pub async fn audit_allowed(
        &self,
        services: &Services,
        command: &str,
        db: &str,
        body: &RawDocument,
    ) -> Result<(), CommandError> {
        let Some(origin) = self.audit_origin() else {
            return Ok(());
        };
        let event = Event::check(origin, &check(command, db, body), 0);
        let recorded = services.audit.record(event).await;
        recorded.map_err(|failure| failure.to_command_error())
    }

    /// Audits that a command on a database is refused for want of a privilege. It is refused also if
    /// that cannot be written.
    pub async fn audit_refused(
        &self,
        services: &Services,
        command: &str,
        db: &str,
        body: &RawDocument,
    ) {
        if let Some(origin) = self.audit_origin()
            && self.may_write(Refusal::Other, services)
        {
            let code = ErrorCode::UNAUTHORIZED.0;
            let event = Event::check(origin, &check(command, db, body), code);
            // Counted and logged there.
            let _ = services.audit.record(event).await;
        }
    }
}

impl Context<'_> {
    /// Audits a change that is refused before the writer is asked. The answer is the refusal, or the
    /// reason why it could not be audited.
    pub async fn refused(&self, change: &DirectoryChange, refusal: CommandError) -> CommandError {
        if let (Some(set), Some(note)) = (&self.services.replica_set, &self.commit_note) {
            note.reach(set.last_visible().sequence);
        }
        let code = refusal.code.0;
        let recorded = self.audit(|origin| Event::change(&origin, change, code));
        recorded.await.map_or_else(|failure| failure, |()| refusal)
    }

    /// Writes an event, where anything is audited. An error must keep from happening what it announces.
    pub async fn audit(&self, event: impl FnOnce(Origin) -> Event) -> Result<(), CommandError> {
        let Some(origin) = self.connection.audit_origin() else {
            return Ok(());
        };
        let recorded = self.services.audit.record(event(origin)).await;
        recorded.map_err(|failure| failure.to_command_error())
    }
}

/// The server's and the client's end of a connection, as events name them.
pub fn audit_ends(peer: &Peer) -> (Endpoint, Endpoint) {
    let local = match &peer.local {
        Address::Ip(address) => Endpoint::Ip(*address),
        Address::Unix(path) => Endpoint::Unix(Arc::clone(path)),
    };
    let remote = match &peer.remote {
        Address::Ip(address) => Endpoint::Ip(*address),
        Address::Unix(_) => Endpoint::AnonymousUnix,
    };
    (local, remote)
}

/// Whether allowed commands are audited: one branch where they are not.
pub fn are_allowed_audited(services: &Services) -> bool {
    services.audit.is_on() && services.parameters.audit_authorization_success()
}

/// Audits what the end of a connection puts an end to: a sign-in that was under way, and that of who
/// is signed in.
pub fn audit_end(services: &Services, connection: &ConnectionState) {
    let Some(origin) = connection.audit_origin() else {
        return;
    };
    let session = &connection.session;
    if let Some(attempt) = session.open_attempt() {
        let code = ErrorCode::AUTHENTICATION_ABANDONED.0;
        let (user, mechanism) = (&attempt.user, attempt.mechanism.name());
        let event = Event::authenticate(
            origin.clone(),
            user.user(),
            user.db().as_str(),
            mechanism,
            code,
        );
        services.audit.record_later(&event);
    }
    if session.signed_in().is_some() {
        services.audit.record_later(&Event::disconnected(origin));
    }
}

fn check<'a>(command: &'a str, db: &str, body: &'a RawDocument) -> Check<'a> {
    let served = registry::find(command);
    let declared = served.map_or(&[][..], |(_, entry)| entry.fields);
    let sensitive = declared.iter().filter(|field| field.sensitive);
    let is_about_collection = served.is_none() || ABOUT_COLLECTIONS.contains(&command);
    Check {
        command: served.map_or(command, |(_, entry)| entry.spec.name),
        namespace: match body.iter().next() {
            Some(Ok((_, RawBsonRef::String(collection)))) if is_about_collection => {
                format!("{db}.{collection}")
            }
            _ => db.to_owned(),
        },
        arguments: body,
        sensitive: sensitive
            .map(|field| field.name)
            // Also in a command that declares none.
            .chain(SENSITIVE.iter().copied())
            .collect(),
    }
}
