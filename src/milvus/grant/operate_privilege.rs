//! `OperatePrivilege`, the older form: object, object name and privilege are all named.

use super::{OPERATION, check_role, database_meant, operate, refused};
use crate::authz::{MilvusNeed, Pass};
use crate::config::MilvusConfig;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names::{any_or_name, entity_name, role_name};
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{GrantEntity, OperatePrivilegeRequest, OperatePrivilegeType};
use crate::model::milvus::{ANY, MilvusGrant, MilvusObject, built_in_group, object_of};
use crate::model::names::RoleName;

/// What a request names, all of it there and well-formed.
struct Named {
    role: RoleName,
    object: String,
    object_name: String,
    privilege: String,
}

impl Call for OperatePrivilegeRequest {
    const METHOD: &'static str = "OperatePrivilege";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("ManageOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let missing = || {
            Failure::of(
                ErrorCode::UnexpectedError,
                "the entity in the request is nil",
            )
        };
        let entity = self.entity.ok_or_else(missing)?;
        let db = database_meant(&entity.db_name, context).into();
        let named = Named::of(entity, context.settings())?;
        let operation = OperatePrivilegeType::try_from(self.r#type).map_err(|_| {
            refused(format!(
                "invalid operate privilege type, current type: {}, valid value: [Grant, Revoke]",
                self.r#type
            ))
        })?;
        let object = named.object()?;
        let grant = MilvusGrant {
            object,
            object_name: if object == MilvusObject::Global {
                ANY.into()
            } else {
                named.object_name.as_str().into()
            },
            db,
            privilege: named.privilege.as_str().into(),
            grantor: context.caller_name().into(),
        };
        check_role(context, &named.role, operation, &grant).await?;
        let groups = context.services().directory.catalog().privilege_groups();
        if groups.find(&named.privilege).is_some() {
            let name = &named.privilege;
            let reason = format!("can not operate the custom privilege group [{name}]");
            return Err(Failure::of(OPERATION, reason));
        }
        named.check_privilege(object)?;
        operate(context, pass, (named.role, operation), grant).await
    }
}

impl Named {
    fn of(entity: GrantEntity, settings: &MilvusConfig) -> Result<Self, Failure> {
        let nil =
            |what| move || Failure::of(ErrorCode::UnexpectedError, format!("the {what} is nil"));
        let grantor = entity
            .grantor
            .ok_or_else(nil("grantor entity in the grant entity"))?;
        let privilege = grantor
            .privilege
            .ok_or_else(nil("privilege entity in the grantor entity"))?;
        let object = entity
            .object
            .ok_or_else(nil("resource entity in the grant entity"))?;
        let role = entity
            .role
            .ok_or_else(nil("object entity in the grant entity"))?;
        Ok(Self {
            role: role_name(&role.name, settings)?,
            object: entity_name(&object.name, "ObjectType", settings)?.to_owned(),
            object_name: any_or_name(&entity.object_name, "object name", settings)?.to_owned(),
            privilege: any_or_name(&privilege.name, "Privilege", settings)?.to_owned(),
        })
    }

    fn object(&self) -> Result<MilvusObject, Failure> {
        MilvusObject::from_name(&self.object).ok_or_else(|| {
            let supported = MilvusObject::EVERY.map(MilvusObject::name).join(" ");
            refused(format!(
                "not found the object type[name: {}], supported the object types: [{supported}]",
                self.object
            ))
        })
    }

    fn check_privilege(&self, object: MilvusObject) -> Result<(), Failure> {
        let name = self.privilege.as_str();
        if built_in_group(name).is_some() {
            let reason = format!("can not operate the built-in privilege group [{name}]");
            return Err(Failure::of(OPERATION, reason));
        }
        if name == ANY || object_of(name) == Some(object) {
            return Ok(());
        }
        let object = object.name();
        let reason = format!("not found the privilege name[{name}] in object[{object}]");
        Err(Failure::of(OPERATION, reason))
    }
}
