//! `replSetGetStatus` (MongoDB manual, "replSetGetStatus").

use std::sync::Arc;

use bson::DateTime;

use super::joined_set;
use super::status::{View, status};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `replSetGetStatus`.
    #[derive(Debug)]
    pub struct ReplSetGetStatus {
        /// Any value.
        "replSetGetStatus" => value: Anything,
        /// Means nothing here: a member that has joined has everything.
        "initialSync" => initial_sync: Option<SafeBool>,
    }
}

impl Command for ReplSetGetStatus {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "replSetGetStatus",
            "Answers how the replica set is, as this member sees it.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ReplSetGetStatus)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let (set, topology) = joined_set(context.services)?;
        if topology.my_member().is_none() {
            let text = "Our replica set config is invalid or we are not a member of it";
            let code = ErrorCode::INVALID_REPLICA_SET_CONFIG;
            return Err(CommandError::new(code, text));
        }
        let progress = Arc::clone(&set.progress().borrow());
        Ok(status(&View {
            topology: &topology,
            last_write: set.last_write(),
            progress: &progress,
            elected_at: set.elected_at(),
            uptime: context.services.started.elapsed(),
            now: DateTime::now(),
        }))
    }
}
