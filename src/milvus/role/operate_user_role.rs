//! `OperateUserRole`: gives a role to a user, or takes it. Doing it again does nothing more.

use crate::authz::{MilvusNeed, Pass};
use crate::error::ErrorCode as Code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{OperateUserRoleRequest, OperateUserRoleType};
use crate::model::directory_change::{ChangeKind, DirectoryChange};

const OPERATION: ErrorCode = ErrorCode::OperateUserRoleFailure;

impl Call for OperateUserRoleRequest {
    const METHOD: &'static str = "OperateUserRole";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("ManageOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let (services, settings) = (context.services(), context.settings());
        let user = context.user_name(&self.username)?;
        let role = names::role_name(&self.role_name, settings)?;
        let directory = &services.directory;
        let operation = OperateUserRoleType::try_from(self.r#type)
            .map_err(|_| Failure::of(OPERATION, "invalid operate user role type"));
        let is_missing = directory.catalog().role(&role).is_none();
        let operation = match operation {
            Err(_) if is_missing => return Err(Failure::role_not_found(OPERATION)),
            operation => operation?,
        };
        let command = match operation {
            OperateUserRoleType::AddUserToRole => "grantRolesToUser",
            OperateUserRoleType::RemoveUserFromRole => "revokeRolesFromUser",
        };
        let change = DirectoryChange {
            roles: Some([role.clone()].into()),
            ..DirectoryChange::of_user(command, ChangeKind::Updated, &user)
        };
        if is_missing {
            let refusal = Failure::role_not_found(OPERATION);
            return Err(context
                .refused_by_state(&change, Code::ROLE_NOT_FOUND, refusal)
                .await);
        }
        let order = context.order(pass, change);
        let done = match operation {
            OperateUserRoleType::AddUserToRole => {
                directory.grant_roles_to_user(order, user, vec![role]).await
            }
            OperateUserRoleType::RemoveUserFromRole => {
                let revoking = directory.revoke_roles_from_user(order, user, vec![role]);
                match revoking.await {
                    // Nobody has nothing.
                    Err(error) if error.is_user_not_found() => return Ok(Status::default()),
                    done => done,
                }
            }
        };
        done.map_err(|error| Failure::of_write(OPERATION, error, services))?;
        Ok(Status::default())
    }
}
