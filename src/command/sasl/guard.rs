//! What holds sign-ins back: failures before them, and how many may be under way for how long.
//!
//! `wait_for_turn` comes before a password or the proof of one is looked at; `failed` and
//! `succeeded` end what it began.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::shared::{audit_abandoned, audit_refusal};
use crate::auth::failed_sign_ins::{FailureLimits, Guess};
use crate::auth::half_open::{HalfOpenLimits, OpenSignIn};
use crate::auth::stranger_lines::Refusal;
use crate::command::context::Context;
use crate::config::parameters::Parameters;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::UserName;
use crate::telemetry::events;

/// A sign-in has begun and the client has to go on with it.
pub(super) fn begun(context: &mut Context<'_>) {
    let services = context.services;
    let from = context.connection.limited_origin(&services.parameters);
    let limits = half_open_limits(&services.parameters);
    let open = services
        .half_open_sign_ins
        .begin(from, Instant::now(), &limits);
    context.connection.guard.open_sign_in = Some(open);
}

/// Ends the sign-in if it took too long, or had to make way for others: the client is told that
/// there is none.
pub(super) async fn end_if_overdue(context: &mut Context<'_>) {
    let limits = half_open_limits(&context.services.parameters);
    let may_go_on = |open: &OpenSignIn| open.may_go_on(Instant::now(), &limits);
    let open = context.connection.guard.open_sign_in.as_ref();
    if !open.is_none_or(may_go_on) {
        audit_abandoned(context, context.connection.session.open_attempt()).await;
        end(context);
    }
}

/// Holds back an attempt to prove to be `user`, whether or not it would succeed. Where too many wait
/// already, it fails like a wrong password and nothing is looked at.
pub(super) async fn wait_for_turn(
    context: &mut Context<'_>,
    user: UserName,
) -> Result<(), CommandError> {
    let services = context.services;
    let Some(from) = context.connection.limited_origin(&services.parameters) else {
        return Ok(());
    };
    let now = Instant::now();
    let limits = failure_limits(&services.parameters);
    let turn = match services.failed_sign_ins.turn(from, &user, now, &limits) {
        Ok(turn) => turn,
        Err(reason) => {
            if context.connection.may_write(Refusal::Other, services) {
                let client = context.connection.client();
                events::sign_in_failed(&user.to_string(), "", client, &reason);
            }
            let error = CommandError::authentication_failed();
            let who = Some((&user, ""));
            audit_refusal(context, Refusal::Other, who, error.code.0).await;
            end(context);
            return Err(error);
        }
    };
    if turn.at > now {
        tokio::select! {
            () = sleep_until(turn.at) => {}
            () = services.stop.stopped() => return Err(services.stopping()),
        }
    }
    let failures = Arc::clone(&services.failed_sign_ins);
    let guess = Guess::new(failures, from, user, limits, turn.has_queued());
    context.connection.guard.guess = Some(Arc::new(guess));
    Ok(())
}

/// The sign-in ended badly. It counts if a password was looked at and was wrong, or its user may not
/// come from there; what is told apart from that tells that it was neither.
pub(super) fn failed(context: &mut Context<'_>, error: &CommandError) -> Refusal {
    let guess = context.connection.guard.guess.take();
    let guess = guess.filter(|_| error.code == ErrorCode::AUTHENTICATION_FAILED);
    end(context);
    guess.map_or(Refusal::Other, |guess| {
        guess.failed();
        Refusal::Guess
    })
}

/// The password was right: what comes after it is no guess.
pub(super) fn proved(context: &mut Context<'_>) {
    if let Some(guess) = context.connection.guard.guess.take() {
        guess.succeeded();
    }
}

/// Somebody signed in.
pub(super) fn succeeded(context: &mut Context<'_>) {
    let guard = &mut context.connection.guard;
    guard.unauthenticated = None;
    guard.open_sign_in = None;
    proved(context);
}

fn end(context: &mut Context<'_>) {
    context.connection.guard.open_sign_in = None;
    context.connection.session.abandon_conversation();
}

/// What failures cost, as it is set now.
pub fn failure_limits(parameters: &Parameters) -> FailureLimits {
    let parameters = parameters.sign_in_limits();
    FailureLimits {
        per_address_free: parameters.failed_per_address_free(),
        per_user_free: parameters.failed_per_user_free(),
        everywhere_free: parameters.failed_everywhere_free(),
        delay: parameters.failed_delay(),
        delay_max: parameters.failed_delay_max(),
        half_life: parameters.failed_half_life(),
    }
}

fn half_open_limits(parameters: &Parameters) -> HalfOpenLimits {
    let parameters = parameters.sign_in_limits();
    HalfOpenLimits {
        total_max: parameters.half_open_max(),
        per_origin_max: parameters.half_open_per_address_max(),
        timeout: parameters.timeout(),
    }
}
