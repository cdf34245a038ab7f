//! `replSetFreeze` (MongoDB manual, "replSetFreeze").

use super::{PeriodSeconds, joined_set};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `replSetFreeze`.
    #[derive(Debug)]
    pub struct ReplSetFreeze {
        /// For how many seconds; 0 ends it.
        "replSetFreeze" => period: PeriodSeconds,
    }
}

impl Command for ReplSetFreeze {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "replSetFreeze",
            "Keeps a secondary from standing for election for a time.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ReplSetStateChange)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let (set, _) = joined_set(context.services)?;
        set.freeze(self.period.duration())
            .map_err(|not_secondary| {
                CommandError::new(ErrorCode::NOT_SECONDARY, not_secondary.to_string())
            })?;
        let mut reply = Reply::new();
        match self.period.0 {
            0 => reply.append("info", "unfreezing"),
            1 => reply.append("warning", "you really want to freeze for only 1 second?"),
            _ => {}
        }
        Ok(reply)
    }
}
