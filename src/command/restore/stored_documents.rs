//! Documents of `admin.system.users` and `admin.system.roles`, read back.
//!
//! Only what could have been stored here is taken: every field known and of its type, keys of the
//! lengths of their mechanism, names and ranges that are such.

mod milvus_grants;

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::raw::RawDocument;
use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocumentBuf};

use self::milvus_grants::Grant;
use super::transient::Document;
use crate::catalog::{Dumped, LeftOut};
use crate::command::arguments::{Arguments, FromField, Path, Rules, arguments, strict_document};
use crate::command::field_types::{Anything, SafeInt64};
use crate::command::names::RoleArgument;
use crate::command::privileges::PrivilegeArgument;
use crate::command::restrictions::RestrictionArgument;
use crate::error::CommandError;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::plain_credential::PlainCredential;
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::user::{Credentials, ScramCredential, User};
use crate::secret::Secret;

/// Rounds of PBKDF2 that clients insist on (RFC 7677 section 4).
const ITERATIONS_MIN: i64 = 4096;

/// What came of documents.
pub(super) struct Read<N, T> {
    pub(super) dumped: Dumped<N, T>,
    /// Those that are none, with the reason.
    pub(super) left_out: Vec<LeftOut>,
}

/// What is stored in documents.
pub(super) trait Stored<N>: Sized {
    /// `user` or `role`, which is also the field of its name.
    const KIND: &'static str;

    fn name(name: &str, db: DbName) -> Option<N>;

    fn parse(document: &RawDocument) -> Result<Self, CommandError>;
}

/// Reads all documents, each for itself.
pub(super) fn read<N: Display, T: Stored<N>>(documents: &[Document]) -> Read<N, T> {
    let mut read = Read {
        dumped: Dumped {
            entries: Vec::with_capacity(documents.len()),
            unreadable: Vec::new(),
        },
        left_out: Vec::new(),
    };
    for (place, document) in documents.iter().enumerate() {
        let Ok(document) = RawDocument::from_bytes(document.expose()) else {
            // The wire has checked it.
            continue;
        };
        match T::parse(document) {
            Ok(entry) => read.dumped.entries.push(entry),
            Err(error) => {
                let name = name_of::<N, T>(document);
                let what = match &name {
                    Some(name) => format!("{} {name}", T::KIND),
                    None => format!("{} in document {place}", T::KIND),
                };
                read.dumped.unreadable.extend(name);
                let reason = error.message;
                read.left_out.push(LeftOut { what, reason });
            }
        }
    }
    read
}

fn name_of<N, T: Stored<N>>(document: &RawDocument) -> Option<N> {
    let db = DbName::parse(document.get_str("db").ok()?).ok()?;
    T::name(document.get_str(T::KIND).ok()?, db)
}

arguments! {
    /// A document of `admin.system.users`.
    struct UserDocument {
        /// `db.user`.
        "_id" => id: Anything,
        /// The user's UUID.
        "userId" => user_id: Option<UserId>,
        /// The name.
        "user" => user: String,
        /// Where it signs in.
        "db" => db: String,
        /// How it signs in.
        "credentials" => credentials: CredentialsDocument,
        /// Where from.
        "authenticationRestrictions" => restrictions: Option<Vec<RestrictionArgument>>,
        /// The administrator's own document.
        "customData" => custom_data: Option<RawDocumentBuf>,
        /// Roles granted directly.
        "roles" => roles: Vec<RoleArgument>,
    }
}

arguments! {
    /// `credentials` of a user.
    struct CredentialsDocument {
        /// `true`, and nothing else, on `$external`.
        "external" => external: Option<bool>,
        /// Keys.
        "SCRAM-SHA-1" => sha_1: Option<Keys<16, 20>>,
        /// Keys.
        "SCRAM-SHA-256" => sha_256: Option<Keys<28, 32>>,
        /// A hash.
        "PLAIN" => plain: Option<PlainDocument>,
    }
}

arguments! {
    /// The keys of a mechanism, in base64.
    struct KeysDocument {
        /// Rounds of PBKDF2.
        "iterationCount" => iteration_count: SafeInt64,
        /// The salt.
        "salt" => salt: Secret<String>,
        /// H(ClientKey).
        "storedKey" => stored_key: Secret<String>,
        /// What the server proves itself with.
        "serverKey" => server_key: Secret<String>,
    }
}

arguments! {
    /// What is kept for PLAIN.
    struct PlainDocument {
        /// A PHC string.
        "phc" => phc: Secret<String>,
    }
}

arguments! {
    /// A document of `admin.system.roles`.
    struct RoleDocument {
        /// `db.role`.
        "_id" => id: Anything,
        /// The name.
        "role" => role: String,
        /// Its database.
        "db" => db: String,
        /// What holders may do.
        "privileges" => privileges: Vec<PrivilegeArgument>,
        /// Roles it includes.
        "roles" => roles: Vec<RoleArgument>,
        /// Where holders may sign in from.
        "authenticationRestrictions" => restrictions: Option<Vec<RestrictionArgument>>,
        /// What it allows Milvus clients.
        "milvusGrants" => milvus_grants: Option<Vec<Grant>>,
    }
}

impl Stored<UserName> for User {
    const KIND: &'static str = "user";

    fn name(name: &str, db: DbName) -> Option<UserName> {
        UserName::new(name, db).ok()
    }

    fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let path = Path::root(Self::KIND);
        let document = UserDocument::parse(document, &path, Rules::STRICT_DOCUMENT)?;
        let UserDocument { id: Anything, .. } = document;
        let db = database(&document.db)?;
        Ok(Self {
            name: UserName::new(&document.user, db.clone()).map_err(|error| bad(&error))?,
            user_id: document
                .user_id
                .map_or_else(uuid::Uuid::new_v4, |UserId(id)| id),
            credentials: document.credentials.resolve(&db)?,
            restrictions: restrictions(document.restrictions)?,
            custom_data: document.custom_data.map(Box::new),
            roles: RoleArgument::resolve_all(&document.roles, &db)?.into(),
        })
    }
}

impl Stored<RoleName> for Role {
    const KIND: &'static str = "role";

    fn name(name: &str, db: DbName) -> Option<RoleName> {
        RoleName::new(name, db).ok()
    }

    fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let path = Path::root(Self::KIND);
        let document = RoleDocument::parse(document, &path, Rules::STRICT_DOCUMENT)?;
        let RoleDocument { id: Anything, .. } = document;
        let db = database(&document.db)?;
        Ok(Self {
            name: RoleName::new(&document.role, db.clone()).map_err(|error| bad(&error))?,
            privileges: PrivilegeArgument::resolve_all(&document.privileges)?.into(),
            roles: RoleArgument::resolve_all(&document.roles, &db)?.into(),
            restrictions: restrictions(document.restrictions)?,
            milvus_grants: Grant::resolve_all(document.milvus_grants, &db)?,
        })
    }
}

impl CredentialsDocument {
    fn resolve(self, db: &DbName) -> Result<Credentials, CommandError> {
        let has_keys = self.sha_1.is_some() || self.sha_256.is_some() || self.plain.is_some();
        match (db.is_external(), self.external) {
            (true, Some(true)) if !has_keys => Ok(Credentials::External),
            (false, None) if has_keys => Ok(Credentials::Stored {
                sha_1: self.sha_1.map(|Keys(keys)| Box::new(keys)),
                sha_256: self.sha_256.map(|Keys(keys)| Box::new(keys)),
                plain: self.plain.map(PlainDocument::resolve).transpose()?,
            }),
            (true, _) => Err(bad(&"credentials on $external must be {external: true}")),
            (false, _) => Err(bad(&"there are no credentials that can be used")),
        }
    }
}

impl PlainDocument {
    fn resolve(self) -> Result<Box<PlainCredential>, CommandError> {
        let credential = PlainCredential::parse(self.phc.expose());
        credential.map(Box::new).map_err(|error| bad(&error))
    }
}

/// A UUID in binary.
struct UserId(uuid::Uuid);

impl FromField for UserId {
    const TYPES: &'static [&'static str] = &["binData"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(match value {
            RawBsonRef::Binary(id) if id.subtype == BinarySubtype::Uuid => {
                uuid::Uuid::from_slice(id.bytes).ok().map(Self)
            }
            _ => None,
        })
    }
}

/// The keys of a mechanism.
struct Keys<const SALT: usize, const KEY: usize>(ScramCredential<SALT, KEY>);

impl<const SALT: usize, const KEY: usize> FromField for Keys<SALT, KEY> {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let Some(document) = strict_document::<KeysDocument>(value, path)? else {
            return Ok(None);
        };
        let SafeInt64(iterations) = document.iteration_count;
        let iteration_count = i32::try_from(iterations)
            .ok()
            .filter(|count| i64::from(*count) >= ITERATIONS_MIN)
            .ok_or_else(|| bad(&format!("'{path}.iterationCount' cannot be {iterations}")))?;
        Ok(Some(Self(ScramCredential {
            iteration_count: iteration_count.unsigned_abs(),
            salt: decode(&document.salt, &path.field("salt"))?,
            stored_key: decode(&document.stored_key, &path.field("storedKey"))?,
            server_key: decode(&document.server_key, &path.field("serverKey"))?,
        })))
    }
}

impl FromField for CredentialsDocument {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        strict_document(value, path)
    }
}

impl FromField for PlainDocument {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        strict_document(value, path)
    }
}

fn decode<const BYTES: usize>(
    text: &Secret<String>,
    path: &Path<'_>,
) -> Result<[u8; BYTES], CommandError> {
    let bytes = STANDARD.decode(text.expose()).map(Secret::new);
    let bytes = bytes
        .ok()
        .and_then(|bytes| bytes.expose().as_slice().try_into().ok());
    bytes.ok_or_else(|| bad(&format!("'{path}' is not {BYTES} bytes in base64")))
}

fn database(name: &str) -> Result<DbName, CommandError> {
    match DbName::parse(name) {
        Ok(db) if db.is_local() => Err(bad(&"there are no users and roles on local")),
        parsed => parsed.map_err(|error| bad(&error)),
    }
}

fn restrictions(entries: Option<Vec<RestrictionArgument>>) -> Result<Restrictions, CommandError> {
    RestrictionArgument::resolve_all(&entries.unwrap_or_default())
}

fn bad(reason: &dyn Display) -> CommandError {
    CommandError::bad_value(reason.to_string())
}

#[cfg(test)]
mod tests;
