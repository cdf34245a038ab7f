//! `ping` (MongoDB manual, "ping").

use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Access, Command, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `ping`.
    #[derive(Debug)]
    pub struct Ping {
        /// Any value.
        "ping" => value: Anything,
    }
}

impl Command for Ping {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        api_version_1: true,
        ..Spec::new("ping", "Answers at once.")
    };

    async fn run(self, _: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        Ok(Reply::new())
    }
}
