//! The roles every deployment has: MongoDB 8.0's.
//!
//! They are never stored. `builtin_roles.json` beside this file defines each role as privileges of
//! its own and roles it includes; what they amount to is computed once. A role is seen from outside
//! as a leaf: what it includes is flattened into its privileges and never shown.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use compact_str::CompactString;
use serde_json::Value;

use crate::model::action::{Action, ActionSet};
use crate::model::names::{DbName, RoleName};
use crate::model::privilege::{MergedPrivileges, Privilege};
use crate::model::resource::Resource;

/// Whether `role` is built in on its database: `admin` has every built-in role, `$external` none,
/// each other database those that are about one database.
pub fn is_builtin(role: &RoleName) -> bool {
    find(role).is_some()
}

/// What holders of a built-in role may do, merged and in the order in which `rolesInfo` prints it.
/// `None` if the role is not built in.
///
/// Cheap enough for every sign-in: lists of the long roles, those of `admin` alone, are shared; the
/// others have a handful of entries and are made for the database asked about.
pub fn privileges(role: &RoleName) -> Option<Arc<[Privilege]>> {
    Some(match find(role)? {
        BuiltinRole::AdminOnly(privileges) => Arc::clone(privileges),
        BuiltinRole::AnyDatabase(patterns) => patterns
            .iter()
            .map(|pattern| pattern.on(role.db()))
            .collect(),
    })
}

/// The built-in roles of one database, by name.
pub fn names_on(db: &DbName) -> Vec<RoleName> {
    let names = TABLE
        .keys()
        .filter_map(|name| RoleName::new(name, db.clone()).ok());
    names.filter(is_builtin).collect()
}

/// The built-in roles that exist on `admin` only, by name. They are few and have long lists of
/// privileges, so it pays to keep what is derived from them.
pub fn admin_only() -> Vec<RoleName> {
    let roles = TABLE
        .iter()
        .filter(|(_, role)| matches!(role, BuiltinRole::AdminOnly(_)));
    roles
        .filter_map(|(name, _)| RoleName::new(name, DbName::ADMIN).ok())
        .collect()
}

const DEFINITIONS: &str = include_str!("builtin_roles.json");

/// In the definitions: the database on which the role is looked up.
const ROLE_DB: &str = "$roleDb";

/// A test guarantees that the definitions parse. Without one the roles would be missing, which only
/// denies.
static TABLE: LazyLock<Table> = LazyLock::new(|| parse(DEFINITIONS).unwrap_or_default());

type Table = BTreeMap<String, BuiltinRole>;

#[derive(Debug)]
enum BuiltinRole {
    AdminOnly(Arc<[Privilege]>),
    AnyDatabase(Vec<PrivilegePattern>),
}

/// A privilege whose database may still be open.
#[derive(Debug, Clone)]
struct PrivilegePattern {
    resource: ResourcePattern,
    actions: ActionSet,
}

#[derive(Debug, Clone, PartialEq)]
enum ResourcePattern {
    Fixed(Resource),
    RoleDatabase,
    RoleNamespace(CompactString),
}

impl PrivilegePattern {
    /// The privilege that this is for a role on `db`.
    fn on(&self, db: &DbName) -> Privilege {
        let resource = match &self.resource {
            ResourcePattern::Fixed(resource) => resource.clone(),
            ResourcePattern::RoleDatabase => Resource::Database(db.clone()),
            ResourcePattern::RoleNamespace(collection) => {
                Resource::Namespace(db.clone(), collection.clone())
            }
        };
        Privilege {
            resource,
            actions: self.actions,
        }
    }

    fn fixed_on(&self, db: &DbName) -> Self {
        let Privilege { resource, actions } = self.on(db);
        Self {
            resource: ResourcePattern::Fixed(resource),
            actions,
        }
    }
}

fn find(role: &RoleName) -> Option<&'static BuiltinRole> {
    let found = TABLE.get(role.role())?;
    let exists = match found {
        BuiltinRole::AdminOnly(_) => role.db().is_admin(),
        BuiltinRole::AnyDatabase(_) => !role.db().is_external(),
    };
    exists.then_some(found)
}

/// `None` if the definitions are not what this file expects. A role comes after those it includes.
fn parse(definitions: &str) -> Option<Table> {
    let definitions: Value = serde_json::from_str(definitions).ok()?;
    let mut flattened: BTreeMap<&str, Vec<PrivilegePattern>> = BTreeMap::new();
    let mut table = Table::new();
    for role in definitions.get("roles")?.as_array()? {
        let name = role.get("role")?.as_str()?;
        let patterns = flatten(role, &flattened)?;
        let builtin = match role.get("scope")?.as_str()? {
            "anyDatabase" => BuiltinRole::AnyDatabase(patterns.clone()),
            "adminOnly" => {
                let bound: Vec<_> = patterns.iter().map(|it| it.on(&DbName::ADMIN)).collect();
                let merged: MergedPrivileges = bound.iter().collect();
                BuiltinRole::AdminOnly(merged.into_vec().into())
            }
            _ => return None,
        };
        flattened.insert(name, patterns);
        table.insert(name.to_owned(), builtin);
    }
    Some(table)
}

/// Included roles first, then the role's own privileges, each resource in its first place.
fn flatten(
    role: &Value,
    flattened: &BTreeMap<&str, Vec<PrivilegePattern>>,
) -> Option<Vec<PrivilegePattern>> {
    let mut merged = Vec::new();
    for included in role.get("includes")?.as_array()? {
        let patterns = flattened.get(included.get("role")?.as_str()?)?;
        let db = included.get("db")?.as_str()?;
        if db == ROLE_DB {
            merge_all(&mut merged, patterns.iter().cloned());
        } else {
            let db = DbName::parse(db).ok()?;
            merge_all(&mut merged, patterns.iter().map(|it| it.fixed_on(&db)));
        }
    }
    for privilege in role.get("privileges")?.as_array()? {
        merge_all(&mut merged, std::iter::once(parse_privilege(privilege)?));
    }
    Some(merged)
}

fn merge_all(merged: &mut Vec<PrivilegePattern>, patterns: impl Iterator<Item = PrivilegePattern>) {
    for pattern in patterns {
        match merged
            .iter_mut()
            .find(|present| present.resource == pattern.resource)
        {
            Some(present) => present.actions.insert_all(&pattern.actions),
            None => merged.push(pattern),
        }
    }
}

fn parse_privilege(privilege: &Value) -> Option<PrivilegePattern> {
    let resource = privilege.get("resource")?;
    let text = |key: &str| resource.get(key).and_then(Value::as_str);
    let resource = match text("kind")? {
        "cluster" => ResourcePattern::Fixed(Resource::Cluster),
        "anyResource" => ResourcePattern::Fixed(Resource::AnyResource),
        "anyNormal" => ResourcePattern::Fixed(Resource::AnyNormal),
        "anySystemBuckets" => ResourcePattern::Fixed(Resource::AnySystemBuckets),
        "database" if text("db")? == ROLE_DB => ResourcePattern::RoleDatabase,
        "database" => ResourcePattern::Fixed(Resource::Database(DbName::parse(text("db")?).ok()?)),
        "exactNamespace" if text("db")? == ROLE_DB => {
            ResourcePattern::RoleNamespace(text("collection")?.into())
        }
        "exactNamespace" => {
            let db = DbName::parse(text("db")?).ok()?;
            ResourcePattern::Fixed(Resource::Namespace(db, text("collection")?.into()))
        }
        "collectionAnyDb" => ResourcePattern::Fixed(Resource::CollectionInAnyDatabase(
            text("collection")?.into(),
        )),
        _ => return None,
    };
    let actions = privilege.get("actions")?.as_array()?;
    let actions = actions
        .iter()
        .map(|action| Action::from_name(action.as_str()?));
    Some(PrivilegePattern {
        resource,
        actions: actions.collect::<Option<ActionSet>>()?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bson::RawDocumentBuf;

    use super::*;

    fn role(name: &str, db: &str) -> RoleName {
        RoleName::new(name, DbName::parse(db).unwrap()).unwrap()
    }

    fn documents(privileges: &[Privilege]) -> Vec<RawDocumentBuf> {
        privileges.iter().map(Privilege::to_raw_document).collect()
    }

    /// The fixture's privileges of one role, looked up on `db`.
    fn expected(fixture: &Value, name: &str, db: &str) -> Vec<RawDocumentBuf> {
        let text = fixture[name].to_string().replace(ROLE_DB, db);
        let listed: Vec<Value> = serde_json::from_str(&text).unwrap();
        let as_document = |value: &Value| {
            let mut resource = RawDocumentBuf::new();
            for key in [
                "cluster",
                "anyResource",
                "db",
                "collection",
                "system_buckets",
            ] {
                match value["resource"].get(key) {
                    Some(Value::Bool(flag)) => {
                        resource.append(bson::raw::CString::try_from(key).unwrap(), *flag);
                    }
                    Some(text) => resource.append(
                        bson::raw::CString::try_from(key).unwrap(),
                        text.as_str().unwrap(),
                    ),
                    None => {}
                }
            }
            let mut actions = bson::RawArrayBuf::new();
            for action in value["actions"].as_array().unwrap() {
                actions.push(action.as_str().unwrap());
            }
            bson::rawdoc! { "resource": resource, "actions": actions }
        };
        listed.iter().map(as_document).collect()
    }

    fn fixture() -> Value {
        let text = include_str!("../../fixtures/authz/effective_privileges.json");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_definitions_parse() {
        assert_eq!(parse(DEFINITIONS).unwrap().len(), 20);
        assert!(parse("{}").is_none());
    }

    #[test]
    fn every_role_amounts_to_what_a_server_prints() {
        let fixture = fixture();
        let names = fixture.as_object().unwrap().keys();
        assert_eq!(
            names.clone().collect::<BTreeSet<_>>(),
            TABLE.keys().collect::<BTreeSet<_>>()
        );
        for name in names {
            let found = privileges(&role(name, "admin")).unwrap();
            assert_eq!(
                documents(&found),
                expected(&fixture, name, "admin"),
                "{name}@admin"
            );
            for db in ["products", "local", "config"] {
                let role = role(name, db);
                match privileges(&role) {
                    Some(found) => {
                        assert_eq!(documents(&found), expected(&fixture, name, db), "{role}");
                    }
                    None => assert!(admin_only().iter().any(|it| it.role() == name), "{role}"),
                }
            }
        }
    }

    #[test]
    fn databases_offer_what_they_should() {
        let on = |db: &str| -> Vec<_> {
            let roles = names_on(&DbName::parse(db).unwrap());
            roles.iter().map(|role| role.role().to_owned()).collect()
        };
        let of_one_database = [
            "dbAdmin",
            "dbOwner",
            "enableSharding",
            "read",
            "readWrite",
            "userAdmin",
        ];
        assert_eq!(on("products"), of_one_database);
        assert_eq!(on("local"), of_one_database);
        assert_eq!(on("config"), of_one_database);
        assert!(on("$external").is_empty());
        assert_eq!(on("admin").len(), 20);
        assert!(is_builtin(&role("__system", "admin")));
        assert!(is_builtin(&role("__queryableBackup", "admin")));
        assert!(!is_builtin(&role("root", "products")));
        assert!(!is_builtin(&role("searchCoordinator", "admin")));
        assert!(privileges(&role("read", "$external")).is_none());
        assert!(privileges(&role("Root", "admin")).is_none());
    }

    #[test]
    fn lists_of_admin_are_shared_and_no_resource_comes_twice() {
        let root = role("root", "admin");
        assert!(Arc::ptr_eq(
            &privileges(&root).unwrap(),
            &privileges(&root).unwrap()
        ));
        for role in names_on(&DbName::ADMIN)
            .iter()
            .chain(&names_on(&DbName::parse("x").unwrap()))
        {
            let listed = privileges(role).unwrap();
            let merged: MergedPrivileges = listed.iter().collect();
            assert_eq!(merged.into_vec(), *listed, "{role}");
            assert!(
                listed.iter().all(|privilege| !privilege.actions.is_empty()),
                "{role}"
            );
        }
    }
}
