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
use crate::model::names::{RoleName, UserName};
use crate::net::{Address, Peer};
use crate::telemetry::events::{self, Client, RoleAction, UserAction};

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

    /// Logs that the caller changed `user`.
    pub fn log_user_change(&self, action: UserAction, user: &UserName) {
        let by = self
            .connection
            .session
            .signed_in()
            .map(|signed_in| &signed_in.user.name);
        events::user_changed(action, user, by, self.connection.client());
    }

    /// Logs that the caller changed `role`.
    pub fn log_role_change(&self, action: RoleAction, role: &RoleName) {
        let by = self
            .connection
            .session
            .signed_in()
            .map(|signed_in| &signed_in.user.name);
        events::role_changed(action, role, by, self.connection.client());
    }

    /// Logs that the caller dropped all roles of the command's database.
    pub fn log_all_roles_dropped(&self, count: usize) {
        let by = self
            .connection
            .session
            .signed_in()
            .map(|signed_in| &signed_in.user.name);
        events::all_roles_dropped(&self.generic.db, count, by, self.connection.client());
    }

    /// Logs that the caller dropped all users of the command's database.
    pub fn log_all_users_dropped(&self, count: usize) {
        let by = self
            .connection
            .session
            .signed_in()
            .map(|signed_in| &signed_in.user.name);
        events::all_users_dropped(&self.generic.db, count, by, self.connection.client());
    }
}

impl ConnectionState {
    /// The other end, as logs name it.
    pub fn client(&self) -> Client {
        let (address, port) = match &self.peer.remote {
            Address::Ip(address) => (Some(address.ip()), address.port()),
            Address::Unix(_) => (None, 0),
        };
        Client {
            connection_id: self.peer.connection_id.unsigned_abs().into(),
            address,
            port,
        }
    }

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
            && self.is_local()
            && !services.directory.catalog().has_users_or_roles_ever()
    }

    fn is_local(&self) -> bool {
        match &self.peer.remote {
            Address::Ip(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        }
    }
}
