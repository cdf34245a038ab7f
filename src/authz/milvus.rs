//! What a Milvus client may do: its roles' grants instead of MongoDB's privileges.

use compact_str::CompactString;

use super::closure::{Resolved, RoleSource};
use super::pass::Pass;
use crate::model::milvus::MilvusObject;
use crate::model::names::{DbName, RoleName};
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
}

impl MilvusNeed {
    /// Whether `user` has it, by being root or by any of its roles as `roles` has them.
    pub(super) fn is_met(&self, user: &User, roles: &impl RoleSource) -> bool {
        if user.name.user() == ROOT {
            return true;
        }
        let own = user.roles.iter().cloned();
        let all: Vec<RoleName> = own.chain(milvus_role(PUBLIC_ROLE)).collect();
        let resolved = Resolved::of(&all, roles);
        resolved.names().any(is_admin) || resolved.custom().any(|role| self.is_granted(role))
    }

    fn is_granted(&self, role: &Role) -> bool {
        role.milvus_grants.iter().any(|grant| {
            let name = self.object_name.as_deref();
            grant.allows(self.privilege, self.object, name, &self.db)
        })
    }
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
}

/// A role on the database of Milvus; none for an empty name.
pub fn milvus_role(role: &str) -> Option<RoleName> {
    RoleName::new(role, DbName::MILVUS).ok()
}

fn is_admin(role: &RoleName) -> bool {
    role.db().is_milvus() && role.role() == ADMIN_ROLE
}
