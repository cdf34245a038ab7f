//! `ListDatabases`: there is one, without anything in it, for whoever may do anything there.

use super::DEFAULT_DATABASE_ID;
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::Status;
use crate::milvus::proto::milvus::{ListDatabasesRequest, ListDatabasesResponse};
use crate::model::milvus::DEFAULT_DATABASE;

impl Call for ListDatabasesRequest {
    const METHOD: &'static str = "ListDatabases";
    type Reply = ListDatabasesResponse;

    fn need(&self, _: &Context<'_>) -> Option<MilvusNeed> {
        None
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<ListDatabasesResponse, Failure> {
        let is_roots = !context.settings().root_should_bind_role;
        let catalog = context.services().directory.catalog();
        let authority = context.authority();
        if !authority.is_shown(DEFAULT_DATABASE, is_roots, catalog.as_ref()) {
            return Ok(ListDatabasesResponse {
                status: Some(Status::default()),
                ..ListDatabasesResponse::default()
            });
        }
        Ok(ListDatabasesResponse {
            status: Some(Status::default()),
            db_names: vec![DEFAULT_DATABASE.to_owned()],
            created_timestamp: vec![0],
            db_ids: vec![DEFAULT_DATABASE_ID],
        })
    }
}
