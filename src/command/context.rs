//! What a command can reach while it runs.

use std::sync::{Arc, OnceLock};

use bson::raw::RawDocument;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::arguments::Field;
use super::generic::Generic;
use super::handshake::hello::HelloStream;
use super::services::{Services, ops_error_code};
use crate::audit::Event;
use crate::auth::failed_sign_ins::Guess;
use crate::auth::half_open::OpenSignIn;
use crate::auth::hash_pool::{Owner, Share};
use crate::auth::origin::Origin;
use crate::auth::session::Session;
use crate::auth::stranger_lines::Refusal;
use crate::auth::unauthenticated::UnauthenticatedPlace;
use crate::authz::{Authority, Pass};
use crate::catalog::{Catalog, Merged};
use crate::config::parameters::Parameters;
use crate::model::directory_change::DirectoryChange;
use crate::model::names::UserName;
use crate::net::{Address, Peer};
use crate::ops::{CommitNote, Order};
use crate::telemetry::events::{self, Client};
use crate::wire::OpMsg;

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
    /// Where its orders have their commits noted, if it waits for other members afterwards.
    pub commit_note: Option<CommitNote>,
    /// When `maxTimeMS` is over.
    pub deadline: Option<Instant>,
    /// Whether the client takes more than one answer.
    pub exhaust_allowed: bool,
    /// The message, where its document sequences belong to the command.
    pub message: Option<&'a OpMsg>,
}

/// What a connection remembers between commands.
pub struct ConnectionState {
    /// The two ends.
    pub peer: Peer,
    /// Who is signed in.
    pub session: Session,
    /// What its audit events have in common; `None` while nothing is audited.
    pub audit_id: Option<uuid::Uuid>,
    /// Told when the peer leaves while a command runs; on members of a replica set, where commands
    /// may wait for others.
    pub departure: Option<Arc<Notify>>,
    /// Whether a hello was answered.
    pub is_greeted: bool,
    /// Whether the client has said that it knows `hello`.
    pub supports_hello: bool,
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
    pub guess: Option<Arc<Guess>>,
}

impl<'a> Context<'a> {
    /// On whose behalf the command runs.
    pub fn authority(&self) -> Authority<'_> {
        self.connection.authority(self.services)
    }

    /// Leave to make `change`, which is audited before it is committed and logged once it is.
    pub fn order(&self, pass: Pass, change: DirectoryChange) -> Order {
        let (by, client) = (self.caller(), self.connection.client());
        let change = Arc::new(change);
        let order = match self.connection.audit_origin() {
            None => self.bare_order(pass),
            Some(origin) => {
                let change = Arc::clone(&change);
                self.bare_order(pass)
                    .audited(self.services.audit.clone(), move |refusal| {
                        let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
                        Event::change(&origin, &change, code)
                    })
            }
        };
        order.once_written(move |dropped| {
            let count = dropped.users + dropped.roles;
            events::directory_changed(&change, count, by.as_ref(), client);
        })
    }

    /// Leave to make the changes that `merged` will name: each is audited and logged as if it were
    /// made by a command of its own.
    pub fn order_of_merge(&self, pass: Pass, merged: &Arc<OnceLock<Merged>>) -> Order {
        let (by, client) = (self.caller(), self.connection.client());
        let order = match self.connection.audit_origin() {
            None => self.bare_order(pass),
            Some(origin) => {
                let merged = Arc::clone(merged);
                self.bare_order(pass)
                    .audited_as(self.services.audit.clone(), move |refusal| {
                        let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
                        // Nothing is decided for who lost the right to: that is audited by the answer.
                        let changes = merged.get().into_iter().flat_map(|merged| &merged.changed);
                        changes
                            .map(|change| Event::change(&origin, change, code))
                            .collect()
                    })
            }
        };
        let merged = Arc::clone(merged);
        order.once_written(move |_| {
            for change in merged.get().into_iter().flat_map(|merged| &merged.changed) {
                events::directory_changed(change, 0, by.as_ref(), client);
            }
            for left_out in merged.get().into_iter().flat_map(|merged| &merged.left_out) {
                events::not_restored(&left_out.what, &left_out.reason, client);
            }
        })
    }

    /// Leave to make a change that is neither audited nor logged.
    pub fn bare_order(&self, pass: Pass) -> Order {
        Order::new(pass).noted_in(self.commit_note.clone())
    }

    /// The hashing pool, on behalf of whoever runs the command.
    pub fn hash_share(&self) -> Share<'a> {
        let stranger = || Owner::Stranger(self.connection.origin());
        let owner = self.caller().map_or_else(stranger, Owner::User);
        self.services.hash_pool.share_of(owner)
    }

    /// Who is signed in.
    pub fn caller(&self) -> Option<UserName> {
        self.connection
            .session
            .signed_in()
            .map(|signed_in| signed_in.user.name.clone())
    }
}

impl ConnectionState {
    /// Waits until the peer leaves.
    pub async fn left(&self) {
        match &self.departure {
            Some(departure) => departure.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Brings who is signed in up to date, see [`Session::refresh`].
    pub fn refresh_session(&mut self, catalog: &Catalog) {
        if let Some(user) = self.session.refresh(catalog) {
            events::signed_out(&user, self.client());
        }
    }

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

    /// Whether a refusal is written to the logs: always for users, and so often for strangers.
    pub fn may_write(&self, refusal: Refusal, services: &Services) -> bool {
        let is_user = self.session.signed_in().is_some();
        let from = self.limited_origin(&services.parameters);
        is_user || services.may_write_of_stranger(from, refusal, self.client())
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

    /// From this machine, and there has been no user and no role since the start, as far as is known
    /// for certain.
    fn has_localhost_exception(&self, services: &Services) -> bool {
        services.parameters.enable_localhost_auth_bypass()
            && self.peer.is_local()
            && !services.directory.catalog().had_users_or_roles()
            && services.is_in_touch()
    }

    /// Whether nobody between the two ends can read it: TLS, or a Unix domain socket.
    pub fn is_private(&self) -> bool {
        self.peer.tls.is_some() || matches!(self.peer.remote, Address::Unix(_))
    }
}
