//! `GetVersion`: anybody who signs in may ask.

use super::VERSION;
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::Status;
use crate::milvus::proto::milvus::{GetVersionRequest, GetVersionResponse};

impl Call for GetVersionRequest {
    const METHOD: &'static str = "GetVersion";
    type Reply = GetVersionResponse;

    fn need(&self, _: &Context<'_>) -> Option<MilvusNeed> {
        None
    }

    async fn run(self, _: &Context<'_>, _: Pass) -> Result<GetVersionResponse, Failure> {
        Ok(GetVersionResponse {
            status: Some(Status::default()),
            version: VERSION.to_owned(),
        })
    }
}
