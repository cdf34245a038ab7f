//! `logout` (MongoDB manual, "logout").

use crate::audit::Event;
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
        let origin = context.connection.audit_origin();
        if let Some(user) = context.connection.session.log_out(&context.generic.db) {
            events::signed_out(&user, context.connection.client());
            if let Some(origin) = origin {
                // Rights that are given up stay given up, whether or not that can be written.
                let _ = context.services.audit.record(Event::logout(origin)).await;
            }
        }
        Ok(Reply::new())
    }
}
