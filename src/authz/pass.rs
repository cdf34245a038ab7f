//! Asking for permission, and the proof of having been given it.

use std::fmt;
use std::sync::LazyLock;

use bson::RawDocument;

use super::effective::EffectivePrivileges;
use super::index::PrivilegeIndex;
use super::redact;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::{Action, ActionSet};
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;

/// Proof that permission was asked for and given. Only [`Authority`] makes one, one for each time
/// it was asked; an operation takes it by value.
#[derive(Debug)]
#[must_use = "an operation was allowed and then not done"]
pub struct Pass(());

/// Actions that a request needs on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What is acted on.
    pub resource: Resource,
    /// What is done to it.
    pub actions: ActionSet,
}

impl Need {
    /// One action on one resource.
    pub fn one(action: Action, resource: Resource) -> Self {
        Self {
            resource,
            actions: action.into(),
        }
    }

    /// One action on a database.
    pub fn on_database(db: &DbName, action: Action) -> Self {
        Self::one(action, Resource::Database(db.clone()))
    }

    /// One action on the cluster.
    pub fn on_cluster(action: Action) -> Self {
        Self::one(action, Resource::Cluster)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, action) in self.actions.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(formatter, "{separator}{action}")?;
        }
        write!(formatter, " on {:?}", self.resource)
    }
}

/// In whose name a request is made, and with it what it may do.
#[derive(Debug, Clone, Copy)]
pub enum Authority<'a> {
    /// The server runs without `--auth`: everything is allowed, also to those who did not sign in.
    Unchecked,
    /// Nobody is signed in.
    Nobody,
    /// Nobody is signed in, but the client is local and there are no users and roles yet: it may
    /// make the first user.
    LocalhostException,
    /// Somebody is signed in.
    User {
        /// Who.
        name: &'a UserName,
        /// The roles granted to the user itself.
        direct_roles: &'a [RoleName],
        /// What these roles and all they include allow.
        privileges: &'a EffectivePrivileges,
    },
}

/// Why something may not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody is signed in, and somebody has to be.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// The first need that the privileges do not meet; for the log, never for the client.
    #[error("no privilege for {0}")]
    Missing(Need),
}

impl Authority<'_> {
    /// All of `needs` must be met. For no needs it is enough to be signed in, as in
    /// [`Self::require_sign_in`].
    pub fn require(&self, needs: &[Need]) -> Result<Pass, Denied> {
        let pass = self.require_sign_in()?;
        match needs
            .iter()
            .find(|need| !self.allows_all(&need.resource, &need.actions))
        {
            None => Ok(pass),
            Some(need) => Err(Denied::Missing(need.clone())),
        }
    }

    /// For commands that any user may run. The localhost exception counts as signed in.
    pub fn require_sign_in(&self) -> Result<Pass, Denied> {
        match self {
            Self::Nobody => Err(Denied::NotSignedIn),
            Self::Unchecked | Self::LocalhostException | Self::User { .. } => Ok(Pass(())),
        }
    }

    /// For commands that anybody may run, signed in or not.
    pub fn pass_for_anybody(&self) -> Pass {
        Pass(())
    }

    /// Whether one action may be done, for commands that answer less instead of refusing.
    pub fn allows(&self, resource: &Resource, action: Action) -> bool {
        self.allows_all(resource, &action.into())
    }

    /// Whether that user is signed in.
    pub fn is_user(&self, user: &UserName) -> bool {
        matches!(self, Self::User { name, .. } if *name == user)
    }

    /// Whether the user signed in was granted the role itself, not by way of another role.
    pub fn holds_directly(&self, role: &RoleName) -> bool {
        matches!(self, Self::User { direct_roles, .. } if direct_roles.contains(role))
    }

    /// Whether there is anything that may be done on anything in `db`.
    pub fn allows_any_action_in(&self, db: &DbName) -> bool {
        match self {
            Self::Unchecked => true,
            // The exception lets a user be made; it opens no database to look into.
            Self::Nobody | Self::LocalhostException => false,
            Self::User { privileges, .. } => privileges.allows_any_action_in(db),
        }
    }

    fn allows_all(&self, resource: &Resource, actions: &ActionSet) -> bool {
        match self {
            Self::Unchecked => true,
            Self::Nobody => false,
            Self::LocalhostException => {
                let mut missing = *actions;
                FIRST_USER.take_allowed(resource, &mut missing);
                missing.is_empty()
            }
            Self::User { privileges, .. } => privileges.allows(resource, actions),
        }
    }
}

impl Denied {
    /// Code 13 in MongoDB's words, which tell what was asked but not what is missing.
    ///
    /// `command` is the command's canonical name, `db` the database and `body` the document of the
    /// request; the values of the fields in `sensitive` are not repeated.
    pub fn to_command_error(
        &self,
        command: &str,
        db: &str,
        body: &RawDocument,
        sensitive: &[&str],
    ) -> CommandError {
        match self {
            Self::NotSignedIn => CommandError::requires_authentication(command),
            Self::Missing(_) => {
                let body = redact::command_text(body, sensitive);
                let message = format!("not authorized on {db} to execute command {body}");
                CommandError::new(ErrorCode::UNAUTHORIZED, message)
            }
        }
    }
}

/// What the localhost exception allows.
static FIRST_USER: LazyLock<PrivilegeIndex> = LazyLock::new(|| {
    let rows: [(Resource, &[Action]); 3] = [
        (
            Resource::Database(DbName::ADMIN),
            &[Action::CreateUser, Action::GrantRole],
        ),
        (Resource::Database(DbName::EXTERNAL), &[Action::CreateUser]),
        (
            Resource::Cluster,
            &[
                Action::AddShard,
                Action::ReplSetConfigure,
                Action::ReplSetGetStatus,
                Action::IssueDirectShardOperations,
            ],
        ),
    ];
    let mut index = PrivilegeIndex::default();
    for (resource, actions) in rows {
        index.add(&Privilege {
            resource,
            actions: actions.iter().copied().collect(),
        });
    }
    index
});

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::super::closure::Resolved;
    use super::*;

    fn db(name: &str) -> Resource {
        Resource::Database(DbName::parse(name).unwrap())
    }

    fn may(authority: Authority<'_>, action: Action, resource: &Resource) -> bool {
        authority.allows(resource, action)
    }

    #[test]
    fn without_auth_everything_is_allowed_and_nobody_is_anybody() {
        let role = RoleName::new("root", DbName::ADMIN).unwrap();
        let user = UserName::new("ann", DbName::ADMIN).unwrap();
        let unchecked = Authority::Unchecked;
        assert!(
            unchecked
                .require(&[Need::one(Action::Internal, Resource::Cluster)])
                .is_ok()
        );
        assert!(unchecked.allows_any_action_in(&DbName::ADMIN));
        assert!(!unchecked.is_user(&user) && !unchecked.holds_directly(&role));
    }

    #[test]
    fn nobody_may_do_nothing() {
        assert_eq!(
            Authority::Nobody.require(&[]).unwrap_err(),
            Denied::NotSignedIn
        );
        assert!(!may(Authority::Nobody, Action::CreateUser, &db("admin")));
        assert!(!Authority::Nobody.allows_any_action_in(&DbName::ADMIN));
    }

    #[test]
    fn the_localhost_exception_allows_the_first_user_and_no_more() {
        let exception = Authority::LocalhostException;
        assert!(exception.require_sign_in().is_ok());
        let granted = [
            (Action::CreateUser, db("admin")),
            (Action::GrantRole, db("admin")),
            (Action::CreateUser, db("$external")),
            (Action::AddShard, Resource::Cluster),
            (Action::ReplSetConfigure, Resource::Cluster),
            (Action::ReplSetGetStatus, Resource::Cluster),
            (Action::IssueDirectShardOperations, Resource::Cluster),
        ];
        let resources = [
            db("admin"),
            db("$external"),
            db("x"),
            Resource::Cluster,
            Resource::AnyNormal,
            Resource::AnyResource,
        ];
        for action in Action::ALL {
            for resource in &resources {
                let expected = granted.contains(&(*action, resource.clone()));
                assert_eq!(
                    exception.allows(resource, *action),
                    expected,
                    "{action} {resource:?}"
                );
            }
        }
        assert!(!exception.allows_any_action_in(&DbName::ADMIN));
    }

    #[test]
    fn a_user_needs_all_that_is_needed() {
        let name = UserName::new("ann", DbName::ADMIN).unwrap();
        let direct_roles = [RoleName::new("userAdmin", DbName::parse("x").unwrap()).unwrap()];
        let resolved = Resolved::of(&direct_roles, &|_: &RoleName| None);
        let privileges = EffectivePrivileges::of(&resolved);
        let user = Authority::User {
            name: &name,
            direct_roles: &direct_roles,
            privileges: &privileges,
        };
        let create = Need::one(Action::CreateUser, db("x"));
        let grant = Need::one(Action::GrantRole, db("y"));
        assert!(user.require(&[]).is_ok());
        assert!(user.require(std::slice::from_ref(&create)).is_ok());
        assert_eq!(
            user.require(&[create, grant.clone()]).unwrap_err(),
            Denied::Missing(grant.clone())
        );
        assert_eq!(grant.to_string(), "grantRole on Database(\"y\")");
        assert!(user.is_user(&name) && user.holds_directly(&direct_roles[0]));
        assert!(!user.is_user(&UserName::new("ann", DbName::parse("x").unwrap()).unwrap()));
        assert!(!user.holds_directly(&RoleName::new("userAdmin", DbName::ADMIN).unwrap()));
        assert!(user.allows_any_action_in(&DbName::parse("x").unwrap()));
        assert!(!user.allows_any_action_in(&DbName::ADMIN));
    }

    #[test]
    fn refusals_are_in_the_servers_words() {
        let body = rawdoc! { "createUser": "bob", "pwd": "pencil", "roles": [], "$db": "y" };
        let text = |denied: Denied| {
            let error = denied.to_command_error("createUser", "y", &body, &["pwd"]);
            assert_eq!(error.code, ErrorCode::UNAUTHORIZED);
            error.message
        };
        assert_eq!(
            text(Denied::NotSignedIn),
            "Command createUser requires authentication"
        );
        assert_eq!(
            text(Denied::Missing(Need::one(Action::CreateUser, db("y")))),
            "not authorized on y to execute command \
             { createUser: \"bob\", pwd: \"xxx\", roles: [], $db: \"y\" }"
        );
    }
}
