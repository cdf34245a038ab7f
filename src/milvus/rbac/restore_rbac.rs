//! `RestoreRBAC`: what was backed up comes back whole, or not at all where any of it is there already.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::check_privacy;
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::plan::milvus::{PRIVILEGE_GROUPS_MAX, RbacBackup, check_known};
use crate::catalog::{PlanError, PrivilegeGroupError};
use crate::config::MilvusConfig;
use crate::config::parameters::Parameters;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::group::change;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{
    GrantEntity, PrivilegeGroupInfo, RbacMeta, RestoreRbacMetaRequest, RoleEntity, UserInfo,
};
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::milvus::{
    DEFAULT_DATABASE, MilvusGrant, MilvusObject, PrivilegeGroup, PrivilegeGroups, object_of,
};
use crate::model::names::{RoleName, UserName};
use crate::model::plain_credential::{
    ARGON2_MEMORY_KIB_MIN, InvalidPlainCredential, PlainCredential,
};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::user::{Credentials, User};
use crate::ops::OpsError;

/// Bytes of a backup, for a hundred thousand users.
const BACKUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Privileges in all groups of a backup, counting each time one comes.
const GROUP_PRIVILEGES_MAX: usize = 100_000;

const OPERATION: ErrorCode = ErrorCode::UnexpectedError;

impl Call for RestoreRbacMetaRequest {
    const METHOD: &'static str = "RestoreRBAC";
    const LONGEST_REQUEST: usize = BACKUP_BYTES_MAX;
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("RestoreRBAC"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        check_privacy::<Self>(context)?;
        let (services, settings) = (context.services(), context.settings());
        let meta = self.rbac_meta.unwrap_or_default();
        check_counts(&meta, settings)?;
        let all = |role| role_of(role, settings);
        let roles: Vec<_> = meta.roles.into_iter().map(all).collect::<Result<_, _>>()?;
        let all = |group| group_of(group, settings);
        let groups = meta.privilege_groups.into_iter().map(all);
        let groups: Vec<_> = groups.collect::<Result<_, _>>()?;
        let all = |user| user_of(user, settings, &services.parameters);
        let users: Vec<_> = meta.users.into_iter().map(all).collect::<Result<_, _>>()?;
        let mut grants: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let present = services.directory.catalog().privilege_groups();
        let known = present.with_all(groups.clone());
        for group in &groups {
            check_known(&known, &group.privileges)
                .map_err(|refusal| refused(reason(&refusal.into())))?;
        }
        for entity in meta.grants {
            let (role, grant) = grant_of(entity, &known, settings)?;
            grants.entry(role).or_default().push(grant);
        }
        let backup = RbacBackup {
            users,
            roles,
            grants: grants.into_iter().collect(),
            groups,
            users_max: settings.users_max,
            roles_max: settings.roles_max,
        };
        let order = context.order_of_all(pass, changes(&backup));
        let restored = services.directory.restore_rbac(order, backup).await;
        restored.map_err(|error| match error {
            OpsError::Plan(refusal) => refused(reason(&refusal)),
            error => Failure::of_write(OPERATION, error, services),
        })?;
        Ok(Status::default())
    }
}

/// Before anything is made of it: what there is too much of would be made for nothing.
fn check_counts(meta: &RbacMeta, settings: &MilvusConfig) -> Result<(), Failure> {
    let groups = &meta.privilege_groups;
    if meta.users.is_empty() && meta.roles.is_empty() && meta.grants.is_empty() && groups.is_empty()
    {
        return Err(refused("rbac meta is empty"));
    }
    let privileges = groups.iter().map(|group| group.privileges.len());
    if privileges.sum::<usize>() > GROUP_PRIVILEGES_MAX {
        return Err(refused("the privilege groups have too many privileges"));
    }
    let full = if meta.roles.len() > settings.roles_max {
        PlanError::MilvusRolesFull
    } else if groups.len() > PRIVILEGE_GROUPS_MAX {
        PrivilegeGroupError::Full.into()
    } else if meta.users.len() > settings.users_max {
        PlanError::MilvusUsersFull
    } else {
        return Ok(());
    };
    Err(refused(reason(&full)))
}

fn refused(reason: impl std::fmt::Display) -> Failure {
    Failure::of(
        OPERATION,
        format!("failed to check if rbac restorable: {reason}"),
    )
}

/// In the words of Milvus.
fn reason(refusal: &PlanError) -> String {
    match refusal {
        PlanError::RoleExists(role) => format!("role [{}] already exists", role.role()),
        PlanError::RoleNotFound(role) => format!("role [{}] does not exist", role.role()),
        PlanError::RolesNotFound(roles) => {
            let role = roles.first().map_or("", RoleName::role);
            format!("role [{role}] does not exist")
        }
        PlanError::UserExists(user) => format!("user [{}] already exists", user.user()),
        PlanError::PrivilegeGroup(PrivilegeGroupError::Exists(group)) => {
            format!("privilege group [{group}] already exists")
        }
        PlanError::PrivilegeGroup(PrivilegeGroupError::UnknownPrivilege(name)) => {
            format!("privilege [{name}] does not exist")
        }
        refusal => refusal.to_string(),
    }
}

/// As it is: the other face makes roles and users with names that Milvus does not allow.
fn role_name(name: &str, settings: &MilvusConfig) -> Result<RoleName, Failure> {
    RoleName::new(name, settings.database.clone()).map_err(Failure::invalid)
}

fn role_of(entity: RoleEntity, settings: &MilvusConfig) -> Result<Role, Failure> {
    names::check_description(&entity.description, "role")?;
    Ok(Role {
        name: role_name(&entity.name, settings)?,
        privileges: [].into(),
        roles: [].into(),
        restrictions: Restrictions::NONE,
        milvus_grants: [].into(),
        milvus_description: entity.description.into(),
    })
}

fn group_of(info: PrivilegeGroupInfo, settings: &MilvusConfig) -> Result<PrivilegeGroup, Failure> {
    let privileges = info.privileges.into_iter();
    Ok(PrivilegeGroup {
        name: names::group_name(&info.group_name, settings)?,
        privileges: privileges.map(|entity| entity.name.into()).collect(),
    })
}

/// A hash that costs more than those made here would let strangers who name the user cost more; one that
/// costs much less tells them by the time a wrong password takes that the user is there.
fn user_of(
    info: UserInfo,
    settings: &MilvusConfig,
    parameters: &Parameters,
) -> Result<User, Failure> {
    let password = Zeroizing::new(info.password);
    let name = UserName::new(&info.user, settings.database.clone()).map_err(Failure::invalid)?;
    let (memory_kib, iterations) = (
        parameters.argon2_memory_kib(),
        parameters.argon2_iterations(),
    );
    let plain = PlainCredential::parse(&password).and_then(|plain| {
        let is_bearable = plain.costs_at_most(memory_kib, iterations)
            && plain.takes_at_least(ARGON2_MEMORY_KIB_MIN);
        is_bearable
            .then_some(plain)
            .ok_or(InvalidPlainCredential::Cost)
    });
    let plain =
        plain.map_err(|error| refused(format!("password of user [{}]: {error}", name.user())))?;
    let roles = info.roles.iter();
    let roles = roles.map(|role| role_name(&role.name, settings));
    Ok(User {
        name,
        user_id: uuid::Uuid::new_v4(),
        credentials: Credentials::Stored {
            sha_1: None,
            sha_256: None,
            plain: Some(Box::new(plain)),
        },
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: roles.collect::<Result<_, _>>()?,
    })
}

/// Only what a call could grant: what is anything else could not be revoked either. The level of a group
/// says nothing about that: the group may have been filled since it was granted.
fn grant_of(
    entity: GrantEntity,
    groups: &PrivilegeGroups,
    settings: &MilvusConfig,
) -> Result<(RoleName, MilvusGrant), Failure> {
    let role = role_name(&entity.role.unwrap_or_default().name, settings)?;
    let object = entity.object.unwrap_or_default().name;
    let object = MilvusObject::from_name(&object)
        .ok_or_else(|| refused(format!("object type [{object}] does not exist")))?;
    let grantor = entity.grantor.unwrap_or_default();
    let privilege = grantor.privilege.unwrap_or_default().name;
    let privilege = names::any_or_name(&privilege, "Privilege", settings)?;
    let object_name = names::any_or_name(&entity.object_name, "object name", settings)?;
    let expected = if groups.is_group(privilege) {
        Some(MilvusObject::Global)
    } else {
        object_of(privilege)
    };
    if expected.is_some_and(|expected| expected != object) {
        let object = object.name();
        return Err(refused(format!(
            "privilege [{privilege}] is none of object type [{object}]"
        )));
    }
    // Without a name it is the default database, whatever the call is about.
    let db = Some(&*entity.db_name).filter(|db| !db.is_empty());
    let grant = MilvusGrant {
        object,
        object_name: object_name.into(),
        db: db.unwrap_or(DEFAULT_DATABASE).into(),
        privilege: privilege.into(),
        grantor: grantor.user.unwrap_or_default().name.into(),
    };
    Ok((role, grant))
}

/// As the calls for one thing each would describe it.
fn changes(backup: &RbacBackup) -> Vec<DirectoryChange> {
    let roles = backup.roles.iter();
    let roles =
        roles.map(|role| DirectoryChange::of_role("createRole", ChangeKind::Created, &role.name));
    let groups = backup.groups.iter().map(|group| DirectoryChange {
        group_privileges: Some(group.privileges.clone()),
        ..change("createPrivilegeGroup", ChangeKind::Created, &group.name)
    });
    let grants = backup.grants.iter().map(|(role, grants)| DirectoryChange {
        milvus_grants: Some(grants.clone().into()),
        ..DirectoryChange::of_role("grantPrivilegesToRole", ChangeKind::Updated, role)
    });
    let users = backup.users.iter().map(|user| DirectoryChange {
        roles: Some(user.roles.clone()),
        ..DirectoryChange::of_user("createUser", ChangeKind::Created, &user.name)
    });
    roles.chain(groups).chain(grants).chain(users).collect()
}
