//! Plans about groups of privileges.

use std::collections::HashSet;

use compact_str::CompactString;

use crate::catalog::View;
use crate::catalog::plan::{PlanError, check_size};
use crate::model::milvus::{PrivilegeGroup, PrivilegeGroups, is_predefined, privilege_level};
use crate::store::{Change, Setting};

/// Groups that administrators may make: each change writes all of them.
pub const PRIVILEGE_GROUPS_MAX: usize = 1_000;

/// Why a wish about a group of privileges is refused, in the words of Milvus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeGroupError {
    /// There is a group of that name.
    #[error("privilege group name [{0}] is defined by users")]
    Exists(CompactString),
    /// There is a privilege or a built-in group of that name.
    #[error(
        "privilege group name [{0}] is defined by built in privileges or privilege groups in system"
    )]
    Predefined(CompactString),
    /// There is no such group, or it is a built-in one.
    #[error("there is no privilege group name [{0}] defined in system to operate")]
    NotFound(CompactString),
    /// There is no such privilege and no such group.
    #[error(
        "there is no privilege name or privilege group name [{0}] defined in system to operate"
    )]
    UnknownPrivilege(CompactString),
    /// Nothing is to be added or removed.
    #[error("privileges is empty when alter the privilege group")]
    NothingToChange,
    /// A group is for the server, for databases or for collections, or has groups alone.
    #[error("privileges are not the same privilege level")]
    MixedLevels,
    /// A role has it.
    #[error(
        "privilege group [{group}] is used by role [{role}], Use REVOKE API to revoke it first"
    )]
    InUse {
        /// The group.
        group: CompactString,
        /// The first of the roles.
        role: String,
    },
    /// As many groups as there may be.
    #[error("unable to create privilege group because the number of groups has reached the limit")]
    Full,
}

/// `CreatePrivilegeGroup`: one without privileges.
pub fn create_privilege_group(
    view: &View<'_>,
    name: CompactString,
) -> Result<Vec<Change>, PlanError> {
    let group = PrivilegeGroup {
        name,
        privileges: [].into(),
    };
    put(create(&view.privilege_groups(), group)?)
}

/// `DropPrivilegeGroup`: nothing happens if there is none. It leaves the groups it is in, or what is made
/// anew under its name would be in them.
pub fn drop_privilege_group(view: &View<'_>, name: &str) -> Result<Vec<Change>, PlanError> {
    let groups = view.privilege_groups();
    if groups.find(name).is_none() {
        return Ok(Vec::new());
    }
    let users = view.roles_where(|role| {
        let mut grants = role.milvus_grants.iter();
        grants.any(|grant| grant.privilege == name)
    });
    if let Some(role) = users.first() {
        let (group, role) = (name.into(), role.name.role().to_owned());
        return Err(PrivilegeGroupError::InUse { group, role }.into());
    }
    put(groups.without(name))
}

/// `OperatePrivilegeGroup`, adding: what is in the group already stays.
pub fn add_privileges_to_group(
    view: &View<'_>,
    name: &str,
    privileges: &[CompactString],
) -> Result<Vec<Change>, PlanError> {
    let groups = view.privilege_groups();
    let group = find(&groups, name, privileges)?;
    check_known(&groups, privileges)?;
    // Without names of groups that were dropped, as a catalog of before has them.
    let present = group.privileges.iter().filter(|it| groups.is_name(it));
    let all = sorted(present.chain(privileges).cloned().collect());
    check_one_level(&all)?;
    put(groups.with(PrivilegeGroup {
        name: name.into(),
        privileges: all,
    }))
}

/// `OperatePrivilegeGroup`, removing: what is not in the group is passed over.
pub fn remove_privileges_from_group(
    view: &View<'_>,
    name: &str,
    privileges: &[CompactString],
) -> Result<Vec<Change>, PlanError> {
    let groups = view.privilege_groups();
    let group = find(&groups, name, privileges)?;
    let others = privileges
        .iter()
        .filter(|it| !group.privileges.contains(it));
    check_known(&groups, others)?;
    let mut kept = group.privileges.to_vec();
    kept.retain(|privilege| !privileges.contains(privilege));
    put(groups.with(PrivilegeGroup {
        name: name.into(),
        privileges: kept.into(),
    }))
}

/// `RestoreRBAC`: all at once, so groups may be in each other.
pub(super) fn create_all(
    view: &View<'_>,
    added: Vec<PrivilegeGroup>,
) -> Result<Vec<Change>, PlanError> {
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let present = view.privilege_groups();
    let mut names = HashSet::new();
    for group in &added {
        let count = present.as_slice().len() + names.len();
        let is_there = present.find(&group.name).is_some() || !names.insert(group.name.clone());
        check_new(&group.name, is_there, count)?;
    }
    let added = added.into_iter().map(|group| PrivilegeGroup {
        name: group.name,
        privileges: sorted(group.privileges.into_vec()),
    });
    let groups = present.with_all(added.collect());
    let is_added = |group: &&PrivilegeGroup| names.contains(&group.name);
    for group in groups.as_slice().iter().filter(is_added) {
        check_known(&groups, &group.privileges)?;
        // Groups that could be filled with both have privileges beside groups.
        let privileges = group.privileges.iter().filter(|it| !groups.is_group(it));
        check_one_level(privileges)?;
    }
    put(groups)
}

fn create(
    groups: &PrivilegeGroups,
    group: PrivilegeGroup,
) -> Result<PrivilegeGroups, PrivilegeGroupError> {
    let is_there = groups.find(&group.name).is_some();
    check_new(&group.name, is_there, groups.as_slice().len())?;
    // A catalog of before has names of groups that were dropped in others: this one is in none.
    Ok(groups.without(&group.name).with(group))
}

/// Whether one may come to the `count` groups there are.
fn check_new(
    name: &CompactString,
    is_there: bool,
    count: usize,
) -> Result<(), PrivilegeGroupError> {
    if is_there {
        return Err(PrivilegeGroupError::Exists(name.clone()));
    }
    if is_predefined(name) {
        return Err(PrivilegeGroupError::Predefined(name.clone()));
    }
    if count >= PRIVILEGE_GROUPS_MAX {
        return Err(PrivilegeGroupError::Full);
    }
    Ok(())
}

/// The group to change, if it is to be changed at all.
fn find<'a>(
    groups: &'a PrivilegeGroups,
    name: &str,
    privileges: &[CompactString],
) -> Result<&'a PrivilegeGroup, PrivilegeGroupError> {
    let group = groups.find(name);
    let group = group.ok_or_else(|| PrivilegeGroupError::NotFound(name.into()))?;
    if privileges.is_empty() {
        return Err(PrivilegeGroupError::NothingToChange);
    }
    Ok(group)
}

/// Refuses privileges that are none.
pub fn check_known<'a>(
    groups: &PrivilegeGroups,
    privileges: impl IntoIterator<Item = &'a CompactString>,
) -> Result<(), PrivilegeGroupError> {
    let mut privileges = privileges.into_iter();
    let unknown = privileges.find(|name| !groups.is_name(name));
    unknown.map_or(Ok(()), |name| {
        Err(PrivilegeGroupError::UnknownPrivilege(name.clone()))
    })
}

fn sorted(mut privileges: Vec<CompactString>) -> Box<[CompactString]> {
    privileges.sort_unstable();
    privileges.dedup();
    privileges.into()
}

/// A group among them is of none, whatever is in it: so it is in Milvus.
fn check_one_level<'a>(
    privileges: impl IntoIterator<Item = &'a CompactString>,
) -> Result<(), PrivilegeGroupError> {
    let mut levels = privileges.into_iter().map(|name| privilege_level(name));
    let first = levels.next();
    if levels.any(|level| Some(level) != first) {
        return Err(PrivilegeGroupError::MixedLevels);
    }
    Ok(())
}

fn put(groups: PrivilegeGroups) -> Result<Vec<Change>, PlanError> {
    let change = Change::PutSetting(Setting::PrivilegeGroups(groups));
    Ok(vec![check_size(change)?])
}
