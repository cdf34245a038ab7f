//! What `saslStart`, `saslContinue`, `authenticate` and the speculative forms share: answers, delays, logs, counters.

use bson::spec::BinarySubtype;
use bson::{Binary, RawBson};

use super::guard;
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
        RawBson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: challenge.payload,
        })
    };
    Reply::new()
        .with("conversationId", 1)
        .with("done", challenge.done)
        .with("payload", payload)
}

/// Logs and counts a success.
pub(super) fn succeeded(context: &mut Context<'_>, attempt: &Attempt) {
    guard::succeeded(context);
    context
        .services
        .metrics
        .authentication
        .succeeded(attempt.mechanism, attempt.is_speculative);
    let client = context.connection.client();
    events::sign_in_succeeded(&attempt.user, attempt.mechanism.name(), client);
}

/// Logs a failure, waits as long as configured and gives the client's version of it.
pub(super) async fn failed(context: &mut Context<'_>, failure: Box<SignInError>) -> CommandError {
    guard::failed(context, &failure.error);
    let attempt = failure.attempt.as_ref();
    let user = attempt.map_or_else(
        || "(unknown)".to_owned(),
        |attempt| attempt.user.to_string(),
    );
    let mechanism = attempt.map_or("", |attempt| attempt.mechanism.name());
    events::sign_in_failed(
        &user,
        mechanism,
        context.connection.client(),
        &failure.reason,
    );
    let delay = context.services.parameters.auth_failed_delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    failure.error
}
