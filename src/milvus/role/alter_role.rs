//! `AlterRole`: what is said about a role.

use crate::authz::milvus::{ADMIN_ROLE, PUBLIC_ROLE};
use crate::authz::{MilvusNeed, Pass};
use crate::error::ErrorCode as Code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::AlterRoleRequest;
use crate::model::directory_change::{ChangeKind, DirectoryChange};

impl Call for AlterRoleRequest {
    const METHOD: &'static str = "AlterRole";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("CreateOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let services = context.services();
        let name = names::role_name(&self.role_name, context.settings())?;
        let change = DirectoryChange::of_role("updateRole", ChangeKind::Updated, &name);
        if [ADMIN_ROLE, PUBLIC_ROLE].contains(&name.role()) {
            let refusal = Failure::not_permitted(&format!(
                "the role[{}] is a builtin role, which can't be altered",
                name.role()
            ));
            return Err(context.refused(&change, Code::BAD_VALUE, refusal).await);
        }
        names::check_description(&self.description, "role")?;
        let order = context.order(pass, change);
        let directory = &services.directory;
        let described = directory.describe_milvus_role(order, name, self.description);
        // The API has no code of its own for it.
        let failed = |error| Failure::of_write(ErrorCode::UnexpectedError, error, services);
        described.await.map_err(failed)?;
        Ok(Status::default())
    }
}
