//! From the bytes of a backup to what is to be restored.

use std::collections::BTreeMap;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::restore_rbac::{OPERATION, reason, refused};
use crate::authz::milvus::ROOT;
use crate::catalog::plan::milvus::{RbacBackup, check_known};
use crate::command::services::Interrupt;
use crate::config::MilvusConfig;
use crate::config::parameters::Parameters;
use crate::milvus::dispatch::decode;
use crate::milvus::failure::Failure;
use crate::milvus::group::change;
use crate::milvus::names;
use crate::milvus::proto::milvus::{
    GrantEntity, PrivilegeGroupInfo, RbacMeta, RoleEntity, UserInfo,
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

/// What a backup is read with.
pub(super) struct Reading<'a> {
    pub(super) settings: &'a MilvusConfig,
    pub(super) parameters: &'a Parameters,
    pub(super) interrupt: &'a Interrupt,
}

impl Reading<'_> {
    /// What an `RBACMeta` says, beside the groups that are there, and the changes it consists of.
    pub(super) fn read(
        &self,
        meta: Bytes,
        present: &PrivilegeGroups,
    ) -> Result<(RbacBackup, Vec<DirectoryChange>), Failure> {
        let settings = self.settings;
        let meta: RbacMeta = decode(meta).map_err(Failure::Rpc)?;
        let roles = self.all(meta.roles, |role| role_of(role, settings))?;
        let groups = self.all(meta.privilege_groups, |group| group_of(group, settings))?;
        let users = self.all(meta.users, |user| user_of(user, settings, self.parameters))?;
        let known = present.with_all(groups.clone());
        for group in &groups {
            check_known(&known, &group.privileges)
                .map_err(|refusal| refused(reason(&refusal.into())))?;
        }
        let mut grants: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (role, grant) in self.all(meta.grants, |grant| grant_of(grant, &known, settings))? {
            grants.entry(role).or_default().push(grant);
        }
        let root = UserName::new(ROOT, settings.database.clone()).map_err(Failure::invalid)?;
        let backup = RbacBackup {
            users,
            roles,
            grants: grants.into_iter().collect(),
            groups,
            root,
            users_max: settings.users_max,
            roles_max: settings.roles_max,
        };
        let changes = changes(&backup);
        Ok((backup, changes))
    }

    /// Until somebody of them is refused, or nobody waits any more.
    fn all<T, R>(
        &self,
        entries: Vec<T>,
        read: impl Fn(T) -> Result<R, Failure>,
    ) -> Result<Vec<R>, Failure> {
        let failed = |error| Failure::of_command(OPERATION, error);
        let entries = entries.into_iter().map(|entry| {
            self.interrupt.check().map_err(failed)?;
            read(entry)
        });
        entries.collect()
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
