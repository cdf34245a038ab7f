//! `DescribeDatabase`: pymilvus' `use_database` asks by it whether there is one of that name.

use super::DEFAULT_DATABASE_ID;
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::Status;
use crate::milvus::proto::milvus::{DescribeDatabaseRequest, DescribeDatabaseResponse};
use crate::model::milvus::DEFAULT_DATABASE;

impl Call for DescribeDatabaseRequest {
    const METHOD: &'static str = "DescribeDatabase";
    type Reply = DescribeDatabaseResponse;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("DescribeDatabase"))
    }

    /// No name means the default database, whatever the call is about.
    async fn run(self, _: &Context<'_>, _: Pass) -> Result<DescribeDatabaseResponse, Failure> {
        if !self.db_name.is_empty() && self.db_name != DEFAULT_DATABASE {
            return Err(Failure::database_not_found(&self.db_name));
        }
        Ok(DescribeDatabaseResponse {
            status: Some(Status::default()),
            db_name: DEFAULT_DATABASE.to_owned(),
            db_id: DEFAULT_DATABASE_ID,
            created_timestamp: 0,
        })
    }
}
