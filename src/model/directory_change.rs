//! What an administrator wants changed about users and roles, described once: the line in the log and
//! the audit event are both made from it.

use bson::RawDocumentBuf;

use super::milvus::MilvusGrant;
use super::names::{DbName, RoleName, UserName};
use super::privilege::Privilege;
use super::restriction::Restrictions;

/// One change that a user or role management command asks for. It holds no secret: of a password it
/// knows only whether there is a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryChange {
    /// The command's canonical name, which is also the `atype` of its audit event.
    pub command: &'static str,
    /// Whether something is made, changed or dropped.
    pub kind: ChangeKind,
    /// Whom it is about.
    pub subject: Subject,
    /// Whether the password is replaced; only where a command can do that to a user that exists.
    pub password_changed: Option<bool>,
    /// The administrator's own document about the user, if it is given.
    pub custom_data: Option<Box<RawDocumentBuf>>,
    /// Roles that are given, granted or revoked.
    pub roles: Option<Box<[RoleName]>>,
    /// Privileges that are given, granted or revoked.
    pub privileges: Option<Box<[Privilege]>>,
    /// Grants of Milvus that are granted or revoked.
    pub milvus_grants: Option<Box<[MilvusGrant]>>,
    /// Restrictions that are given; `Some` and empty takes them away.
    pub restrictions: Option<Restrictions>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Something new is made.
    Created,
    /// Something that exists is changed.
    Updated,
    /// Something is removed.
    Dropped,
}

/// Whom a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One user.
    User(UserName),
    /// One role.
    Role(RoleName),
    /// All users of a database.
    AllUsersOf(DbName),
    /// All roles of a database.
    AllRolesOf(DbName),
}

impl DirectoryChange {
    /// A change without details.
    pub fn new(command: &'static str, kind: ChangeKind, subject: Subject) -> Self {
        Self {
            command,
            kind,
            subject,
            password_changed: None,
            custom_data: None,
            roles: None,
            privileges: None,
            milvus_grants: None,
            restrictions: None,
        }
    }

    /// Of one user, without details.
    pub fn of_user(command: &'static str, kind: ChangeKind, user: &UserName) -> Self {
        Self::new(command, kind, Subject::User(user.clone()))
    }

    /// Of one role, without details.
    pub fn of_role(command: &'static str, kind: ChangeKind, role: &RoleName) -> Self {
        Self::new(command, kind, Subject::Role(role.clone()))
    }
}
