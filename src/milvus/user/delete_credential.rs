//! `DeleteCredential`, pymilvus' `delete_user` and `drop_user`.

use crate::authz::milvus::ROOT;
use crate::authz::{MilvusNeed, Pass};
use crate::error::ErrorCode as Code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::DeleteCredentialRequest;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::UserName;

impl Call for DeleteCredentialRequest {
    const METHOD: &'static str = "DeleteCredential";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("DropOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        const OPERATION: ErrorCode = ErrorCode::DeleteCredentialFailure;
        context.check_writable()?;
        let services = context.services();
        let username = self.username.trim();
        if username.is_empty() {
            let reason = "fail to execute task when deleting the user";
            return Err(Failure::of(OPERATION, reason));
        }
        // Nobody has a name that is none, and who is not there is gone already.
        let Ok(name) = UserName::new(username, context.directory_db().clone()) else {
            return Ok(Status::default());
        };
        let change = DirectoryChange::of_user("dropUser", ChangeKind::Dropped, &name);
        if name.user() == ROOT {
            let refusal = Failure::not_permitted("root user cannot be deleted");
            return Err(context.refused(&change, Code::BAD_VALUE, refusal).await);
        }
        let order = context.order(pass, change);
        match services.directory.drop_user(order, name).await {
            Ok(_) => Ok(Status::default()),
            Err(error) if error.is_user_not_found() => Ok(Status::default()),
            Err(error) => Err(Failure::of_write(OPERATION, error, services)),
        }
    }
}
