//! `milvusGrants` of a role, read back.

use bson::RawBsonRef;

use super::bad;
use crate::command::arguments::{FromField, Path, arguments, strict_document};
use crate::error::CommandError;
use crate::model::milvus::{MilvusGrant, MilvusObject};
use crate::model::names::DbName;

arguments! {
    /// One row of what a role allows Milvus clients.
    struct GrantDocument {
        /// The kind of object.
        "object" => object: String,
        /// Which one, or `*`.
        "objectName" => object_name: String,
        /// The database of Milvus, or `*`.
        "db" => db: String,
        /// A privilege, a group, or `*`.
        "privilege" => privilege: String,
        /// Who granted it.
        "grantor" => grantor: String,
    }
}

/// A grant.
pub(super) struct Grant(MilvusGrant);

impl Grant {
    /// All of a role on `db`, sorted, each once.
    pub(super) fn resolve_all(
        grants: Option<Vec<Self>>,
        db: &DbName,
    ) -> Result<Box<[MilvusGrant]>, CommandError> {
        let grants = grants.unwrap_or_default().into_iter();
        let mut grants: Vec<_> = grants.map(|Self(grant)| grant).collect();
        if !grants.is_empty() && !db.is_milvus() {
            return Err(bad(&"only roles of Milvus clients have milvusGrants"));
        }
        grants.sort_by(MilvusGrant::order);
        grants.dedup_by(|later, earlier| earlier.is_same(later));
        Ok(grants.into())
    }
}

impl FromField for Grant {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let Some(document) = strict_document::<GrantDocument>(value, path)? else {
            return Ok(None);
        };
        let object = MilvusObject::from_name(&document.object).ok_or_else(|| {
            let kind = &document.object;
            bad(&format!("'{path}.object' is no kind of object: '{kind}'"))
        })?;
        for (field, value) in [
            ("objectName", &document.object_name),
            ("db", &document.db),
            ("privilege", &document.privilege),
        ] {
            if value.is_empty() {
                return Err(bad(&format!("'{path}.{field}' is empty")));
            }
        }
        Ok(Some(Self(MilvusGrant {
            object,
            object_name: document.object_name.into(),
            db: document.db.into(),
            privilege: document.privilege.into(),
            grantor: document.grantor.into(),
        })))
    }
}
