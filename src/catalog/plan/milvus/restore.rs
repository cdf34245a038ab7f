//! The plan of `RestoreRBAC`: everything that was backed up, or nothing.

use super::groups::create_all;
use super::{add_milvus_grants, create_milvus_role, create_milvus_user};
use crate::catalog::View;
use crate::catalog::plan::PlanError;
use crate::model::milvus::{MilvusGrant, PrivilegeGroup};
use crate::model::names::RoleName;
use crate::model::role::Role;
use crate::model::user::User;
use crate::store::Change;

/// What is to be restored, and how many there may be then.
#[derive(Debug)]
pub struct RbacBackup {
    /// Users, with the roles they have.
    pub users: Vec<User>,
    /// Roles, without what they allow.
    pub roles: Vec<Role>,
    /// What roles allow; of these, or of some that are there.
    pub grants: Vec<(RoleName, Vec<MilvusGrant>)>,
    /// Groups of privileges.
    pub groups: Vec<PrivilegeGroup>,
    /// Users there may be.
    pub users_max: usize,
    /// Roles there may be.
    pub roles_max: usize,
}

/// Refused if any of it is there already, or needs what is not there and is not in it.
pub fn restore_rbac(view: &View<'_>, backup: RbacBackup) -> Result<Vec<Change>, PlanError> {
    let mut after = view.clone();
    let mut all = Vec::new();
    let mut add = |after: &mut View<'_>, changes: Vec<Change>| {
        after.lay_over(&changes);
        all.extend(changes);
    };
    for role in backup.roles {
        let changes = create_milvus_role(&after, role, backup.roles_max)?;
        add(&mut after, changes);
    }
    let changes = create_all(&after, backup.groups)?;
    add(&mut after, changes);
    for (role, grants) in backup.grants {
        let changes = add_milvus_grants(&after, &role, &grants)?;
        add(&mut after, changes);
    }
    for user in backup.users {
        let changes = create_milvus_user(&after, user, backup.users_max)?;
        add(&mut after, changes);
    }
    Ok(all)
}
