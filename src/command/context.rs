//! What a command can reach while it runs.

use std::sync::Arc;

use bson::RawDocumentBuf;
use bson::raw::RawDocument;

use super::arguments::Field;
use super::generic::Generic;
use super::handshake::hello::HelloStream;
use super::services::Services;
use crate::auth::session::Session;
use crate::authz::Authority;
use crate::net::Peer;

/// One command on one connection.
pub struct Context<'a> {
    /// The server.
    pub services: &'a Services,
    /// The connection it came by.
    pub connection: &'a mut ConnectionState,
    /// The fields every command takes.
    pub generic: Generic<'a>,
    /// The whole document.
    pub body: &'a RawDocument,
    /// The command's declared fields.
    pub fields: &'static [Field],
    /// The command's name as the client wrote it.
    pub invoked_as: &'a str,
    /// Whether the client takes more than one answer.
    pub exhaust_allowed: bool,
}

/// What a connection remembers between commands.
pub struct ConnectionState {
    /// The two ends.
    pub peer: Peer,
    /// Who is signed in.
    pub session: Session,
    /// The `client` document of the first hello.
    pub client_metadata: Option<Arc<RawDocumentBuf>>,
    /// Whether a hello was answered.
    pub is_greeted: bool,
    /// The `hello` whose answers stream.
    pub stream: Option<HelloStream>,
}

impl Context<'_> {
    /// On whose behalf the command runs.
    pub fn authority(&self) -> Authority<'_> {
        self.connection.authority(self.services)
    }
}

impl ConnectionState {
    /// On whose behalf commands of this connection run.
    pub fn authority(&self, services: &Services) -> Authority<'_> {
        if !services.is_authorization_enabled {
            return Authority::Unchecked;
        }
        match self.session.signed_in() {
            Some(signed_in) => Authority::User {
                name: &signed_in.user.name,
                direct_roles: &signed_in.user.roles,
                privileges: &signed_in.privileges,
            },
            None if self.has_localhost_exception(services) => Authority::LocalhostException,
            None => Authority::Nobody,
        }
    }

    /// From this machine, and nobody was ever created.
    fn has_localhost_exception(&self, services: &Services) -> bool {
        services.parameters.enable_localhost_auth_bypass()
            && self.peer.remote.is_localhost()
            && !services.directory.catalog().has_users_or_roles_ever()
    }
}
