//! `DropRole`: whoever has the role loses it.

use crate::authz::milvus::{ADMIN_ROLE, PUBLIC_ROLE};
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::PlanError;
use crate::error::ErrorCode as Code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::DropRoleRequest;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::ops::OpsError;

const OPERATION: ErrorCode = ErrorCode::DropRoleFailure;

impl Call for DropRoleRequest {
    const METHOD: &'static str = "DropRole";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("DropOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let services = context.services();
        let name = names::role_name(&self.role_name, context.settings())?;
        let change = DirectoryChange::of_role("dropRole", ChangeKind::Dropped, &name);
        if [ADMIN_ROLE, PUBLIC_ROLE].contains(&name.role()) {
            let refusal = Failure::not_permitted(&format!(
                "the role[{}] is a default role, which can't be dropped",
                name.role()
            ));
            return Err(context.refused(&change, Code::BAD_VALUE, refusal).await);
        }
        let order = context.order(pass, change);
        let dropped = services
            .directory
            .drop_milvus_role(order, name, self.force_drop)
            .await;
        dropped.map_err(|error| match error {
            OpsError::Plan(PlanError::MilvusRoleHasGrants(_)) => Failure::of(
                OPERATION,
                "failed to check if drop role: fail to drop the role that it has privileges. \
                 Use REVOKE API to revoke privileges",
            ),
            error => Failure::of_write(OPERATION, error, services),
        })?;
        Ok(Status::default())
    }
}
