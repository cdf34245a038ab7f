//! `CheckHealth`: anybody who signs in may ask.

use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::Status;
use crate::milvus::proto::milvus::{CheckHealthRequest, CheckHealthResponse};

impl Call for CheckHealthRequest {
    const METHOD: &'static str = "CheckHealth";
    type Reply = CheckHealthResponse;

    fn need(&self, _: &Context<'_>) -> Option<MilvusNeed> {
        None
    }

    async fn run(self, _: &Context<'_>, _: Pass) -> Result<CheckHealthResponse, Failure> {
        Ok(CheckHealthResponse {
            status: Some(Status::default()),
            is_healthy: true,
            reasons: Vec::new(),
        })
    }
}
