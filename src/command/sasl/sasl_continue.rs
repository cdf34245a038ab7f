//! `saslContinue` (driver authentication specification).

use super::guard;
use super::shared::{challenge_reply, failed, succeeded};
use crate::auth::sasl::Continue;
use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SaslPayload};
use crate::command::reply::Reply;
use crate::command::spec::{Access, Command, RunsOn, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `saslContinue`.
    #[derive(Debug)]
    pub struct SaslContinue {
        /// Any value.
        "saslContinue" => value: Anything,
        /// The number the server gave the conversation.
        "conversationId" => conversation_id: i32,
        /// The client's next message.
        "payload" => payload: SaslPayload,
    }
}

impl Command for SaslContinue {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        api_version_1: true,
        is_interruptible: false,
        by_op_query: true,
        runs_on: RunsOn::InTouch,
        ..Spec::new("saslContinue", "Goes on with signing in.")
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        guard::end_if_overdue(context).await;
        if let Some(user) = context.connection.session.user_to_prove().cloned() {
            guard::wait_for_turn(context, user).await?;
        }
        let services = context.services;
        let next = Continue {
            conversation_id: self.conversation_id,
            payload: self.payload.bytes.expose(),
            is_api_strict: context.generic.api_strict,
        };
        let catalog = services.directory.catalog();
        let continued = context.connection.session.sasl_continue(&next, catalog);
        match continued {
            Ok((challenge, attempt)) => {
                if challenge.done {
                    succeeded(context, &attempt).await?;
                } else {
                    guard::proved(context);
                }
                Ok(challenge_reply(challenge, self.payload.is_base64))
            }
            Err(failure) => Err(failed(context, failure).await),
        }
    }
}
