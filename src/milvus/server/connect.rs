//! `Connect`: once for each connection, before anything else.

use std::time::{SystemTime, UNIX_EPOCH};

use super::VERSION;
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ServerInfo, Status};
use crate::milvus::proto::milvus::{ConnectRequest, ConnectResponse};
use crate::model::milvus::DEFAULT_DATABASE;
use crate::telemetry::events;

impl Call for ConnectRequest {
    const METHOD: &'static str = "Connect";
    type Reply = ConnectResponse;

    fn need(&self, _: &Context<'_>) -> Option<MilvusNeed> {
        None
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<ConnectResponse, Failure> {
        if context.db != DEFAULT_DATABASE {
            return Err(Failure::database_not_found(&context.db));
        }
        if let Some(client) = &self.client_info {
            let application = format!("{} {}", client.sdk_type, client.sdk_version);
            events::client_metadata(&application, context.connection.client);
        }
        Ok(ConnectResponse {
            status: Some(Status::default()),
            server_info: Some(ServerInfo {
                build_tags: VERSION.to_owned(),
                git_commit: concat!("portcullis ", env!("CARGO_PKG_VERSION")).to_owned(),
                deploy_mode: "STANDALONE".to_owned(),
                ..ServerInfo::default()
            }),
            identifier: now_nanos(),
        })
    }
}

/// Tells connections apart, and is looked at by nobody.
fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}
