//! `ListCredUsers`, pymilvus' `list_usernames` and `list_users`.

use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{ListCredUsersRequest, ListCredUsersResponse};
use crate::model::names::DbName;

impl Call for ListCredUsersRequest {
    const METHOD: &'static str = "ListCredUsers";
    type Reply = ListCredUsersResponse;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("SelectOwnership"))
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<ListCredUsersResponse, Failure> {
        let names = context.services().scan(|catalog, _| {
            let users = catalog.users_on(&DbName::MILVUS);
            users
                .iter()
                .map(|user| user.name.user().to_owned())
                .collect()
        });
        let usernames = names
            .await
            .map_err(|error| Failure::of_command(ErrorCode::ListCredUsersFailure, error))?;
        Ok(ListCredUsersResponse {
            status: Some(Status::default()),
            usernames,
        })
    }
}
