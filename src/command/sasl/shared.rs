//! What `saslStart`, `saslContinue` and the speculative form share: answers, delays, logs, counters.

use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, RawBson};

use crate::auth::sasl::{Attempt, Challenge, SignInError};
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::error::CommandError;
use crate::telemetry::events;

/// `{conversationId: 1, done, payload}`.
pub(super) fn challenge_reply(challenge: Challenge, as_base64: bool) -> Reply {
    use base64::Engine;
    let payload = if as_base64 {
        RawBson::String(base64::engine::general_purpose::STANDARD.encode(&challenge.payload))
    } else {
        RawBson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: challenge.payload })
    };
    Reply::new()
        .with("conversationId", 1)
        .with("done", challenge.done)
        .with("payload", payload)
}

/// Logs and counts a success.
pub(super) fn succeeded(context: &Context<'_>, attempt: &Attempt) {
    context.services.metrics.authentication.succeeded(attempt.mechanism, attempt.is_speculative);
    let client = context.connection.peer.remote.to_string();
    events::sign_in_succeeded(&attempt.user, attempt.mechanism.name(), &client);
}

/// Logs a failure, waits as long as configured and gives the client's version of it.
pub(super) async fn failed(context: &Context<'_>, failure: SignInError) -> CommandError {
    let client = context.connection.peer.remote.to_string();
    let user = failure.attempt.as_ref().map(|attempt| &attempt.user);
    let mechanism = failure.attempt.as_ref().map_or("", |attempt| attempt.mechanism.name());
    events::sign_in_failed(user, mechanism, &client, &failure.reason);
    let delay_ms = context.services.parameters.auth_failed_delay_ms();
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms.into())).await;
    }
    failure.error
}
