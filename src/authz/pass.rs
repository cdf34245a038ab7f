//! Asking for permission, and the proof of having been given it.

use std::fmt;
use std::sync::LazyLock;

use bson::RawDocument;

use super::closure::Resolved;
use super::effective::EffectivePrivileges;
use super::index::PrivilegeIndex;
use super::milvus::MilvusNeed;
use super::redact;
use crate::catalog::View;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::{Action, ActionSet};
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;
use crate::model::user::User;

/// Proof that permission was asked for and given. Only [`Authority`] and
/// [`MilvusAuthority`](super::milvus::MilvusAuthority) make one, one for each time it
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
    /// That there has been no user and no role since the start.
    LocalhostException,
    /// That this very user still has these rights.
    User {
        name: UserName,
        user_id: uuid::Uuid,
        needs: Vec<Need>,
    },
    /// That these roles, which a certificate grants, still give these rights.
    Certificate {
        roles: Box<[RoleName]>,
        needs: Vec<Need>,
    },
    /// That this very user may still do this to Milvus.
    Milvus {
        name: UserName,
        user_id: uuid::Uuid,
        need: Option<MilvusNeed>,
    },
}

/// Where the roles come from that a signed-in user was granted itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolesFrom {
    /// The user's own document.
    Catalog,
    /// The certificate it signed in with; there need not be a document.
    Certificate,
}

impl Pass {
    /// Whether it would be given again, as `view` has it.
    pub fn still_holds(&self, view: &View<'_>) -> bool {
        match &self.0 {
            Ground::Anybody => true,
            Ground::LocalhostException => !view.had_users_or_roles(),
            Ground::User {
                name,
                user_id,
                needs,
            } => {
                let Some(user) = view.user(name).filter(|user| user.user_id == *user_id) else {
                    return false;
                };
                are_met(needs, &user.roles, view)
            }
            Ground::Certificate { roles, needs } => are_met(needs, roles, view),
            Ground::Milvus {
                name,
                user_id,
                need,
            } => {
                let user = view.user(name).filter(|user| user.user_id == *user_id);
                user.is_some_and(|user| {
                    let roles = |role: &RoleName| view.role(role);
                    need.as_ref().is_none_or(|need| need.is_met(&user, &roles))
                })
            }
        }
    }

    pub(super) fn unchecked() -> Self {
        Self(Ground::Anybody)
    }

    pub(super) fn of_milvus_user(user: &User, need: Option<MilvusNeed>) -> Self {
        Self(Ground::Milvus {
            name: user.name.clone(),
            user_id: user.user_id,
            need,
        })
    }
}

fn are_met(needs: &[Need], roles: &[RoleName], view: &View<'_>) -> bool {
    let resolved = Resolved::of(roles, &|role: &RoleName| view.role(role));
    let privileges = EffectivePrivileges::of(&resolved);
    needs
        .iter()
        .all(|need| privileges.allows(&need.resource, &need.actions))
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
        /// By what these were granted.
        roles_from: RolesFrom,
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
    /// No single need is at fault: what is allowed, in all, is not what the request takes.
    #[error("no set of privileges that is enough")]
    NoWay,
}

impl<'a> Authority<'a> {
    /// All of `needs` must be met. For no needs it is enough to be signed in; the localhost exception
    /// counts as that.
    pub fn require(&self, needs: &[Need]) -> Result<Pass, Denied> {
        let ground = match self {
            Self::Nobody => return Err(Denied::NotSignedIn),
            Self::Unchecked => Ground::Anybody,
            Self::LocalhostException => Ground::LocalhostException,
            Self::User {
                user,
                roles_from: RolesFrom::Catalog,
                ..
            } => Ground::User {
                name: user.name.clone(),
                user_id: user.user_id,
                needs: needs.to_vec(),
            },
            Self::User {
                user,
                roles_from: RolesFrom::Certificate,
                ..
            } => Ground::Certificate {
                roles: user.roles.clone(),
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

    /// Who is signed in, if it is a user.
    pub fn user_name(&self) -> Option<&'a UserName> {
        match self {
            Self::User { user, .. } => Some(&user.name),
            _ => None,
        }
    }

    /// Whether that user is signed in.
    pub fn is_user(&self, name: &UserName) -> bool {
        self.user_name() == Some(name)
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
            Self::Missing(_) | Self::NoWay => {
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
mod tests;
