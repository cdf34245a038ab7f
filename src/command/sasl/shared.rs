//! What `saslStart`, `saslContinue`, `authenticate` and the speculative forms share: answers, delays, logs, counters.

use bson::spec::BinarySubtype;
use bson::{Binary, RawBson};

use super::guard;
use crate::audit::{AuditError, Event};
use crate::auth::sasl::{Attempt, Challenge, SignInError};
use crate::auth::stranger_lines::Refusal;
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::UserName;
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

/// Audits, logs and counts a success. One that cannot be audited is none: nobody is signed in then.
pub(super) async fn succeeded(
    context: &mut Context<'_>,
    attempt: &Attempt,
) -> Result<(), CommandError> {
    if let Err(failure) = audit(context, Some(who(attempt)), 0).await {
        let error = failure.to_command_error();
        context.connection.session.log_out(attempt.user.db());
        // The password was right, so it is no guess that has failed.
        context.connection.guard.guess = None;
        guard::failed(context, &error);
        return Err(error);
    }
    guard::succeeded(context);
    context
        .services
        .metrics
        .authentication
        .succeeded(attempt.mechanism, attempt.is_speculative);
    let client = context.connection.client();
    events::sign_in_succeeded(&attempt.user, attempt.mechanism.name(), client);
    Ok(())
}

/// Logs and audits a failure, waits as long as configured and gives the client's version of it.
pub(super) async fn failed(context: &mut Context<'_>, failure: Box<SignInError>) -> CommandError {
    let refusal = guard::failed(context, &failure.error);
    let attempt = failure.attempt.as_ref();
    if context.connection.may_write(refusal, context.services) {
        let user = attempt.map_or_else(
            || "(unknown)".to_owned(),
            |attempt| attempt.user.to_string(),
        );
        let mechanism = attempt.map_or("", |attempt| attempt.mechanism.name());
        let client = context.connection.client();
        events::sign_in_failed(&user, mechanism, client, &failure.reason);
    }
    let code = failure.error.code.0;
    audit_refusal(context, refusal, attempt.map(who), code).await;
    let delay = context.services.parameters.auth_failed_delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    failure.error
}

/// Audits that a conversation comes to no end: another one replaces it, or it took too long.
pub(super) async fn audit_abandoned(context: &Context<'_>, attempt: Option<&Attempt>) {
    if attempt.is_some() {
        let code = ErrorCode::AUTHENTICATION_ABANDONED.0;
        audit_refusal(context, Refusal::Other, attempt.map(who), code).await;
    }
}

/// [`audit`] of one that has failed, if there is not too much of that.
pub(super) async fn audit_refusal(
    context: &Context<'_>,
    refusal: Refusal,
    who: Option<(&UserName, &str)>,
    code: i32,
) {
    let connection = &context.connection;
    if connection.audit_id.is_some() && connection.may_write(refusal, context.services) {
        // It has failed whether or not that can be written.
        let _ = audit(context, who, code).await;
    }
}

/// `authenticate` of a user by a mechanism, as far as they are known. Boxed so that sign-ins need no
/// room for it where nothing is audited.
async fn audit(
    context: &Context<'_>,
    who: Option<(&UserName, &str)>,
    result: i32,
) -> Result<(), AuditError> {
    let Some(origin) = context.connection.audit_origin() else {
        return Ok(());
    };
    let (user, db, mechanism) = match who {
        Some((user, mechanism)) => (user.user(), user.db().as_str(), mechanism),
        None => ("", context.generic.db.as_str(), ""),
    };
    let event = Event::authenticate(origin, user, db, mechanism, result);
    Box::pin(context.services.audit.record(event)).await
}

fn who(attempt: &Attempt) -> (&UserName, &str) {
    (&attempt.user, attempt.mechanism.name())
}
