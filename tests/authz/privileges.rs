//! Which privileges meet which needs, worked out from `fixtures/authz/` and without the server.

use std::collections::BTreeMap;

use bson::{Bson, Document};

use crate::support::fixture;

/// Roles that `$roleDb` does not make sense for elsewhere: they are on `admin` only.
const ANY_DATABASE: [&str; 6] = [
    "dbAdmin",
    "dbOwner",
    "enableSharding",
    "read",
    "readWrite",
    "userAdmin",
];

/// A built-in role on a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role<'a> {
    pub name: &'a str,
    pub db: &'a str,
}

/// Every built-in role with its privileges, `$roleDb` not replaced.
pub struct BuiltIn(BTreeMap<String, Vec<Document>>);

/// `[action, resource]`: the resource is `cluster`, `*` (every database), `db` or `db.collection`.
#[derive(Debug)]
pub struct Need {
    action: String,
    resource: String,
}

impl Need {
    /// Reads a need of a command that runs on `db`.
    pub fn parse(need: &Bson, db: &str) -> Self {
        let [action, resource] = need.as_array().unwrap().as_slice() else {
            panic!("{need}")
        };
        Self {
            action: action.as_str().unwrap().to_owned(),
            resource: resource.as_str().unwrap().replace("$db", db),
        }
    }
}

impl BuiltIn {
    pub fn load() -> Self {
        let text = std::fs::read_to_string(fixture("authz/effective_privileges.json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// Every role there is, those of all databases on `admin` and on `db`.
    pub fn roles<'a>(&'a self, db: &'a str) -> Vec<Role<'a>> {
        let on_admin = self.0.keys().map(|name| Role { name, db: "admin" });
        let on_db = ANY_DATABASE.into_iter().map(|name| Role { name, db });
        on_admin.chain(on_db).collect()
    }

    /// Whether the role has all that is needed.
    pub fn allows(&self, role: Role<'_>, needs: &[Need]) -> bool {
        needs.iter().all(|need| {
            self.0[role.name].iter().any(|privilege| {
                let resource = privilege.get_document("resource").unwrap();
                let actions = privilege.get_array("actions").unwrap();
                let has = |action: &str| actions.iter().any(|one| one.as_str() == Some(action));
                (has(&need.action) || has("anyAction")) && covers(resource, role.db, &need.resource)
            })
        })
    }
}

/// Whether a privilege on `resource` is one on `wanted` (MongoDB manual, "Resource Document").
fn covers(resource: &Document, role_db: &str, wanted: &str) -> bool {
    if resource.get_bool("anyResource").is_ok() {
        return true;
    }
    if resource.get_bool("cluster").is_ok() || wanted == "cluster" {
        return resource.get_bool("cluster").is_ok() && wanted == "cluster";
    }
    if resource.contains_key("system_buckets") {
        return false; // no row of the matrix is about these
    }
    let db = match resource.get_str("db").unwrap() {
        "$roleDb" => role_db,
        db => db,
    };
    let collection = resource.get_str("collection").unwrap();
    if wanted == "*" {
        return db.is_empty() && collection.is_empty();
    }
    let (wanted_db, wanted_collection) = wanted.split_once('.').unwrap_or((wanted, ""));
    if !collection.is_empty() {
        return collection == wanted_collection && (db.is_empty() || db == wanted_db);
    }
    // What is about databases as a whole leaves their system collections out, and without a name
    // also the server's own databases.
    let is_normal = !wanted_collection.starts_with("system.");
    let is_on_db = db == wanted_db || (db.is_empty() && !matches!(wanted_db, "local" | "config"));
    is_normal && is_on_db
}
