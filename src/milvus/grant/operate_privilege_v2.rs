//! `OperatePrivilegeV2`: a privilege or a group, a database and a collection.

use super::{database, operate, privilege_not_found};
use crate::authz::{MilvusNeed, Pass};
use crate::config::MilvusConfig;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names::{entity_name, role_name};
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{OperatePrivilegeType, OperatePrivilegeV2Request};
use crate::model::milvus::{
    ANY, BuiltInGroup, Level, MilvusGrant, MilvusObject, built_in_group, object_of,
};

impl Call for OperatePrivilegeV2Request {
    const METHOD: &'static str = "OperatePrivilegeV2";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("ManageOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
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
        if privilege != ANY {
            entity_name(&privilege, "Privilege", settings)?;
        }
        let operation = OperatePrivilegeType::try_from(self.r#type)
            .map_err(|_| Failure::invalid("the type in the request not grant or revoke"))?;
        check_database(&self.db_name, settings)?;
        if self.collection_name != ANY {
            entity_name(&self.collection_name, "collection name", settings)?;
        }
        let group = built_in_group(&privilege);
        let object = match group {
            Some(group) => {
                check_level(group, &self.db_name, &self.collection_name)?;
                MilvusObject::Global
            }
            None => object_of(&privilege).ok_or_else(|| privilege_not_found(&privilege))?,
        };
        let grant = MilvusGrant {
            object,
            object_name: if group.is_none() && object == MilvusObject::Global {
                ANY.into()
            } else {
                self.collection_name.into()
            },
            db: database(&self.db_name),
            privilege: privilege.into(),
            grantor: context.caller_name().into(),
        };
        operate(context, pass, (role, operation), grant).await
    }
}

/// Whether the names reach as far as the group does.
fn check_level(group: &BuiltInGroup, db: &str, collection: &str) -> Result<(), Failure> {
    let name = group.name;
    let wrong = match group.level {
        Level::Cluster if db != ANY || collection != ANY => {
            format!("dbName and collectionName should be * for the cluster level privilege: {name}")
        }
        Level::Database if collection != ANY => {
            format!("collectionName should be * for the database level privilege: {name}")
        }
        Level::Collection if db == ANY && collection != ANY => {
            format!("please specify database name for the collection level privilege: {name}")
        }
        _ => return Ok(()),
    };
    Err(Failure::invalid(wrong))
}

/// Nothing, all, or a name: a letter or an underscore, then digits too.
fn check_database(db: &str, settings: &MilvusConfig) -> Result<(), Failure> {
    if db.is_empty() || db == ANY {
        return Ok(());
    }
    entity_name(db, "database name", settings)?;
    if db.contains('$') {
        return Err(Failure::invalid(format!(
            "database name can only contain numbers, letters and underscores, found $ in {db}"
        )));
    }
    Ok(())
}
