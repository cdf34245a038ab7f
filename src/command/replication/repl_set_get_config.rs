//! `replSetGetConfig` (MongoDB manual, "replSetGetConfig").

use bson::RawDocumentBuf;

use super::joined_set;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::services::internal_error;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `replSetGetConfig`.
    #[derive(Debug)]
    pub struct ReplSetGetConfig {
        /// Any value.
        "replSetGetConfig" => value: Anything,
        /// Whether to answer also whether a majority has the configuration. In etcd it always has.
        "commitmentStatus" => commitment_status: SafeBool = SafeBool(false),
    }
}

impl Command for ReplSetGetConfig {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "replSetGetConfig",
            "Answers the configuration of the replica set.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ReplSetGetConfig)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let (_, topology) = joined_set(context.services)?;
        let config = RawDocumentBuf::try_from(&topology.config.to_document())
            .map_err(|error| internal_error("replSetGetConfig", &error))?;
        let mut reply = Reply::new().with("config", config);
        if self.commitment_status.0 {
            reply.append("commitmentStatus", true);
        }
        Ok(reply)
    }
}
