//! `SelectGrant`, pymilvus' `list_grants`.

use crate::authz::milvus::PUBLIC_ROLE;
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::grant::database_meant;
use crate::milvus::names::{any_or_name, entity_name, role_name};
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{
    GrantEntity, GrantorEntity, ObjectEntity, PrivilegeEntity, RoleEntity, SelectGrantRequest,
    SelectGrantResponse, UserEntity,
};
use crate::model::milvus::{ANY, MilvusGrant};
use crate::model::role::Role;

impl Call for SelectGrantRequest {
    const METHOD: &'static str = "SelectGrant";
    type Reply = SelectGrantResponse;

    /// None to look at a role of one's own, or at the one that everybody has.
    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        let role = self.entity.as_ref().and_then(|entity| entity.role.as_ref());
        let name = role.map_or("", |role| role.name.trim());
        let is_own = context.caller.as_ref().is_some_and(|caller| {
            let mut roles = caller.roles.iter();
            roles.any(|role| role.db() == context.directory_db() && role.role() == name)
        });
        (!is_own && name != PUBLIC_ROLE).then(|| context.global_need("SelectOwnership"))
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<SelectGrantResponse, Failure> {
        let settings = context.settings();
        let nil = || Failure::invalid("the grant entity in the request is nil");
        let entity = self.entity.ok_or_else(nil)?;
        let role = role_name(&entity.role.unwrap_or_default().name, settings)?;
        let object = match &entity.object {
            Some(object) => {
                let kind = entity_name(&object.name, "ObjectType", settings)?;
                let name = any_or_name(&entity.object_name, "object name", settings)?;
                Some((kind, name))
            }
            None => None,
        };
        let db = database_meant(&entity.db_name, context);
        let catalog = context.services().directory.catalog();
        let role = catalog
            .role(&role)
            .ok_or_else(|| Failure::role_not_found(ErrorCode::SelectGrantFailure))?;
        let is_asked_for = |grant: &&MilvusGrant| {
            let is_object = object.is_none_or(|(kind, name)| {
                grant.object.name() == kind && grant.object_name == name
            });
            is_object && (db == ANY || grant.db == db || grant.db == ANY)
        };
        let grants = role.milvus_grants.iter().filter(is_asked_for);
        Ok(SelectGrantResponse {
            status: Some(Status::default()),
            entities: grants.map(|grant| entity_of(&role, grant)).collect(),
        })
    }
}

pub(in crate::milvus) fn entity_of(role: &Role, grant: &MilvusGrant) -> GrantEntity {
    GrantEntity {
        role: Some(RoleEntity {
            name: role.name.role().to_owned(),
            description: String::new(),
        }),
        object: Some(ObjectEntity {
            name: grant.object.name().to_owned(),
        }),
        object_name: grant.object_name.to_string(),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity {
                name: grant.grantor.to_string(),
            }),
            privilege: Some(PrivilegeEntity {
                name: grant.privilege.to_string(),
            }),
        }),
        db_name: grant.db.to_string(),
    }
}
