//! `saslStart` (driver authentication specification).

use bson::{RawBsonRef, RawDocumentBuf};

use super::guard;
use super::shared::{audit_abandoned, challenge_reply, failed, succeeded};
use crate::auth::sasl::{Attempt, Challenge, SignInError, Start};
use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool, SaslPayload};
use crate::command::reply::Reply;
use crate::command::spec::{Access, Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::mechanism::Mechanism;
use crate::model::names::DbName;

arguments! {
    /// The fields of `saslStart`.
    #[derive(Debug)]
    pub struct SaslStart {
        /// Any value.
        "saslStart" => value: Anything,
        /// The mechanism's name.
        "mechanism" => mechanism: String,
        /// The client's first message.
        "payload" => payload: SaslPayload,
        /// Means nothing.
        "autoAuthorize" => auto_authorize: SafeBool = SafeBool(true),
        /// `{skipEmptyExchange: true}` saves the empty third message.
        "options" => options: Option<RawDocumentBuf>,
    }
}

impl Command for SaslStart {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        api_version_1: true,
        is_interruptible: false,
        by_op_query: true,
        runs_on: RunsOn::InTouch,
        ..Spec::new("saslStart", "Begins to sign in.")
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let db = context.generic.db.clone();
        self.start(context, &db, false).await
    }
}

impl SaslStart {
    /// Whether the mechanism is one of these.
    pub fn is_by_one_of(&self, mechanisms: &[Mechanism]) -> bool {
        Mechanism::from_name(&self.mechanism).is_some_and(|own| mechanisms.contains(&own))
    }

    /// Begins a conversation for a user of `db`.
    pub async fn start(
        self,
        context: &mut Context<'_>,
        db: &DbName,
        is_speculative: bool,
    ) -> Result<Reply, CommandError> {
        audit_abandoned(context, context.connection.session.attempt_to_replace()).await;
        let services = context.services;
        let start = Start {
            db,
            mechanism: &self.mechanism,
            payload: &self.payload.bytes,
            skip_empty_exchange: skip_empty_exchange(self.options.as_ref())?,
            is_speculative,
            is_private: context.connection.is_private()
                || services.parameters.allow_plain_without_tls(),
            is_api_strict: context.generic.api_strict,
        };
        if let Some(mechanism) = Mechanism::from_name(&self.mechanism) {
            services
                .metrics
                .authentication
                .received(mechanism, is_speculative);
        }
        match attempt(context, &start).await? {
            Ok((challenge, attempt)) => {
                if challenge.done {
                    succeeded(context, &attempt).await?;
                } else {
                    guard::begun(context);
                }
                Ok(challenge_reply(challenge, self.payload.is_base64))
            }
            Err(failure) => Err(failed(context, failure).await),
        }
    }
}

/// Begins as often as it needs another turn, which is twice where others fail at the same time.
async fn attempt(
    context: &mut Context<'_>,
    start: &Start<'_>,
) -> Result<Result<(Challenge, Attempt), Box<SignInError>>, CommandError> {
    let services = context.services;
    loop {
        if let Some(user) = start.user_to_prove(services.plain_users()) {
            guard::wait_for_turn(context, user).await?;
        }
        let guess = context.connection.guard.guess.clone();
        let policy = services.sign_in_policy(context.hash_share(), guess);
        let catalog = services.directory.catalog();
        let session = &mut context.connection.session;
        let started = session.sasl_start(start, &policy, catalog).await;
        if !matches!(&started, Err(failure) if failure.needs_another_turn) {
            return Ok(started);
        }
    }
}

fn skip_empty_exchange(options: Option<&RawDocumentBuf>) -> Result<bool, CommandError> {
    match options.and_then(|options| options.get("skipEmptyExchange").ok().flatten()) {
        None => Ok(false),
        Some(RawBsonRef::Boolean(skip)) => Ok(skip),
        Some(_) => Err(CommandError::bad_value("skipEmptyExchange must be boolean")),
    }
}
