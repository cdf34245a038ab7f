//! `CreatePrivilegeGroup`: one without privileges.

use super::{change, failed};
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::CreatePrivilegeGroupRequest;
use crate::model::directory_change::ChangeKind;

impl Call for CreatePrivilegeGroupRequest {
    const METHOD: &'static str = "CreatePrivilegeGroup";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("CreatePrivilegeGroup"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let services = context.services();
        let name = names::group_name(&self.group_name, context.settings())?;
        let change = change("createPrivilegeGroup", ChangeKind::Created, &name);
        let order = context.order(pass, change);
        let created = services.directory.create_privilege_group(order, name);
        let operation = ErrorCode::CreatePrivilegeGroupFailure;
        created
            .await
            .map_err(failed(operation, "creatable", services))?;
        Ok(Status::default())
    }
}
