//! A privilege in a record: `{resource: {..}, actions: [..]}` as the server prints it.

use compact_str::CompactString;

use super::bson::{Fields, Writer};
use super::{Malformed, bad_value};
use crate::model::action::{Action, ActionSet};
use crate::model::names::DbName;
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;

pub(super) fn write(writer: &mut Writer, privilege: &Privilege) {
    writer.document("resource", |writer| {
        write_resource(writer, &privilege.resource);
    });
    writer.strings("actions", privilege.actions.iter().map(Action::name));
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Privilege, Malformed> {
    let resource = read_resource(fields.document("resource")?)?;
    let actions = fields.optional_strings("actions", |name| {
        Action::from_name(name)
            .ok_or_else(|| bad_value("actions", &format_args!("there is no action '{name}'")))
    })?;
    let actions = actions.ok_or(Malformed::Field("actions"))?;
    Ok(Privilege {
        resource,
        actions: ActionSet::from_iter(actions),
    })
}

fn write_resource(writer: &mut Writer, resource: &Resource) {
    match resource {
        Resource::Cluster => writer.boolean("cluster", true),
        Resource::AnyResource => writer.boolean("anyResource", true),
        Resource::AnyNormal => write_namespace(writer, "", ""),
        Resource::Database(db) => write_namespace(writer, db.as_str(), ""),
        Resource::Namespace(db, collection) => write_namespace(writer, db.as_str(), collection),
        Resource::CollectionInAnyDatabase(collection) => write_namespace(writer, "", collection),
        Resource::AnySystemBuckets => write_buckets(writer, None, ""),
        Resource::SystemBucketsInDatabase(db) => write_buckets(writer, Some(db), ""),
        Resource::SystemBucketsInAnyDatabase(name) => write_buckets(writer, None, name),
        Resource::SystemBuckets(db, name) => write_buckets(writer, Some(db), name),
    }
}

fn write_namespace(writer: &mut Writer, db: &str, collection: &str) {
    writer.string("db", db);
    writer.string("collection", collection);
}

fn write_buckets(writer: &mut Writer, db: Option<&DbName>, name: &str) {
    if let Some(db) = db {
        writer.string("db", db.as_str());
    }
    writer.string("system_buckets", name);
}

fn read_resource(document: &[u8]) -> Result<Resource, Malformed> {
    let mut fields = Fields::of(document)?;
    let resource = if fields.optional_true("cluster")? {
        Resource::Cluster
    } else if fields.optional_true("anyResource")? {
        Resource::AnyResource
    } else {
        let db = fields.optional_string("db")?;
        match fields.optional_string("collection")? {
            Some(collection) => namespace(db.ok_or(Malformed::Field("db"))?, collection)?,
            None => buckets(db, fields.string("system_buckets")?)?,
        }
    };
    fields.finish()?;
    Ok(resource)
}

fn namespace(db: &str, collection: &str) -> Result<Resource, Malformed> {
    Ok(match (db, collection) {
        ("", "") => Resource::AnyNormal,
        ("", collection) => Resource::CollectionInAnyDatabase(CompactString::new(collection)),
        (db, "") => Resource::Database(parse_db(db)?),
        (db, collection) => Resource::Namespace(parse_db(db)?, CompactString::new(collection)),
    })
}

fn buckets(db: Option<&str>, name: &str) -> Result<Resource, Malformed> {
    Ok(match (db, name) {
        (None, "") => Resource::AnySystemBuckets,
        (None, name) => Resource::SystemBucketsInAnyDatabase(CompactString::new(name)),
        (Some(db), "") => Resource::SystemBucketsInDatabase(parse_db(db)?),
        (Some(db), name) => Resource::SystemBuckets(parse_db(db)?, CompactString::new(name)),
    })
}

fn parse_db(db: &str) -> Result<DbName, Malformed> {
    DbName::parse(db).map_err(|error| bad_value("db", &error))
}
