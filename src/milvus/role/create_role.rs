//! `CreateRole`.

use crate::authz::{MilvusNeed, Pass};
use crate::catalog::{PlanError, builtin};
use crate::error::ErrorCode as Code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::CreateRoleRequest;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::ops::OpsError;

const OPERATION: ErrorCode = ErrorCode::CreateRoleFailure;

impl Call for CreateRoleRequest {
    const METHOD: &'static str = "CreateRole";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("CreateOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let (services, settings) = (context.services(), context.settings());
        let entity = self.entity.unwrap_or_default();
        let name = names::role_name(&entity.name, settings)?;
        names::check_description(&entity.description, "role")?;
        let exists = || format!("role [name:{:?}] already exists", name.role());
        let change = DirectoryChange::of_role("createRole", ChangeKind::Created, &name);
        // The other face knows roles of its own on every database.
        if builtin::is_builtin(&name) {
            let refusal = Failure::of(OPERATION, exists());
            return Err(context.refused(&change, Code::BAD_VALUE, refusal).await);
        }
        let role = Role {
            name: name.clone(),
            privileges: [].into(),
            roles: [].into(),
            restrictions: Restrictions::NONE,
            milvus_grants: [].into(),
            milvus_description: entity.description.into(),
        };
        let order = context.order(pass, change);
        let created = services
            .directory
            .create_milvus_role(order, role, settings.roles_max)
            .await;
        created.map_err(|error| match error {
            OpsError::Plan(PlanError::RoleExists(_)) => Failure::of(OPERATION, exists()),
            OpsError::Plan(PlanError::MilvusRolesFull) => Failure::of(
                OPERATION,
                "failed to check if create role: unable to create role because the number of roles has reached \
                 the limit",
            ),
            error => Failure::of_write(OPERATION, error, services),
        })?;
        Ok(Status::default())
    }
}
