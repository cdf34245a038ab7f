//! `DropPrivilegeGroup`: who is not there is gone already.

use super::{change, failed};
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::DropPrivilegeGroupRequest;
use crate::model::directory_change::ChangeKind;

impl Call for DropPrivilegeGroupRequest {
    const METHOD: &'static str = "DropPrivilegeGroup";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("DropPrivilegeGroup"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let services = context.services();
        let name = names::group_name(&self.group_name, context.settings())?;
        let change = change("dropPrivilegeGroup", ChangeKind::Dropped, &name);
        let order = context.order(pass, change);
        let dropped = services.directory.drop_privilege_group(order, name);
        let operation = ErrorCode::DropPrivilegeGroupFailure;
        dropped
            .await
            .map_err(failed(operation, "dropable", services))?;
        Ok(Status::default())
    }
}
