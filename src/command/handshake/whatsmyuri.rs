//! `whatsmyuri`: the client's address as the server sees it.

use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Access, Command, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `whatsmyuri`.
    #[derive(Debug)]
    pub struct WhatsMyUri {
        /// Any value.
        "whatsmyuri" => value: Anything,
    }
}

impl Command for WhatsMyUri {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        ..Spec::new("whatsmyuri", "Answers the client's address and port.")
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        Ok(Reply::new().with("you", context.connection.peer.remote.to_string()))
    }
}
