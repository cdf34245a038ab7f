//! `replSetInitiate` (MongoDB manual, "replSetInitiate"): there is nothing to initiate, the first
//! server that starts over an etcd makes the set and the others join.

use super::joined_set;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `replSetInitiate`.
    #[derive(Debug)]
    pub struct ReplSetInitiate {
        /// The configuration; it is not read.
        "replSetInitiate" => value: Anything,
    }
}

impl Command for ReplSetInitiate {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "replSetInitiate",
            "Answers that the replica set is there already (23): servers join it when they start.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ReplSetConfigure)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        if context.services.replica_set.is_none() {
            return Err(CommandError::new(
                ErrorCode::NO_REPLICATION_ENABLED,
                "This node was not started with the replSet option",
            ));
        }
        joined_set(context.services)?;
        Err(CommandError::new(
            ErrorCode::ALREADY_INITIALIZED,
            "already initialized",
        ))
    }
}
