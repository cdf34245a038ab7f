//! `logout` (MongoDB manual, "logout").

use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::telemetry::events;

arguments! {
    /// The fields of `logout`.
    #[derive(Debug)]
    pub struct Logout {
        /// Any value.
        "logout" => value: Anything,
    }
}

impl Command for Logout {
    const SPEC: Spec = Spec {
        strict: false,
        ..Spec::new(
            "logout",
            "Signs out the user of the database where the command runs.",
        )
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        if let Some(user) = context.connection.session.log_out(&context.generic.db) {
            events::signed_out(&user, context.connection.client());
        }
        Ok(Reply::new())
    }
}
