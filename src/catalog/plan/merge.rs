//! The plan of `_mergeAuthzCollections`: the users and roles of a dump, brought in.
//!
//! What cannot be brought in is left out and named, as mongod only logs it; the rest is one list of
//! changes. Afterwards no name of a role dangles and no role includes itself, whatever the dump says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::roles::{check_targets, merged, take_from_all};
use super::transient::check_read;
use super::{PlanError, check_size, first_of_all, without_duplicates};
use crate::catalog::{View, builtin};
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::transient::TransientIds;
use crate::model::user::{Credentials, User};
use crate::store::Change;

/// What is to be brought in, and how.
#[derive(Debug)]
pub struct Dump {
    /// Users; `None` leaves all users as they are.
    pub users: Option<Dumped<UserName, User>>,
    /// Roles; `None` leaves all roles as they are.
    pub roles: Option<Dumped<RoleName, Role>>,
    /// Looks only at users and roles of this database, in the dump and here; `None`: at all.
    pub db: Option<DbName>,
    /// Whether those of the dump take the place of those that exist, and those that the dump does
    /// not have go. Else only new ones come in.
    pub replaces: bool,
    /// The collections it was read from: another one of the name may have taken their place.
    pub read_from: TransientIds,
}

/// Users or roles of a dump.
#[derive(Debug)]
pub struct Dumped<N, T> {
    /// Those that could be read.
    pub entries: Vec<T>,
    /// Names of those that could not; whoever is called so here stays.
    pub unreadable: Vec<N>,
}

/// What became of a [`Dump`].
#[derive(Debug, Default)]
pub struct Merged {
    /// What is done, as the commands for one user or role would describe it.
    pub changed: Vec<DirectoryChange>,
    /// What is not.
    pub left_out: Vec<LeftOut>,
}

/// A user or role, or a part of one, that is not brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// `user x@db`, `role x@db`.
    pub what: String,
    /// Why; it names fields and roles, and no value of a user.
    pub reason: String,
}

/// Decides what changes: roles first, because users hold them.
pub fn merge(view: &View<'_>, dump: Dump) -> Result<(Vec<Change>, Merged), PlanError> {
    check_read(view, dump.read_from)?;
    let mut merge = Merge {
        after: view.clone(),
        changes: Vec::new(),
        merged: Merged::default(),
        db: dump.db,
        replaces: dump.replaces,
    };
    if let Some(roles) = dump.roles {
        merge.roles(roles)?;
    }
    if let Some(users) = dump.users {
        merge.users(users);
    }
    let makes_any = |change: &Change| matches!(change, Change::PutUser(_) | Change::PutRole(_));
    if merge.changes.iter().any(makes_any) {
        merge.changes.splice(..0, first_of_all(view));
    }
    Ok((merge.changes, merge.merged))
}

struct Merge<'a> {
    /// The catalog with the changes so far.
    after: View<'a>,
    changes: Vec<Change>,
    merged: Merged,
    db: Option<DbName>,
    replaces: bool,
}

impl Merge<'_> {
    fn roles(&mut self, dumped: Dumped<RoleName, Role>) -> Result<(), PlanError> {
        let mut named: HashSet<_> = dumped.unreadable.into_iter().collect();
        let accepted = self.accepted_roles(dumped.entries, &mut named);
        let mut kept = Vec::new();
        let mut gone = HashSet::new();
        if self.replaces {
            let is_accepted: HashSet<_> = accepted.iter().map(|role| &role.name).collect();
            for role in self.after.roles_where(|role| self.is_meant(role.name.db())) {
                if !named.contains(&role.name) {
                    gone.insert(role.name.clone());
                } else if !is_accepted.contains(&role.name) {
                    // It stays, and may include roles that do not.
                    kept.push((*role).clone());
                }
            }
        }
        let count = accepted.len();
        let mut roles: Vec<_> = accepted.into_iter().chain(kept).collect();
        self.leave_out_unknown(&mut roles, &gone);
        self.leave_out_cycles(&mut roles);
        for (place, role) in roles.into_iter().enumerate() {
            self.put_role(role, place < count)?;
        }
        let taken = take_from_all(&self.after, |role| gone.contains(role))?;
        // What is dropped need not be changed first.
        let stays =
            |change: &Change| !matches!(change, Change::PutRole(role) if gone.contains(&role.name));
        self.add(taken.into_iter().filter(stays).collect());
        let mut gone: Vec<_> = gone.into_iter().collect();
        gone.sort();
        for name in gone {
            let change = DirectoryChange::of_role("dropRole", ChangeKind::Dropped, &name);
            self.merged.changed.push(change);
            self.add(vec![Change::DropRole(name)]);
        }
        Ok(())
    }

    fn users(&mut self, dumped: Dumped<UserName, User>) {
        let mut named: HashSet<_> = dumped.unreadable.into_iter().collect();
        let mut seen = HashSet::new();
        for mut user in dumped.entries {
            if !self.is_meant(user.name.db()) {
                continue;
            }
            named.insert(user.name.clone());
            let what = format!("user {}", user.name);
            if !seen.insert(user.name.clone()) {
                self.leave_out(what, "it is there twice");
                continue;
            }
            let exists = self.after.user(&user.name).is_some();
            if exists && !self.replaces {
                self.leave_out(what, "it exists");
                continue;
            }
            let mut roles = without_duplicates(user.roles.into_vec());
            roles.retain(|role| {
                let is_there = self.after.role_exists(role);
                if !is_there {
                    self.leave_out(what.clone(), format!("its role {role} does not exist"));
                }
                is_there
            });
            user.roles = roles.into_boxed_slice();
            let described = describe_user(&user, exists);
            match check_size(Change::PutUser(Arc::new(user))) {
                Ok(change) => {
                    self.merged.changed.push(described);
                    self.add(vec![change]);
                }
                Err(too_large) => self.leave_out(what, too_large.to_string()),
            }
        }
        if self.replaces {
            let gone = |user: &User| self.is_meant(user.name.db()) && !named.contains(&user.name);
            for user in self.after.users_where(gone) {
                let change = DirectoryChange::of_user("dropUser", ChangeKind::Dropped, &user.name);
                self.merged.changed.push(change);
                self.add(vec![Change::DropUser(user.name.clone())]);
            }
        }
    }

    /// The roles that can come in, what they include aside; `named` gets the names of all.
    fn accepted_roles(&mut self, entries: Vec<Role>, named: &mut HashSet<RoleName>) -> Vec<Role> {
        let mut seen = HashSet::new();
        let mut accepted = Vec::new();
        for role in entries {
            if !self.is_meant(role.name.db()) {
                continue;
            }
            named.insert(role.name.clone());
            let is_first = seen.insert(role.name.clone());
            let role = Role {
                roles: without_duplicates(role.roles.into_vec()).into_boxed_slice(),
                privileges: merged(&role.privileges),
                ..role
            };
            match self.refusal(&role, is_first) {
                None => accepted.push(role),
                Some(reason) => self.leave_out(format!("role {}", role.name), reason),
            }
        }
        accepted
    }

    fn refusal(&self, role: &Role, is_first: bool) -> Option<String> {
        if !is_first {
            return Some("it is there twice".to_owned());
        }
        if builtin::is_builtin(&role.name) {
            return Some("it is built in".to_owned());
        }
        if !self.replaces && self.after.role(&role.name).is_some() {
            return Some("it exists".to_owned());
        }
        let db = role.name.db();
        let is_plain = role.milvus_grants.is_empty() && role.milvus_description.is_empty();
        if !is_plain && db != self.after.milvus_db() {
            return Some("only roles of Milvus clients have milvusGrants".to_owned());
        }
        if !db.is_admin() && role.roles.iter().any(|included| included.db() != db) {
            return Some("it includes a role of another database".to_owned());
        }
        let checked = check_targets(&role.name, &role.privileges)
            .and_then(|()| check_size(Change::PutRole(Arc::new(role.clone()))));
        checked.err().map(|error| error.to_string())
    }

    /// Takes from `roles` what they include and will not be there.
    fn leave_out_unknown(&mut self, roles: &mut [Role], gone: &HashSet<RoleName>) {
        let names: HashSet<_> = roles.iter().map(|role| role.name.clone()).collect();
        for role in roles {
            let (kept, unknown): (Vec<_>, Vec<_>) =
                role.roles.iter().cloned().partition(|included| {
                    names.contains(included)
                        || (self.after.role_exists(included) && !gone.contains(included))
                });
            for included in unknown {
                let reason = format!("its role {included} does not exist");
                self.leave_out(format!("role {}", role.name), reason);
            }
            role.roles = kept.into_boxed_slice();
        }
    }

    /// Takes from `roles` what would make one include itself. Other roles than these include none of
    /// them: with `replaces` all of the databases that are looked at are among these, and what is
    /// elsewhere is either included by roles of `admin` only or is on `admin`, which others cannot
    /// include; else these are new.
    fn leave_out_cycles(&mut self, roles: &mut [Role]) {
        let closing = closing_a_cycle(roles);
        for role in roles {
            let (kept, closing): (Vec<_>, Vec<_>) =
                role.roles.iter().cloned().partition(|included| {
                    !closing.contains(&(role.name.clone(), included.clone()))
                });
            for included in closing {
                let reason = format!("its role {included} includes it");
                self.leave_out(format!("role {}", role.name), reason);
            }
            role.roles = kept.into_boxed_slice();
        }
    }

    fn put_role(&mut self, role: Role, is_dumped: bool) -> Result<(), PlanError> {
        let present = self.after.role(&role.name);
        if !is_dumped && present.as_deref() == Some(&role) {
            return Ok(());
        }
        let described = describe_role(&role, present.is_some());
        let change = check_size(Change::PutRole(Arc::new(role)))?;
        self.merged.changed.push(described);
        self.add(vec![change]);
        Ok(())
    }

    fn is_meant(&self, db: &DbName) -> bool {
        self.db.as_ref().is_none_or(|meant| meant == db)
    }

    fn add(&mut self, changes: Vec<Change>) {
        self.after.lay_over(&changes);
        self.changes.extend(changes);
    }

    fn leave_out(&mut self, what: String, reason: impl Into<String>) {
        let reason = reason.into();
        self.merged.left_out.push(LeftOut { what, reason });
    }
}

/// Pairs of a role and one it includes, without which none of `roles` includes itself. Each role is
/// walked through once.
fn closing_a_cycle(roles: &[Role]) -> HashSet<(RoleName, RoleName)> {
    let by_name: HashMap<_, _> = roles.iter().map(|role| (&role.name, role)).collect();
    // Whether the walk is still below the role.
    let mut is_open: HashMap<&RoleName, bool> = HashMap::new();
    let mut closing = HashSet::new();
    for start in roles {
        if is_open.contains_key(&start.name) {
            continue;
        }
        is_open.insert(&start.name, true);
        let mut path = vec![(start, start.roles.iter())];
        while let Some((role, included)) = path.last_mut() {
            let Some(name) = included.next() else {
                is_open.insert(&role.name, false);
                path.pop();
                continue;
            };
            match (is_open.get(name), by_name.get(name)) {
                (Some(true), _) => {
                    closing.insert((role.name.clone(), name.clone()));
                }
                (None, Some(below)) => {
                    is_open.insert(&below.name, true);
                    path.push((below, below.roles.iter()));
                }
                _ => {}
            }
        }
    }
    closing
}

fn describe_user(user: &User, exists: bool) -> DirectoryChange {
    let (command, kind) = if exists {
        ("updateUser", ChangeKind::Updated)
    } else {
        ("createUser", ChangeKind::Created)
    };
    let has_password = matches!(user.credentials, Credentials::Stored { .. });
    DirectoryChange {
        password_changed: exists.then_some(has_password),
        custom_data: user.custom_data.clone(),
        roles: Some(user.roles.clone()),
        restrictions: given(&user.restrictions),
        ..DirectoryChange::of_user(command, kind, &user.name)
    }
}

fn describe_role(role: &Role, exists: bool) -> DirectoryChange {
    let (command, kind) = if exists {
        ("updateRole", ChangeKind::Updated)
    } else {
        ("createRole", ChangeKind::Created)
    };
    DirectoryChange {
        roles: Some(role.roles.clone()),
        privileges: Some(role.privileges.clone()),
        restrictions: given(&role.restrictions),
        milvus_grants: Some(role.milvus_grants.clone()).filter(|grants| !grants.is_empty()),
        ..DirectoryChange::of_role(command, kind, &role.name)
    }
}

fn given(restrictions: &Restrictions) -> Option<Restrictions> {
    (!restrictions.is_empty()).then(|| restrictions.clone())
}

#[cfg(test)]
mod tests;
