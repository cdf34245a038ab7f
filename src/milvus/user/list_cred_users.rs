//! `ListCredUsers`, pymilvus' `list_usernames` and `list_users`.

use std::sync::Arc;

use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{ListCredUsersRequest, ListCredUsersResponse};
use crate::model::user::User;

impl Call for ListCredUsersRequest {
    const METHOD: &'static str = "ListCredUsers";
    type Reply = ListCredUsersResponse;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("SelectOwnership"))
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<ListCredUsersResponse, Failure> {
        let names = context.services().scan(|catalog, interrupt| {
            let users = catalog.users_on(catalog.milvus_db());
            let name = |user: &Arc<User>| {
                interrupt.check()?;
                Ok(user.name.user().to_owned())
            };
            users.iter().map(name).collect()
        });
        let usernames = names
            .await
            .flatten()
            .map_err(|error| Failure::of_command(ErrorCode::ListCredUsersFailure, error))?;
        Ok(ListCredUsersResponse {
            status: Some(Status::default()),
            usernames,
        })
    }
}
