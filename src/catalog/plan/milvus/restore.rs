//! The plan of `RestoreRBAC`: everything that was backed up, or nothing.

use super::add_milvus_grants;
use super::groups::create_all;
use crate::catalog::View;
use crate::catalog::plan::{PlanError, create_role, create_user, without_duplicates};
use crate::model::milvus::{MilvusGrant, PrivilegeGroup};
use crate::model::names::{RoleName, UserName};
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
    /// Who counts as there, whether or not: Milvus always has it, and it may do everything.
    pub root: UserName,
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
    // Counted here: asking the view for each looks at all that came before.
    for (count, role) in (view.milvus_role_count()..).zip(backup.roles) {
        let changes = create_role(&after, role)?;
        if count >= backup.roles_max {
            return Err(PlanError::MilvusRolesFull);
        }
        add(&mut after, changes);
    }
    let changes = create_all(&after, backup.groups)?;
    add(&mut after, changes);
    for (role, grants) in backup.grants {
        let changes = add_milvus_grants(&after, &role, &grants)?;
        add(&mut after, changes);
    }
    for (count, user) in (view.milvus_user_count()..).zip(backup.users) {
        if user.name == backup.root || after.user(&user.name).is_some() {
            return Err(PlanError::UserExists(user.name));
        }
        check_roles_stored(&after, &user.roles)?;
        let changes = create_user(&after, user)?;
        if count >= backup.users_max {
            return Err(PlanError::MilvusUsersFull);
        }
        add(&mut after, changes);
    }
    Ok(all)
}

/// Roles that MongoDB brings along are none that Milvus clients may hand out.
fn check_roles_stored(view: &View<'_>, roles: &[RoleName]) -> Result<(), PlanError> {
    let missing = roles.iter().filter(|role| view.role(role).is_none());
    let missing = without_duplicates(missing.cloned().collect());
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PlanError::RolesNotFound(missing))
    }
}
