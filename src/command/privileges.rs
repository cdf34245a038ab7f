//! Privilege documents in commands: `{resource: {...}, actions: [...]}`.
//!
//! What each field's type may be is checked while parsing; whether they make a privilege, after
//! authorization, as in mongod. Unknown fields are passed over in both documents, as in mongod.

use bson::RawBsonRef;
use compact_str::CompactString;

use super::arguments::{Arguments, FromField, Path, Rules, arguments};
use super::field_types::SafeBool;
use crate::authz::Need;
use crate::error::CommandError;
use crate::model::action::{Action, ActionSet};
use crate::model::names::DbName;
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;

arguments! {
    /// A privilege, not yet known to be one.
    #[derive(Debug)]
    pub struct PrivilegeArgument {
        /// What may be acted on.
        "resource" => resource: ResourceArgument,
        /// What may be done.
        "actions" => actions: Vec<String>,
    }
}

arguments! {
    /// A resource, not yet known to be one.
    #[derive(Debug)]
    pub struct ResourceArgument {
        /// `true`: the cluster.
        "cluster" => cluster: Option<SafeBool>,
        /// `true`: everything.
        "anyResource" => any_resource: Option<SafeBool>,
        /// A database; empty: every one.
        "db" => db: Option<String>,
        /// A collection; empty: every one that is not a system one.
        "collection" => collection: Option<String>,
        /// A time-series collection; empty: every one.
        "system_buckets" => system_buckets: Option<String>,
    }
}

const LOOSE_DOCUMENT: Rules = Rules {
    strict: false,
    is_command: false,
};

impl FromField for PrivilegeArgument {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Document(document) = value else {
            return Ok(None);
        };
        Self::parse(document, path, LOOSE_DOCUMENT).map(Some)
    }
}

impl FromField for ResourceArgument {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Document(document) = value else {
            return Ok(None);
        };
        Self::parse(document, path, LOOSE_DOCUMENT).map(Some)
    }
}

impl PrivilegeArgument {
    /// All of `privileges`, the first problem decides; unknown actions come last, all together.
    pub fn resolve_all(privileges: &[Self]) -> Result<Vec<Privilege>, CommandError> {
        let mut resolved = Vec::with_capacity(privileges.len());
        let mut unknown = Vec::new();
        for privilege in privileges {
            let resource = privilege.resource.resolve()?;
            if privilege.actions.is_empty() {
                return Err(CommandError::bad_value(
                    "'actions' field of privilege resource must not be empty",
                ));
            }
            let actions = privilege.action_set(&mut unknown);
            resolved.push(Privilege { resource, actions });
        }
        if unknown.is_empty() {
            Ok(resolved)
        } else {
            Err(unknown_actions(unknown))
        }
    }

    /// What it takes to do `action` with each of `privileges`: the action on the database of the
    /// privilege's resource, on `admin` for resources of no one database.
    pub fn needs(privileges: &[Self], action: Action) -> Vec<Need> {
        privileges
            .iter()
            .map(|privilege| match privilege.resource.resolve() {
                Ok(resource) => resource.owning_db().cloned().unwrap_or(DbName::ADMIN),
                Err(_) => DbName::ADMIN,
            })
            .map(|db| Need::on_database(&db, action))
            .collect()
    }

    /// After `anyAction` nothing more is looked at, as in mongod.
    fn action_set(&self, unknown: &mut Vec<String>) -> ActionSet {
        let mut actions = ActionSet::EMPTY;
        for name in &self.actions {
            match Action::from_name(name) {
                Some(action) => actions.insert(action),
                None => unknown.push(name.clone()),
            }
            if actions.contains(Action::AnyAction) {
                break;
            }
        }
        actions
    }
}

impl ResourceArgument {
    fn resolve(&self) -> Result<Resource, CommandError> {
        if let Some(SafeBool(cluster)) = self.cluster {
            self.must_be_alone("cluster", cluster, self.any_resource.is_some())?;
            return Ok(Resource::Cluster);
        }
        if let Some(SafeBool(any_resource)) = self.any_resource {
            self.must_be_alone("anyResource", any_resource, false)?;
            return Ok(Resource::AnyResource);
        }
        match (&self.collection, &self.system_buckets) {
            (Some(_), Some(_)) => {
                bad("resource: {collection: '...'} conflicts with resource type 'system_buckets'")
            }
            (Some(collection), None) => self.collection(collection),
            (None, Some(buckets)) => self.system_buckets(buckets),
            (None, None) => {
                bad("resource pattern must contain 'collection' or 'systemBuckets' specifier")
            }
        }
    }

    /// `cluster` and `anyResource` are true and stand alone.
    fn must_be_alone(
        &self,
        name: &str,
        value: bool,
        with_any_resource: bool,
    ) -> Result<(), CommandError> {
        if !value {
            return bad(format!("resource: {{{name}: false}} must be true"));
        }
        let others = [
            ("anyResource", with_any_resource),
            ("db", self.db.is_some()),
            ("collection", self.collection.is_some()),
            ("system_buckets", self.system_buckets.is_some()),
        ];
        match others.into_iter().find(|(_, is_present)| *is_present) {
            None => Ok(()),
            Some((other, _)) => bad(format!(
                "resource: {{{name}: true}} conflicts with resource type '{other}'"
            )),
        }
    }

    fn collection(&self, collection: &str) -> Result<Resource, CommandError> {
        let Some(db) = &self.db else {
            return bad("resource {collection: '...'} must include 'db' field as well");
        };
        if !is_collection_name(collection) {
            return bad(format!("'{collection}' is not a valid collection name"));
        }
        let name = CompactString::new(collection);
        match (db.as_str(), collection) {
            ("", "") => Ok(Resource::AnyNormal),
            ("", _) => Ok(Resource::CollectionInAnyDatabase(name)),
            (db, "") => Ok(Resource::Database(database(db)?)),
            (db, _) => Ok(Resource::Namespace(database(db)?, name)),
        }
    }

    fn system_buckets(&self, buckets: &str) -> Result<Resource, CommandError> {
        let name = CompactString::new(buckets);
        match (self.db.as_deref().unwrap_or_default(), buckets) {
            ("", "") => Ok(Resource::AnySystemBuckets),
            ("", _) => Ok(Resource::SystemBucketsInAnyDatabase(name)),
            (db, "") => Ok(Resource::SystemBucketsInDatabase(database(db)?)),
            (db, _) => Ok(Resource::SystemBuckets(database(db)?, name)),
        }
    }
}

/// A name that no database can have would be a resource that matches nothing; mongod keeps it, here
/// it is refused.
fn database(name: &str) -> Result<DbName, CommandError> {
    DbName::parse(name)
        .map_err(|_| CommandError::bad_value(format!("'{name}' is not a valid database name")))
}

/// Empty is every collection. `local.oplog.$main` is the one name with a dollar.
fn is_collection_name(name: &str) -> bool {
    let has_bad_character = name.contains('\0') || (name.contains('$') && name != "oplog.$main");
    !has_bad_character && !name.starts_with('.') && !name.ends_with('.')
}

fn unknown_actions(mut unknown: Vec<String>) -> CommandError {
    unknown.sort();
    unknown.dedup();
    let noun = if unknown.len() == 1 { "type" } else { "types" };
    let names: Vec<_> = unknown.iter().map(|name| format!("'{name}'")).collect();
    CommandError::bad_value(format!(
        "Unknown action {noun} in privilege set: {}",
        names.join(", ")
    ))
}

fn bad<T>(message: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::bad_value(message))
}

#[cfg(test)]
mod tests {
    use bson::raw::RawDocument;
    use bson::rawdoc;

    use super::*;

    fn resolve(document: &RawDocument) -> Result<Privilege, (i32, String)> {
        let path = Path::root("createRole.privileges");
        let argument = PrivilegeArgument::parse(document, &path, LOOSE_DOCUMENT);
        let resolved = argument.and_then(|one| PrivilegeArgument::resolve_all(&[one]));
        resolved
            .map(|mut privileges| privileges.remove(0))
            .map_err(|error| (error.code.0, error.message))
    }

    #[test]
    fn every_form_of_resource_is_read_as_it_is_written() {
        for resource in [
            rawdoc! { "cluster": true },
            rawdoc! { "anyResource": true },
            rawdoc! { "db": "", "collection": "" },
            rawdoc! { "db": "shop", "collection": "" },
            rawdoc! { "db": "shop", "collection": "carts" },
            rawdoc! { "db": "", "collection": "carts" },
            rawdoc! { "system_buckets": "" },
            rawdoc! { "db": "shop", "system_buckets": "" },
            rawdoc! { "system_buckets": "carts" },
            rawdoc! { "db": "shop", "system_buckets": "carts" },
        ] {
            let privilege = rawdoc! { "resource": resource.clone(), "actions": ["find"] };
            let resolved = resolve(&privilege).unwrap();
            assert_eq!(resolved.resource.to_raw_document(), resource);
        }
    }

    #[test]
    fn resources_that_are_none_say_why() {
        let why = |resource: bson::RawDocumentBuf| {
            resolve(&rawdoc! { "resource": resource, "actions": ["find"] })
                .unwrap_err()
                .1
        };
        assert_eq!(
            why(rawdoc! { "cluster": false }),
            "resource: {cluster: false} must be true"
        );
        assert_eq!(
            why(rawdoc! { "cluster": true, "db": "" }),
            "resource: {cluster: true} conflicts with resource type 'db'"
        );
        assert_eq!(
            why(rawdoc! { "anyResource": true, "collection": "" }),
            "resource: {anyResource: true} conflicts with resource type 'collection'"
        );
        assert_eq!(
            why(rawdoc! { "collection": "c" }),
            "resource {collection: '...'} must include 'db' field as well"
        );
        assert_eq!(
            why(rawdoc! { "db": "d", "collection": "c", "system_buckets": "b" }),
            "resource: {collection: '...'} conflicts with resource type 'system_buckets'"
        );
        assert_eq!(
            why(rawdoc! { "db": "d" }),
            "resource pattern must contain 'collection' or 'systemBuckets' specifier"
        );
        assert_eq!(
            why(rawdoc! { "db": "d", "collection": "a$b" }),
            "'a$b' is not a valid collection name"
        );
    }

    #[test]
    fn actions_are_all_known_or_none_is_taken() {
        let actions = |actions: &[&str]| {
            let actions: bson::RawArrayBuf = actions.iter().copied().collect();
            resolve(&rawdoc! { "resource": { "cluster": true }, "actions": actions })
        };
        assert_eq!(
            actions(&["foo", "find", "bar", "foo"]).unwrap_err(),
            (
                2,
                "Unknown action types in privilege set: 'bar', 'foo'".into()
            )
        );
        assert_eq!(
            actions(&[]).unwrap_err(),
            (
                2,
                "'actions' field of privilege resource must not be empty".into()
            )
        );
        assert!(
            actions(&["anyAction", "foo"])
                .unwrap()
                .actions
                .contains(Action::Find)
        );
    }

    #[test]
    fn types_are_checked_and_unknown_fields_passed_over() {
        let wrong = resolve(&rawdoc! { "resource": { "db": 1, "collection": "" }, "actions": [] });
        assert_eq!(
            wrong.unwrap_err(),
            (
                14,
                "BSON field 'createRole.privileges.resource.db' is the wrong type 'int', expected \
                 type 'string'"
                    .into()
            )
        );
        let missing = resolve(&rawdoc! { "resource": { "cluster": true } }).unwrap_err();
        assert_eq!(missing.0, 40414);
        let loose =
            rawdoc! { "resource": { "cluster": true, "x": 1 }, "actions": ["find"], "y": 1 };
        assert!(resolve(&loose).is_ok());
    }
}
