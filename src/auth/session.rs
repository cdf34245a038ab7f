//! Who is signed in on a connection, and whether that still holds.

use std::sync::Arc;

use super::sasl::Conversation;
use crate::authz::{EffectivePrivileges, Resolved, RolesFrom};
use crate::catalog::Catalog;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::{DbName, UserName};
use crate::model::restriction::{Endpoints, Restrictions};
use crate::model::user::User;

/// The sign-in state of one connection.
#[derive(Debug)]
pub struct Session {
    endpoints: Endpoints,
    signed_in: Option<SignedIn>,
    pub(super) conversation: Option<Conversation>,
    pub(super) has_negotiated: bool,
}

/// A user and what it may do, as of a generation of the catalog.
#[derive(Debug)]
pub struct SignedIn {
    /// The user as last seen; one whose roles come from its certificate is nowhere else.
    pub user: Arc<User>,
    /// Where the user's own roles come from.
    pub roles_from: RolesFrom,
    /// All roles it holds, directly or through others.
    pub roles: Resolved,
    /// What they add up to.
    pub privileges: EffectivePrivileges,
    generation: u64,
}

/// Why a user that proved who it is may not use this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the connection does not meet the authenticationRestrictions of the user or one of its roles"
)]
pub struct RestrictionsUnmet;

impl Session {
    /// Nobody is signed in yet.
    pub fn new(endpoints: Endpoints) -> Self {
        Self {
            endpoints,
            signed_in: None,
            conversation: None,
            has_negotiated: false,
        }
    }

    /// The user, if one is signed in.
    pub fn signed_in(&self) -> Option<&SignedIn> {
        self.signed_in.as_ref()
    }

    /// The two ends of the connection.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints
    }

    /// Takes note that a hello asked for mechanisms: a `saslStart` is expected next.
    pub fn note_negotiation(&mut self) {
        self.has_negotiated = true;
    }

    /// Forgets what was begun: another sign-in takes its place.
    pub fn abandon_conversation(&mut self) {
        self.conversation = None;
        self.has_negotiated = false;
    }

    /// Brings the user up to date before a command: a user that is gone, or was made anew, or may
    /// no longer come from here, is signed out; else it gets the privileges it has now. Returns the
    /// name of a user it signed out.
    pub fn refresh(&mut self, catalog: &Catalog) -> Option<UserName> {
        let signed_in = self.signed_in.as_mut()?;
        // Read before the user: a change between the two reads is then seen next time.
        let generation = catalog.generation();
        if signed_in.generation == generation {
            return None;
        }
        let name = signed_in.user.name.clone();
        let roles_from = signed_in.roles_from;
        // Old roles with new users, or the other way round, are rights that nobody ever had.
        let _hold = catalog.hold();
        let refreshed = signed_in.current_user(catalog).and_then(|user| {
            SignedIn::resolve(user, roles_from, catalog, generation, self.endpoints).ok()
        });
        if let Some(refreshed) = refreshed {
            *signed_in = refreshed;
            None
        } else {
            self.signed_in = None;
            Some(name)
        }
    }

    /// Signs `user` in after its proof held. One user a connection: the codes are mongod's.
    ///
    /// The same user again is fine, unless the client asked for `apiStrict`.
    pub(super) fn sign_in(
        &mut self,
        user: SignedIn,
        is_api_strict: bool,
    ) -> Result<(), CommandError> {
        if let Some(present) = &self.signed_in {
            let (present, new) = (&present.user.name, &user.user.name);
            if present.db() != new.db() {
                return Err(CommandError::new(
                    ErrorCode(5_626_702),
                    format!(
                        "Client has attempted to authenticate on multiple databases.\
                         Already authenticated as: {present}"
                    ),
                ));
            }
            if present != new {
                return Err(CommandError::new(
                    ErrorCode(5_626_701),
                    format!(
                        "Each client connection may only be authenticated once. \
                         Previously authenticated as: {present}"
                    ),
                ));
            }
        }
        if self.signed_in.is_some() && is_api_strict {
            return Err(CommandError::new(
                ErrorCode(5_626_703),
                "Each client connection may only be authenticated once",
            ));
        }
        self.signed_in = Some(user);
        Ok(())
    }

    /// Signs out the user of `db`; returns its name if there was one. Another database's user stays,
    /// as with mongod.
    pub fn log_out(&mut self, db: &DbName) -> Option<UserName> {
        let on_db = self
            .signed_in
            .as_ref()
            .is_some_and(|present| present.user.name.db() == db);
        if !on_db {
            return None;
        }
        self.signed_in
            .take()
            .map(|present| present.user.name.clone())
    }
}

impl SignedIn {
    /// Works out what `user` may do and whether it may do it from here.
    pub(super) fn resolve(
        user: Arc<User>,
        roles_from: RolesFrom,
        catalog: &Catalog,
        generation: u64,
        endpoints: Endpoints,
    ) -> Result<Self, RestrictionsUnmet> {
        let roles = Resolved::of(&user.roles, catalog);
        let are_met = user.restrictions.are_met(endpoints)
            && roles
                .restrictions()
                .all(|restrictions| restrictions.are_met(endpoints));
        if !are_met {
            return Err(RestrictionsUnmet);
        }
        let privileges = EffectivePrivileges::of(&roles);
        Ok(Self {
            user,
            roles_from,
            roles,
            privileges,
            generation,
        })
    }

    /// The user as it is now, unless it is gone or was made anew.
    fn current_user(&self, catalog: &Catalog) -> Option<Arc<User>> {
        match self.roles_from {
            RolesFrom::Catalog => catalog
                .user(&self.user.name)
                .filter(|user| user.user_id == self.user.user_id),
            RolesFrom::Certificate => Some(Arc::new(User {
                restrictions: restrictions_of(&self.user.name, catalog),
                ..(*self.user).clone()
            })),
        }
    }
}

/// Where the user `name` may come from by its own document, if it has one.
pub(super) fn restrictions_of(name: &UserName, catalog: &Catalog) -> Restrictions {
    let user = catalog.user(name);
    user.map_or(Restrictions::NONE, |user| user.restrictions.clone())
}
