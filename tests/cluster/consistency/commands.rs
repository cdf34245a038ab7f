//! How users and roles are changed and asked for, and what the answers say.
//!
//! The number of a write is in what it leaves: a creation names itself in the custom data of a user and in
//! a privilege of a role, a grant in the database that it is for.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};

use crate::history::{Action, Holder, Outcome, State, WriteId};

/// Where the users are.
pub(super) const DB: &str = "products";
/// Where the roles are: elsewhere they could not inherit roles of other databases.
pub(super) const ROLES_DB: &str = "admin";
/// Users that are changed at the same time.
const USERS: u64 = 4;
/// Roles that are changed at the same time.
const ROLES: u64 = 2;
/// All who are changed at the same time.
pub(super) const NAMES: u64 = USERS + ROLES;
/// Writes are counted from 1.
const NO_WRITE: WriteId = 0;
const CREATED: &str = "created-";
const GRANT: &str = "grant-";

/// Who is changed after so many others.
pub(super) fn names_of(generation: u64) -> Vec<String> {
    let users = (0..USERS).map(|number| format!("user-{generation}-{number}"));
    let roles = (0..ROLES).map(|number| format!("role-{generation}-{number}"));
    users.chain(roles).collect()
}

pub(super) fn is_role(name: &str) -> bool {
    name.starts_with("role-")
}

/// The only custom role that the user is ever given.
pub(super) fn role_for(user: &str) -> String {
    let (place, number) = user.rsplit_once('-').unwrap();
    let number: u64 = number.parse().unwrap();
    format!("{}-{}", place.replace("user", "role"), number % ROLES)
}

pub(super) fn db_of(name: &str) -> &'static str {
    if is_role(name) { ROLES_DB } else { DB }
}

pub(super) fn command(id: WriteId, name: &str, action: Action) -> Document {
    if is_role(name) {
        role_command(id, name, action)
    } else {
        user_command(id, name, action)
    }
}

/// A grant gives `read` on a database named after its number: such a role is always there.
fn granted_role(id: WriteId) -> Document {
    doc! { "role": "read", "db": format!("{GRANT}{id}") }
}

fn find_on(db: String) -> Document {
    doc! { "resource": { "db": db, "collection": "" }, "actions": ["find"] }
}

fn user_command(id: WriteId, user: &str, action: Action) -> Document {
    match action {
        Action::Create => doc! {
            "createUser": user, "pwd": "secret", "roles": [], "mechanisms": ["SCRAM-SHA-256"],
            "customData": { "by": i64::try_from(id).unwrap() },
        },
        Action::Drop => doc! { "dropUser": user },
        Action::Grant => doc! { "grantRolesToUser": user, "roles": [granted_role(id)] },
        Action::Revoke(grant) => {
            doc! { "revokeRolesFromUser": user, "roles": [granted_role(grant)] }
        }
        Action::Give => doc! {
            "grantRolesToUser": user, "roles": [{ "role": role_for(user), "db": ROLES_DB }],
        },
    }
}

/// A role is granted roles and privileges, by turns.
fn role_command(id: WriteId, role: &str, action: Action) -> Document {
    let privilege = |grant: WriteId| find_on(format!("{GRANT}{grant}"));
    match action {
        Action::Create => doc! {
            "createRole": role, "roles": [], "privileges": [find_on(format!("{CREATED}{id}"))],
        },
        Action::Drop => doc! { "dropRole": role },
        Action::Grant if id.is_multiple_of(2) => {
            doc! { "grantPrivilegesToRole": role, "privileges": [privilege(id)] }
        }
        Action::Grant => doc! { "grantRolesToRole": role, "roles": [granted_role(id)] },
        Action::Revoke(grant) if grant.is_multiple_of(2) => {
            doc! { "revokePrivilegesFromRole": role, "privileges": [privilege(grant)] }
        }
        Action::Revoke(grant) => {
            doc! { "revokeRolesFromRole": role, "roles": [granted_role(grant)] }
        }
        Action::Give => unreachable!("roles are given to users"),
    }
}

/// An empty document is no answer.
pub(super) fn outcome(reply: &Document, nodes: usize) -> Outcome {
    if reply.get_f64("ok").ok() == Some(1.0) {
        let nodes = if reply.contains_key("writeConcernError") {
            1
        } else {
            nodes
        };
        return Outcome::Done { nodes };
    }
    match reply.get_i32("code").unwrap_or_default() {
        51_002 | 51_003 => Outcome::Exists,
        11 | 31 => Outcome::NotFound,
        10_107 => Outcome::Refused,
        _ if wrote_nothing(reply) => Outcome::Refused,
        // Shutting down, stepping down, no answer from etcd: done or not.
        _ => Outcome::Unknown,
    }
}

/// The server is sure of it.
fn wrote_nothing(reply: &Document) -> bool {
    let labels = reply.get_array("errorLabels");
    labels.is_ok_and(|labels| labels.contains(&Bson::from("NoWritesPerformed")))
}

/// What an answer to [`Action::Give`] says of the user and of the role: there or not, if it says anything.
pub(super) fn given(reply: &Document) -> (Option<Outcome>, Option<Outcome>) {
    match outcome(reply, 1) {
        Outcome::Done { .. } => (Some(Outcome::Exists), Some(Outcome::Exists)),
        Outcome::NotFound if reply.get_i32("code").ok() == Some(31) => {
            (None, Some(Outcome::NotFound))
        }
        Outcome::NotFound => (Some(Outcome::NotFound), None),
        _ => (None, None),
    }
}

/// All users, or all roles.
pub(super) fn show_all(roles: bool) -> Document {
    from_any(if roles {
        doc! { "rolesInfo": 1, "showPrivileges": true }
    } else {
        doc! { "usersInfo": 1 }
    })
}

/// These users with what their roles give, or these roles.
pub(super) fn show(names: &[String]) -> Document {
    let (command, field) = if names.iter().all(|name| is_role(name)) {
        ("rolesInfo", "role")
    } else {
        ("usersInfo", "user")
    };
    let exact = |name: &String| doc! { field: name, "db": db_of(name) };
    let names: Vec<Document> = names.iter().map(exact).collect();
    from_any(doc! { command: names, "showPrivileges": true })
}

fn from_any(mut command: Document) -> Document {
    command.insert("$readPreference", doc! { "mode": "secondaryPreferred" });
    command
}

/// What the node shows of these, who were asked for; `None`: it shows nothing.
pub(super) fn seen(reply: &Document, names: &[String]) -> Option<BTreeMap<String, State>> {
    let mut seen: BTreeMap<String, State> = names.iter().map(|name| (name.clone(), None)).collect();
    let (field, name_field) = match reply.get_array("users") {
        Ok(_) => ("users", "user"),
        Err(_) => ("roles", "role"),
    };
    for shown in reply.get_array(field).ok()? {
        let shown = shown.as_document().unwrap();
        let name = shown.get_str(name_field).unwrap();
        if !seen.contains_key(name) {
            continue;
        }
        let holder = if is_role(name) {
            role(shown)
        } else {
            user(shown)
        };
        // The role at the same moment.
        if let Some((role, held)) = held(shown, &holder) {
            seen.insert(role, Some(held));
        }
        seen.insert(name.to_owned(), Some(holder));
    }
    Some(seen)
}

fn user(shown: &Document) -> Holder {
    let created_by = shown.get_document("customData").unwrap().get_i64("by");
    Holder {
        created_by: u64::try_from(created_by.unwrap()).unwrap(),
        granted: numbers(dbs_of_roles(shown, "roles"), GRANT).collect(),
    }
}

fn role(shown: &Document) -> Holder {
    let privileges = dbs_of_privileges(shown, "privileges");
    holder(dbs_of_roles(shown, "roles").chain(privileges))
}

/// The custom role that the user has, if what its roles give is shown: what is not the user's own is the
/// role's.
fn held(shown: &Document, user: &Holder) -> Option<(String, Holder)> {
    if !shown.contains_key("user") || !shown.contains_key("inheritedPrivileges") {
        return None;
    }
    let roles = shown.get_array("roles").unwrap().iter();
    let mut names = roles.map(|role| role.as_document().unwrap().get_str("role").unwrap());
    let name = names.find(|name| is_role(name))?;
    let privileges = dbs_of_privileges(shown, "inheritedPrivileges");
    let mut held = holder(dbs_of_roles(shown, "inheritedRoles").chain(privileges));
    held.granted.retain(|id| !user.granted.contains(id));
    Some((name.to_owned(), held))
}

/// A role that has these. If a user has it though it is gone, it has none, and no write has made it.
fn holder<'a>(dbs: impl Iterator<Item = &'a str>) -> Holder {
    let dbs: Vec<&str> = dbs.collect();
    let created = numbers(dbs.iter().copied(), CREATED).next();
    Holder {
        created_by: created.unwrap_or(NO_WRITE),
        granted: numbers(dbs.into_iter(), GRANT).collect(),
    }
}

/// The numbers after the prefix, of those that have it.
fn numbers<'a>(dbs: impl Iterator<Item = &'a str>, prefix: &str) -> impl Iterator<Item = WriteId> {
    dbs.filter_map(move |db| Some(db.strip_prefix(prefix)?.parse().unwrap()))
}

fn dbs_of_roles<'a>(shown: &'a Document, field: &str) -> impl Iterator<Item = &'a str> {
    let roles = shown.get_array(field).unwrap().iter();
    roles.map(|role| role.as_document().unwrap().get_str("db").unwrap())
}

fn dbs_of_privileges<'a>(shown: &'a Document, field: &str) -> impl Iterator<Item = &'a str> {
    let privileges = shown.get_array(field).unwrap().iter();
    privileges.map(|privilege| {
        let resource = privilege.as_document().unwrap().get_document("resource");
        resource.unwrap().get_str("db").unwrap()
    })
}
