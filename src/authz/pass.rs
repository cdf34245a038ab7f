//! Asking for permission, and the proof of having been given it.

use std::fmt;
use std::sync::LazyLock;

use bson::RawDocument;

use super::closure::Resolved;
use super::effective::EffectivePrivileges;
use super::index::PrivilegeIndex;
use super::redact;
use crate::catalog::View;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::{Action, ActionSet};
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;
use crate::model::user::User;

/// Proof that permission was asked for and given. Only [`Authority`] makes one, one for each time it
/// was asked; an operation takes it by value.
///
/// Between the asking and a write others may write: the user may be dropped, demoted or made anew, or
/// the localhost exception used up. So the pass knows on what it rests, and the writer asks
/// [`Pass::still_holds`] against the very state it changes.
#[derive(Debug)]
#[must_use = "an operation was allowed and then not done"]
pub struct Pass(Ground);

/// What a pass rests on.
#[derive(Debug)]
enum Ground {
    /// Nothing that could go away.
    Anybody,
    /// That nobody was ever created.
    LocalhostException,
    /// That this very user still has these rights.
    User {
        name: UserName,
        user_id: uuid::Uuid,
        needs: Vec<Need>,
    },
}

impl Pass {
    /// Whether it would be given again, as `view` has it.
    pub fn still_holds(&self, view: &View<'_>) -> bool {
        match &self.0 {
            Ground::Anybody => true,
            Ground::LocalhostException => !view.has_users_or_roles_ever(),
            Ground::User {
                name,
                user_id,
                needs,
            } => {
                let Some(user) = view.user(name).filter(|user| user.user_id == *user_id) else {
                    return false;
                };
                let resolved = Resolved::of(&user.roles, &|role: &RoleName| view.role(role));
                let privileges = EffectivePrivileges::of(&resolved);
                needs
                    .iter()
                    .all(|need| privileges.allows(&need.resource, &need.actions))
            }
        }
    }
}

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
        /// Who, and which roles it was granted itself.
        user: &'a User,
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
    /// All of `needs` must be met. For no needs it is enough to be signed in; the localhost exception
    /// counts as that.
    pub fn require(&self, needs: &[Need]) -> Result<Pass, Denied> {
        let ground = match self {
            Self::Nobody => return Err(Denied::NotSignedIn),
            Self::Unchecked => Ground::Anybody,
            Self::LocalhostException => Ground::LocalhostException,
            Self::User { user, .. } => Ground::User {
                name: user.name.clone(),
                user_id: user.user_id,
                needs: needs.to_vec(),
            },
        };
        let unmet = needs
            .iter()
            .find(|need| !self.allows_all(&need.resource, &need.actions));
        match unmet {
            None => Ok(Pass(ground)),
            Some(need) => Err(Denied::Missing(need.clone())),
        }
    }

    /// For commands that any user may run. The localhost exception counts as signed in.
    pub fn require_sign_in(&self) -> Result<Pass, Denied> {
        self.require(&[])
    }

    /// For commands that anybody may run, signed in or not.
    pub fn pass_for_anybody(&self) -> Pass {
        Pass(Ground::Anybody)
    }

    /// Whether one action may be done, for commands that answer less instead of refusing.
    pub fn allows(&self, resource: &Resource, action: Action) -> bool {
        self.allows_all(resource, &action.into())
    }

    /// Whether that user is signed in.
    pub fn is_user(&self, name: &UserName) -> bool {
        matches!(self, Self::User { user, .. } if user.name == *name)
    }

    /// The roles that the user signed in was granted itself, not by way of another role.
    pub fn direct_roles(&self) -> &[RoleName] {
        match self {
            Self::User { user, .. } => &user.roles,
            _ => &[],
        }
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
    use std::sync::Arc;

    use bson::rawdoc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::model::restriction::Restrictions;
    use crate::model::user::Credentials;
    use crate::store::{Change, Setting};

    fn db(name: &str) -> Resource {
        Resource::Database(DbName::parse(name).unwrap())
    }

    fn user(name: UserName, roles: &[RoleName]) -> User {
        User {
            name,
            user_id: uuid::Uuid::new_v4(),
            credentials: Credentials::External,
            restrictions: Restrictions::NONE,
            custom_data: None,
            roles: roles.into(),
        }
    }

    /// What a pass for creating users on `x` is worth once the catalog is changed.
    fn holds_after(change: impl FnOnce(&mut Vec<Change>, &User)) -> bool {
        let on_x = [RoleName::new("userAdmin", DbName::parse("x").unwrap()).unwrap()];
        let ann = user(UserName::new("ann", DbName::ADMIN).unwrap(), &on_x);
        let resolved = Resolved::of(&ann.roles, &|_: &RoleName| None);
        let privileges = EffectivePrivileges::of(&resolved);
        let authority = Authority::User {
            user: &ann,
            privileges: &privileges,
        };
        let pass = authority
            .require(&[Need::one(Action::CreateUser, db("x"))])
            .unwrap();
        let catalog = Catalog::new();
        let mut changes = vec![Change::PutUser(Arc::new(ann.clone()))];
        change(&mut changes, &ann);
        catalog.apply(changes);
        pass.still_holds(&View::new(&catalog))
    }

    #[test]
    fn a_pass_is_worth_nothing_once_its_ground_is_gone() {
        assert!(holds_after(|_, _| ()));
        assert!(!holds_after(
            |changes, ann| changes.push(Change::DropUser(ann.name.clone()))
        ));
        // Made anew: the same name, another user.
        assert!(!holds_after(|changes, ann| {
            changes.push(Change::PutUser(Arc::new(user(
                ann.name.clone(),
                &ann.roles,
            ))));
        }));
        assert!(!holds_after(|changes, ann| {
            changes.push(Change::PutUser(Arc::new(User {
                roles: [].into(),
                ..ann.clone()
            })));
        }));
        let catalog = Catalog::new();
        let need = Need::one(Action::CreateUser, db("admin"));
        let exception = Authority::LocalhostException.require(&[need]).unwrap();
        assert!(exception.still_holds(&View::new(&catalog)));
        catalog.apply([Change::PutSetting(Setting::AuthSchema)]);
        assert!(!exception.still_holds(&View::new(&catalog)));
    }

    fn may(authority: Authority<'_>, action: Action, resource: &Resource) -> bool {
        authority.allows(resource, action)
    }

    #[test]
    fn without_auth_everything_is_allowed_and_nobody_is_anybody() {
        let user = UserName::new("ann", DbName::ADMIN).unwrap();
        let unchecked = Authority::Unchecked;
        assert!(
            unchecked
                .require(&[Need::one(Action::Internal, Resource::Cluster)])
                .is_ok()
        );
        assert!(unchecked.allows_any_action_in(&DbName::ADMIN));
        assert!(!unchecked.is_user(&user) && unchecked.direct_roles().is_empty());
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
        let ann = user(name.clone(), &direct_roles);
        let user = Authority::User {
            user: &ann,
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
        assert!(user.is_user(&name) && user.direct_roles() == direct_roles);
        assert!(!user.is_user(&UserName::new("ann", DbName::parse("x").unwrap()).unwrap()));
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
