//! `milvusGrants` of a role in a record; left out when there are none.

use super::bson::{Fields, Writer};
use super::{Malformed, bad_value};
use crate::model::milvus::{MilvusGrant, MilvusObject};

const FIELD: &str = "milvusGrants";

pub(super) fn write_all(writer: &mut Writer, grants: &[MilvusGrant]) {
    if grants.is_empty() {
        return;
    }
    writer.array(FIELD, grants, |writer, grant| {
        writer.string("object", grant.object.name());
        writer.string("objectName", &grant.object_name);
        writer.string("db", &grant.db);
        writer.string("privilege", &grant.privilege);
        writer.string("grantor", &grant.grantor);
    });
}

pub(super) fn read_all(fields: &mut Fields<'_>) -> Result<Box<[MilvusGrant]>, Malformed> {
    match fields.optional_documents(FIELD, read)? {
        Some(grants) if grants.is_empty() => Err(Malformed::Field(FIELD)),
        Some(grants) => Ok(grants.into_boxed_slice()),
        None => Ok([].into()),
    }
}

fn read(grant: &mut Fields<'_>) -> Result<MilvusGrant, Malformed> {
    let object = grant.string("object")?;
    let object = MilvusObject::from_name(object).ok_or_else(|| {
        let reason = format!("there is no kind of object '{object}'");
        bad_value("object", &reason)
    })?;
    Ok(MilvusGrant {
        object,
        object_name: grant.string("objectName")?.into(),
        db: grant.string("db")?.into(),
        privilege: grant.string("privilege")?.into(),
        grantor: grant.string("grantor")?.into(),
    })
}
