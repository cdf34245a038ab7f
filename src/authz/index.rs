//! Privileges arranged by what may be asked about.

use std::collections::HashMap;

use compact_str::{CompactString, format_compact};

use crate::model::action::ActionSet;
use crate::model::names::DbName;
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;

/// Prefix of the collections in which time-series data are really kept.
const SYSTEM_BUCKETS_PREFIX: &str = "system.buckets.";

/// What some privileges allow, one field or map for each kind of resource. No set of actions in a
/// map is empty.
#[derive(Debug, Default)]
pub(super) struct PrivilegeIndex {
    cluster: ActionSet,
    any_resource: ActionSet,
    any_normal: ActionSet,
    any_system_buckets: ActionSet,
    collections_in_any_database: HashMap<CompactString, ActionSet>,
    system_buckets_in_any_database: HashMap<CompactString, ActionSet>,
    databases: HashMap<DbName, DatabaseIndex>,
}

/// The part about one database.
#[derive(Debug, Default)]
struct DatabaseIndex {
    database: ActionSet,
    any_system_buckets: ActionSet,
    collections: HashMap<CompactString, ActionSet>,
    system_buckets: HashMap<CompactString, ActionSet>,
}

impl PrivilegeIndex {
    pub(super) fn add(&mut self, privilege: &Privilege) {
        if privilege.actions.is_empty() {
            return;
        }
        let actions = match &privilege.resource {
            Resource::Cluster => &mut self.cluster,
            Resource::AnyResource => &mut self.any_resource,
            Resource::AnyNormal => &mut self.any_normal,
            Resource::AnySystemBuckets => &mut self.any_system_buckets,
            Resource::CollectionInAnyDatabase(name) => self
                .collections_in_any_database
                .entry(name.clone())
                .or_default(),
            Resource::SystemBucketsInAnyDatabase(name) => self
                .system_buckets_in_any_database
                .entry(name.clone())
                .or_default(),
            Resource::Database(db) => &mut self.database(db).database,
            Resource::SystemBucketsInDatabase(db) => &mut self.database(db).any_system_buckets,
            Resource::Namespace(db, name) => self
                .database(db)
                .collections
                .entry(name.clone())
                .or_default(),
            Resource::SystemBuckets(db, name) => self
                .database(db)
                .system_buckets
                .entry(name.clone())
                .or_default(),
        };
        actions.insert_all(&privilege.actions);
    }

    /// Takes away from `missing` what is allowed on `resource`, by whichever pattern covers it.
    pub(super) fn take_allowed(&self, resource: &Resource, missing: &mut ActionSet) {
        missing.remove_all(&self.any_resource);
        match resource {
            Resource::AnyResource => {}
            Resource::Cluster => missing.remove_all(&self.cluster),
            Resource::AnyNormal => missing.remove_all(&self.any_normal),
            Resource::Database(db) => {
                if is_normal_database(db) {
                    missing.remove_all(&self.any_normal);
                }
                if let Some(found) = self.databases.get(db) {
                    missing.remove_all(&found.database);
                }
            }
            Resource::Namespace(db, name) => self.take_allowed_on_namespace(db, name, missing),
            Resource::SystemBuckets(db, name) => {
                let collection = format_compact!("{SYSTEM_BUCKETS_PREFIX}{name}");
                self.take_allowed_on_namespace(db, &collection, missing);
            }
            Resource::AnySystemBuckets => missing.remove_all(&self.any_system_buckets),
            Resource::SystemBucketsInDatabase(db) => {
                if let Some(found) = self.databases.get(db) {
                    missing.remove_all(&found.any_system_buckets);
                }
            }
            Resource::CollectionInAnyDatabase(name) => {
                take(missing, &self.collections_in_any_database, name);
            }
            Resource::SystemBucketsInAnyDatabase(name) => {
                take(missing, &self.system_buckets_in_any_database, name);
            }
        }
    }

    /// Whether anything at all is allowed in `db`.
    pub(super) fn allows_any_action_in(&self, db: &DbName) -> bool {
        !self.any_resource.is_empty()
            || !self.any_system_buckets.is_empty()
            || !self.collections_in_any_database.is_empty()
            || !self.system_buckets_in_any_database.is_empty()
            || (is_normal_database(db) && !self.any_normal.is_empty())
            || self.databases.contains_key(db)
    }

    fn take_allowed_on_namespace(&self, db: &DbName, name: &str, missing: &mut ActionSet) {
        let in_database = self.databases.get(db);
        take(missing, &self.collections_in_any_database, name);
        if let Some(found) = in_database {
            take(missing, &found.collections, name);
        }
        if is_normal_collection(db, name) {
            if is_normal_database(db) {
                missing.remove_all(&self.any_normal);
            }
            if let Some(found) = in_database {
                missing.remove_all(&found.database);
            }
        } else if let Some(of) = name.strip_prefix(SYSTEM_BUCKETS_PREFIX) {
            missing.remove_all(&self.any_system_buckets);
            take(missing, &self.system_buckets_in_any_database, of);
            if let Some(found) = in_database {
                missing.remove_all(&found.any_system_buckets);
                take(missing, &found.system_buckets, of);
            }
        }
    }

    fn database(&mut self, db: &DbName) -> &mut DatabaseIndex {
        self.databases.entry(db.clone()).or_default()
    }
}

fn take(missing: &mut ActionSet, allowed: &HashMap<CompactString, ActionSet>, name: &str) {
    // Most privileges name no collection; do not hash the name for nothing.
    if allowed.is_empty() {
        return;
    }
    if let Some(actions) = allowed.get(name) {
        missing.remove_all(actions);
    }
}

/// Whether privileges on "any normal" resource reach into the database.
fn is_normal_database(db: &DbName) -> bool {
    !db.is_local() && !db.is_config()
}

/// Whether privileges on the database cover the collection.
pub fn is_normal_collection(db: &DbName, name: &str) -> bool {
    let is_replica_set_state = db.is_local() && name.starts_with("replset.");
    !name.starts_with("system.") && !is_replica_set_state
}
