//! `OperatePrivilegeV2`: a privilege or a group, a database and a collection.

use super::{OPERATION, check_role, database_meant, operate};
use crate::authz::{MilvusNeed, Pass};
use crate::config::MilvusConfig;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names::{any_or_name, role_name};
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{OperatePrivilegeType, OperatePrivilegeV2Request};
use crate::model::milvus::{ANY, Level, MilvusGrant, MilvusObject, object_of};

impl Call for OperatePrivilegeV2Request {
    const METHOD: &'static str = "OperatePrivilegeV2";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("ManageOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let settings = context.settings();
        let role = role_name(&self.role.unwrap_or_default().name, settings)?;
        let nil =
            |what| move || Failure::of(ErrorCode::UnexpectedError, format!("the {what} is nil"));
        let grantor = self
            .grantor
            .ok_or_else(nil("grantor entity in the request"))?;
        let privilege = grantor
            .privilege
            .ok_or_else(nil("privilege entity in the grantor entity"))?
            .name;
        let privilege = any_or_name(&privilege, "Privilege", settings)?;
        let operation = OperatePrivilegeType::try_from(self.r#type)
            .map_err(|_| Failure::invalid("the type in the request not grant or revoke"))?;
        let db = check_database(database_meant(&self.db_name, context), settings)?;
        let collection = any_or_name(&self.collection_name, "collection name", settings)?;
        let grant = MilvusGrant {
            object: object_of(privilege).unwrap_or(MilvusObject::Global),
            // The older form puts `*` there for the server as a whole; here it is listed as it was named.
            object_name: collection.into(),
            db: db.into(),
            privilege: privilege.into(),
            grantor: context.caller_name().into(),
        };
        check_role(context, &role, operation, &grant).await?;
        check_privilege(context, privilege, (db, collection))?;
        operate(context, pass, (role, operation), grant).await
    }
}

/// Whether it is known and, if it is a group, for these names. The coordinator of Milvus asks for that
/// after the role.
fn check_privilege(
    context: &Context<'_>,
    privilege: &str,
    names: (&str, &str),
) -> Result<(), Failure> {
    let groups = context.services().directory.catalog().privilege_groups();
    if groups.is_group(privilege) {
        return check_level(privilege, groups.level(privilege), names);
    }
    if privilege == ANY || object_of(privilege).is_some() {
        return Ok(());
    }
    let reason = format!("not found the privilege name[{privilege}]");
    Err(Failure::of(OPERATION, reason))
}

/// Whether the names reach as far as the group does; one without privileges reaches anywhere.
fn check_level(
    name: &str,
    level: Option<Level>,
    (db, collection): (&str, &str),
) -> Result<(), Failure> {
    let wrong = match level {
        Some(Level::Cluster) if db != ANY || collection != ANY => {
            format!("dbName and collectionName should be * for the cluster level privilege: {name}")
        }
        Some(Level::Database) if collection != ANY => {
            format!("collectionName should be * for the database level privilege: {name}")
        }
        Some(Level::Collection) if db == ANY && collection != ANY => {
            format!("please specify database name for the collection level privilege: {name}")
        }
        _ => return Ok(()),
    };
    Err(Failure::invalid_for(OPERATION, wrong))
}

/// All, or a name: a letter or an underscore, then digits too.
fn check_database<'a>(db: &'a str, settings: &MilvusConfig) -> Result<&'a str, Failure> {
    let db = any_or_name(db, "database name", settings)?;
    if db.contains('$') {
        return Err(Failure::invalid(format!(
            "database name can only contain numbers, letters and underscores, found $ in {db}"
        )));
    }
    Ok(db)
}
