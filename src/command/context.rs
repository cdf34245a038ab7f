//! What a command can reach while it runs.

use bson::raw::RawDocument;
use tokio::time::Instant;

use super::arguments::Field;
use super::generic::Generic;
use super::handshake::hello::HelloStream;
use super::services::Services;
use crate::auth::half_open::OpenSignIn;
use crate::auth::hash_pool::{Owner, Share};
use crate::auth::origin::Origin;
use crate::auth::session::Session;
use crate::auth::unauthenticated::UnauthenticatedPlace;
use crate::authz::{Authority, Pass};
use crate::config::parameters::Parameters;
use crate::model::names::{RoleName, UserName};
use crate::net::{Address, Peer};
use crate::ops::Order;
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
    /// When `maxTimeMS` is over.
    pub deadline: Option<Instant>,
    /// Whether the client takes more than one answer.
    pub exhaust_allowed: bool,
}

/// What a connection remembers between commands.
pub struct ConnectionState {
    /// The two ends.
    pub peer: Peer,
    /// Who is signed in.
    pub session: Session,
    /// Whether a hello was answered.
    pub is_greeted: bool,
    /// The `hello` whose answers stream.
    pub stream: Option<HelloStream>,
    /// What the limits on signing in keep of it.
    pub guard: ConnectionGuard,
}

/// What the limits on signing in keep of a connection.
#[derive(Debug)]
pub struct ConnectionGuard {
    /// When it was accepted.
    pub connected_at: Instant,
    /// The place it takes until somebody signs in.
    pub unauthenticated: Option<UnauthenticatedPlace>,
    /// The sign-in that has begun and not ended.
    pub open_sign_in: Option<OpenSignIn>,
    /// The user whose password is being proved, and where from.
    pub guess: Option<(Origin, UserName)>,
}

impl<'a> Context<'a> {
    /// On whose behalf the command runs.
    pub fn authority(&self) -> Authority<'_> {
        self.connection.authority(self.services)
    }

    /// Leave to change `user`, which is logged once it is done.
    pub fn user_order(&self, pass: Pass, action: UserAction, user: &UserName) -> Order {
        let (user, by, client) = (user.clone(), self.caller(), self.connection.client());
        let log = move |_| events::user_changed(action, &user, by.as_ref(), client);
        Order::new(pass).once_written(log)
    }

    /// Leave to change `role`, which is logged once it is done.
    pub fn role_order(&self, pass: Pass, action: RoleAction, role: &RoleName) -> Order {
        let (role, by, client) = (role.clone(), self.caller(), self.connection.client());
        let log = move |_| events::role_changed(action, &role, by.as_ref(), client);
        Order::new(pass).once_written(log)
    }

    /// Leave to drop all users, or all roles, of the command's database; logged once it is done.
    pub fn drop_all_order(&self, pass: Pass, what: DroppedKind) -> Order {
        let (db, by, client) = (
            self.generic.db.clone(),
            self.caller(),
            self.connection.client(),
        );
        Order::new(pass).once_written(move |dropped| match what {
            DroppedKind::Users => {
                events::all_users_dropped(&db, dropped.users, by.as_ref(), client);
            }
            DroppedKind::Roles => {
                events::all_roles_dropped(&db, dropped.roles, by.as_ref(), client);
            }
        })
    }

    /// The hashing pool, on behalf of whoever runs the command.
    pub fn hash_share(&self) -> Share<'a> {
        let stranger = || Owner::Stranger(self.connection.origin());
        let owner = self.caller().map_or_else(stranger, Owner::User);
        self.services.hash_pool.share_of(owner)
    }

    fn caller(&self) -> Option<UserName> {
        self.connection
            .session
            .signed_in()
            .map(|signed_in| signed_in.user.name.clone())
    }
}

/// What a command drops all of.
#[derive(Debug, Clone, Copy)]
pub enum DroppedKind {
    /// `dropAllUsersFromDatabase`.
    Users,
    /// `dropAllRolesFromDatabase`.
    Roles,
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

    /// Where the client comes from.
    pub fn origin(&self) -> Origin {
        Origin::of(self.peer.remote.ip())
    }

    /// Where the client comes from if the limits of one address count for it. Whoever is on this
    /// machine has shorter ways to do harm.
    pub fn limited_origin(&self, parameters: &Parameters) -> Option<Origin> {
        let is_exempt =
            self.peer.is_local() && !parameters.sign_in_limits().failed_limits_on_loopback();
        (!is_exempt).then(|| self.origin())
    }

    /// On whose behalf commands of this connection run.
    pub fn authority(&self, services: &Services) -> Authority<'_> {
        if !services.is_authorization_enabled {
            return Authority::Unchecked;
        }
        match self.session.signed_in() {
            Some(signed_in) => Authority::User {
                user: &signed_in.user,
                roles_from: signed_in.roles_from,
                privileges: &signed_in.privileges,
            },
            None if self.has_localhost_exception(services) => Authority::LocalhostException,
            None => Authority::Nobody,
        }
    }

    /// From this machine, and there has been no user and no role since the start.
    fn has_localhost_exception(&self, services: &Services) -> bool {
        services.parameters.enable_localhost_auth_bypass()
            && self.peer.is_local()
            && !services.directory.catalog().had_users_or_roles()
    }

    /// Whether nobody between the two ends can read it: TLS, or a Unix domain socket.
    pub fn is_private(&self) -> bool {
        self.peer.tls.is_some() || matches!(self.peer.remote, Address::Unix(_))
    }
}
