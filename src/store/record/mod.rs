//! One change as a key and bytes, for stores that keep bytes.
//!
//! A record is a version byte, a CRC-32C and a BSON document (<https://bsonspec.org/spec.html>); the
//! name is in the key, which the checksum covers too. Fields have one fixed order, so a value has
//! one encoding and anything else is [`Malformed`]. `docs/journal.md` is the long form.

mod bson;
mod milvus_grant;
mod privilege;
mod privilege_group;
mod restriction;
mod transient;
mod user;

use std::sync::Arc;

use ::bson::RawDocumentBuf;

use self::bson::{Fields, Writer};
use super::{Change, Setting};
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::role::Role;
use crate::model::user::User;
use crate::secret::Secret;

/// The largest record: what a MongoDB server allows for a stored document, 16 MiB and 16 KiB.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024 + 16 * 1024;

const VERSION: u8 = 1;
const CHECKSUM: std::ops::Range<usize> = 1..5;
const HEADER_BYTES: usize = 5;
/// What `admin.system.version` shows as `currentVersion`.
const AUTH_SCHEMA_VERSION: i64 = 5;

/// The three kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Settings, by their own name.
    Settings,
    /// Roles, by database and name.
    Roles,
    /// Users, by database and name.
    Users,
}

impl Table {
    /// The name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Roles => "roles",
            Self::Users => "users",
        }
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The key has another form.
    #[error("the key is not a name")]
    Key,
    /// A newer program wrote it, or it is no record at all.
    #[error("record version {0} is unknown")]
    Version(u8),
    /// The bytes are not those that were written.
    #[error("the checksum does not match")]
    Checksum,
    /// The bytes end too early.
    #[error("it is cut short")]
    CutShort,
    /// The field is absent, out of order or of another type.
    #[error("field '{0}' is not where and what it should be")]
    Field(&'static str),
    /// The field has a value that cannot be.
    #[error("field '{field}' has a bad value: {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// There is more than a record has.
    #[error("it has bytes or fields that do not belong to it")]
    Surplus,
}

/// A record beyond what records may have: [`RECORD_BYTES_MAX`], or what the store takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of \"{name}\" has {bytes} bytes, the limit is {max}")]
pub struct RecordTooLarge {
    /// `name@db`, or the name of the setting.
    pub name: String,
    /// The size it would have.
    pub bytes: usize,
    /// The size it may have.
    pub max: usize,
}

/// What one change writes: a record under a key, or no record there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// Under which key.
    pub key: Vec<u8>,
    /// The record; `None` removes it.
    pub record: Option<Vec<u8>>,
}

/// The bytes that make `change` last.
pub fn encode(change: &Change) -> Result<Write, RecordTooLarge> {
    let (table, key, record) = match change {
        Change::PutUser(user) => {
            let (key, record) = encode_user(user)?;
            (Table::Users, key, Some(record))
        }
        Change::DropUser(name) => (Table::Users, user_key(name), None),
        Change::PutRole(role) => {
            let (key, record) = encode_role(role)?;
            (Table::Roles, key, Some(record))
        }
        Change::DropRole(name) => (Table::Roles, role_key(name), None),
        Change::PutSetting(setting) => {
            let (key, record) = encode_setting(setting)?;
            (Table::Settings, key, Some(record))
        }
    };
    Ok(Write { table, key, record })
}

/// Refuses a change whose record and its key are larger than `max` bytes together: a name may be as long
/// as anything else.
pub fn check_size(change: &Change, max: usize) -> Result<(), RecordTooLarge> {
    let write = encode(change)?;
    let bytes = write.key.len() + write.record.as_ref().map_or(0, Vec::len);
    if bytes <= max {
        return Ok(());
    }
    let name = display_key(write.table, &write.key);
    Err(RecordTooLarge { name, bytes, max })
}

/// The change that puts what `record` under `key` holds.
pub fn decode(table: Table, key: &[u8], record: &[u8]) -> Result<Change, Malformed> {
    let document = unseal(key, record)?;
    match table {
        Table::Users => {
            let (db, user) = split_key(key)?;
            let name = UserName::new(user, db).map_err(|_| Malformed::Key)?;
            let user = user::read(name, document)?;
            Ok(Change::PutUser(Arc::new(user)))
        }
        Table::Roles => {
            let (db, role) = split_key(key)?;
            let name = RoleName::new(role, db).map_err(|_| Malformed::Key)?;
            read_role(name, document).map(|role| Change::PutRole(Arc::new(role)))
        }
        Table::Settings => read_setting(key, document).map(Change::PutSetting),
    }
}

/// The change that removes what is under `key`. Settings are never removed.
pub fn removal(table: Table, key: &[u8]) -> Result<Change, Malformed> {
    let (db, name) = split_key(key)?;
    match table {
        Table::Users => {
            let name = UserName::new(name, db).map_err(|_| Malformed::Key)?;
            Ok(Change::DropUser(name))
        }
        Table::Roles => {
            let name = RoleName::new(name, db).map_err(|_| Malformed::Key)?;
            Ok(Change::DropRole(name))
        }
        Table::Settings => Err(Malformed::Key),
    }
}

/// A key as people read it: `name@db`, or the bytes with escapes if they have no such form.
pub fn display_key(table: Table, key: &[u8]) -> String {
    match (table, split_key(key)) {
        (Table::Users | Table::Roles, Ok((db, name))) => format!("{name}@{db}"),
        _ => key.escape_ascii().to_string(),
    }
}

fn encode_user(user: &User) -> Result<(Vec<u8>, Vec<u8>), RecordTooLarge> {
    let mut writer = open_record();
    user::write(&mut writer, user);
    seal(user_key(&user.name), writer, &user.name)
}

fn encode_role(role: &Role) -> Result<(Vec<u8>, Vec<u8>), RecordTooLarge> {
    let mut writer = open_record();
    writer.array("privileges", &role.privileges, privilege::write);
    write_roles(&mut writer, &role.roles);
    restriction::write(&mut writer, &role.restrictions);
    milvus_grant::write_all(&mut writer, &role.milvus_grants);
    milvus_grant::write_description(&mut writer, &role.milvus_description);
    seal(role_key(&role.name), writer, &role.name)
}

fn read_role(name: RoleName, document: &[u8]) -> Result<Role, Malformed> {
    let mut fields = Fields::of(document)?;
    let privileges = fields.documents("privileges", privilege::read)?;
    let roles = read_roles(&mut fields)?;
    let restrictions = restriction::read(&mut fields)?;
    let milvus_grants = milvus_grant::read_all(&mut fields)?;
    let milvus_description = milvus_grant::read_description(&mut fields)?;
    fields.finish()?;
    Ok(Role {
        name,
        privileges: privileges.into_boxed_slice(),
        roles,
        restrictions,
        milvus_grants,
        milvus_description,
    })
}

fn encode_setting(setting: &Setting) -> Result<(Vec<u8>, Vec<u8>), RecordTooLarge> {
    let mut writer = open_record();
    match setting {
        Setting::AuthSchema => writer.int64("currentVersion", AUTH_SCHEMA_VERSION),
        Setting::DefaultReadWriteConcern(value) => writer.document_bytes("value", value.as_bytes()),
        Setting::DeploymentSecret(secret) => writer.binary("secret", secret.expose()),
        Setting::PrivilegeGroups(groups) => privilege_group::write_all(&mut writer, groups),
        Setting::TransientCollections(ids) => transient::write(&mut writer, *ids),
    }
    seal(setting.key().into(), writer, &setting.key())
}

fn read_setting(key: &[u8], document: &[u8]) -> Result<Setting, Malformed> {
    let mut fields = Fields::of(document)?;
    let setting = match key {
        b"authSchema" => {
            if fields.int64("currentVersion")? != AUTH_SCHEMA_VERSION {
                return Err(Malformed::Value {
                    field: "currentVersion",
                    reason: format!("only {AUTH_SCHEMA_VERSION} is known"),
                });
            }
            Setting::AuthSchema
        }
        b"defaultRWConcern" => {
            let value = RawDocumentBuf::from_bytes(fields.document("value")?.to_vec())
                .map_err(|_| Malformed::Field("value"))?;
            Setting::DefaultReadWriteConcern(Arc::new(value))
        }
        b"deploymentSecret" => Setting::DeploymentSecret(Secret::new(fields.array_of("secret")?)),
        b"milvusPrivilegeGroups" => {
            Setting::PrivilegeGroups(privilege_group::read_all(&mut fields)?)
        }
        b"transientCollections" => Setting::TransientCollections(transient::read(&mut fields)?),
        _ => return Err(Malformed::Key),
    };
    fields.finish()?;
    Ok(setting)
}

fn write_roles(writer: &mut Writer, roles: &[RoleName]) {
    writer.array("roles", roles, |writer, role| {
        writer.string("role", role.role());
        writer.string("db", role.db().as_str());
    });
}

fn read_roles(fields: &mut Fields<'_>) -> Result<Box<[RoleName]>, Malformed> {
    let roles = fields.documents("roles", |role| {
        let name = role.string("role")?;
        let db = read_db(role, "db")?;
        RoleName::new(name, db).map_err(|error| bad_value("role", &error))
    })?;
    Ok(roles.into_boxed_slice())
}

fn read_db(fields: &mut Fields<'_>, field: &'static str) -> Result<DbName, Malformed> {
    DbName::parse(fields.string(field)?).map_err(|error| bad_value(field, &error))
}

fn bad_value(field: &'static str, reason: &dyn std::fmt::Display) -> Malformed {
    Malformed::Value {
        field,
        reason: reason.to_string(),
    }
}

fn user_key(name: &UserName) -> Vec<u8> {
    join_key(name.db(), name.user())
}

fn role_key(name: &RoleName) -> Vec<u8> {
    join_key(name.db(), name.role())
}

// No database name has a NUL, so the first one ends it and names of one database lie together.
fn join_key(db: &DbName, name: &str) -> Vec<u8> {
    [db.as_str().as_bytes(), b"\0", name.as_bytes()].concat()
}

fn split_key(key: &[u8]) -> Result<(DbName, &str), Malformed> {
    let text = std::str::from_utf8(key).map_err(|_| Malformed::Key)?;
    let (db, name) = text.split_once('\0').ok_or(Malformed::Key)?;
    let db = DbName::parse(db).map_err(|_| Malformed::Key)?;
    Ok((db, name))
}

fn open_record() -> Writer {
    Writer::after(&[VERSION, 0, 0, 0, 0])
}

fn seal(
    key: Vec<u8>,
    writer: Writer,
    name: &dyn std::fmt::Display,
) -> Result<(Vec<u8>, Vec<u8>), RecordTooLarge> {
    let mut record = writer.finish(HEADER_BYTES);
    if record.len() > RECORD_BYTES_MAX {
        return Err(RecordTooLarge {
            name: name.to_string(),
            bytes: record.len(),
            max: RECORD_BYTES_MAX,
        });
    }
    let checksum = checksum(&key, &record[HEADER_BYTES..]);
    record[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    Ok((key, record))
}

fn unseal<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], Malformed> {
    let (&version, rest) = record.split_first().ok_or(Malformed::CutShort)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let (kept, document) = rest.split_first_chunk().ok_or(Malformed::CutShort)?;
    if u32::from_le_bytes(*kept) != checksum(key, document) {
        return Err(Malformed::Checksum);
    }
    Ok(document)
}

/// Over version, key and document: a record under another key does not pass.
fn checksum(key: &[u8], document: &[u8]) -> u32 {
    let checksum = crc32c::crc32c(&[VERSION]);
    crc32c::crc32c_append(crc32c::crc32c_append(checksum, key), document)
}

#[cfg(test)]
mod tests;
