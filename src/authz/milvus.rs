//! What a Milvus client may do: its roles' grants instead of MongoDB's privileges.

use compact_str::CompactString;

use super::closure::{Resolved, RoleSource};
use super::pass::Pass;
use crate::model::milvus::{ANY, MilvusObject, PrivilegeGroups};
use crate::model::names::RoleName;
use crate::model::role::Role;
use crate::model::user::User;

/// The user that may do everything.
pub const ROOT: &str = "root";
/// The role that may do everything.
pub const ADMIN_ROLE: &str = "admin";
/// The role that everybody has.
pub const PUBLIC_ROLE: &str = "public";

/// What a call needs: one privilege on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilvusNeed {
    /// The privilege, without the prefix `Privilege`.
    pub privilege: &'static str,
    /// What it is about.
    pub object: MilvusObject,
    /// Which of these; `*` for the whole server, absent for any that the caller likes.
    pub object_name: Option<CompactString>,
    /// The database of Milvus that the call names.
    pub db: CompactString,
    /// Whether root has it without any role.
    pub is_roots: bool,
}

impl MilvusNeed {
    /// Whether `user` has it, by being root or by any of its roles as `roles` has them. Roles of Milvus
    /// are those on the user's own database.
    pub(super) fn is_met(&self, user: &User, roles: &impl RoleSource) -> bool {
        if self.is_roots && user.name.user() == ROOT {
            return true;
        }
        let own = user.roles.iter().cloned();
        let public = RoleName::new(PUBLIC_ROLE, user.name.db().clone());
        let all: Vec<RoleName> = own.chain(public).collect();
        let resolved = Resolved::of(&all, roles);
        let groups = roles.privilege_groups();
        is_admin(user, &resolved) || resolved.custom().any(|role| self.is_granted(role, &groups))
    }

    fn is_granted(&self, role: &Role, groups: &PrivilegeGroups) -> bool {
        let name = self.object_name.as_deref();
        role.milvus_grants.iter().any(|grant| {
            grant.allows(self.privilege, self.object, name, &self.db)
                || (grant.reaches(name, &self.db)
                    && groups.find(&grant.privilege).is_some()
                    && groups.has(&grant.privilege, self.privilege))
        })
    }
}

/// Whether one of the roles is the one that may do everything.
fn is_admin(user: &User, resolved: &Resolved) -> bool {
    let db = user.name.db();
    let mut names = resolved.names();
    names.any(|role| role.db() == db && role.role() == ADMIN_ROLE)
}

/// In whose name a Milvus client calls.
#[derive(Debug, Clone, Copy)]
pub enum MilvusAuthority<'a> {
    /// Authorization is off: everybody may do everything.
    Unchecked,
    /// Somebody is signed in.
    User(&'a User),
}

impl MilvusAuthority<'_> {
    /// The proof that `need` is met, or that somebody is signed in if there is none; the need again
    /// if it is not met.
    pub fn require(
        &self,
        need: Option<MilvusNeed>,
        roles: &impl RoleSource,
    ) -> Result<Pass, MilvusNeed> {
        match (self, need) {
            (Self::Unchecked, _) => Ok(Pass::unchecked()),
            (Self::User(user), Some(need)) if !need.is_met(user, roles) => Err(need),
            (Self::User(user), need) => Ok(Pass::of_milvus_user(user, need)),
        }
    }
    /// Whether a database of Milvus is shown in a list of them: to root if it `is_roots`, to who may do
    /// everything, and to who was granted anything in it or in all of them, beside what everybody has.
    pub fn is_shown(&self, db: &str, is_roots: bool, roles: &impl RoleSource) -> bool {
        let Self::User(user) = self else {
            return true;
        };
        if is_roots && user.name.user() == ROOT {
            return true;
        }
        let resolved = Resolved::of(&user.roles, roles);
        let mut own = resolved
            .custom()
            .filter(|role| role.name.db() != user.name.db() || role.name.role() != PUBLIC_ROLE);
        let is_there = |role: &Role| {
            let mut grants = role.milvus_grants.iter();
            grants.any(|grant| grant.db == ANY || grant.db == db)
        };
        is_admin(user, &resolved) || own.any(is_there)
    }
}
