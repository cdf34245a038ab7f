//! One command from document to answer, in mongod's order of checks.
//!
//! Pre-parse access, arguments, privileges, the member's state, what the deployment supports, write
//! concern, and only then the command itself.

use tokio::time::Instant;

use super::arguments::Path;
use super::auditing::are_allowed_audited;
use super::context::Context;
use super::read_concern::{self, confirm_linearizable};
use super::reply::Reply;
use super::services::Services;
use super::session::session_id;
use super::spec::{Access, Command, Spec, rules};
use super::unserved::SENSITIVE;
use super::write_concern::{Pending, WriteConcern};
use crate::auth::stranger_lines::Refusal;
use crate::authz::{Authority, Denied, Pass};
use crate::error::{CommandError, ErrorCode};
use crate::telemetry::events;

/// Runs `C` for the request in `context`.
pub async fn execute<C: Command>(mut context: Context<'_>) -> Result<Reply, CommandError> {
    let spec = &C::SPEC;
    check_access(spec, &context)?;
    if context.generic.help {
        return Ok(Reply::new().with("help", format!("help for: {} {}", spec.name, spec.help)));
    }
    let arguments = C::parse(context.body, &Path::root(C::ARGUMENTS_NAME), rules::<C>())?;
    let mut pass = authorize(&arguments, &context)?;
    if spec.access == Access::SignedIn && are_allowed_audited(context.services) {
        let (services, db) = (context.services, context.generic.db.as_str());
        let allowed = context
            .connection
            .audit_allowed(services, spec.name, db, context.body);
        // Boxed, so that commands carry no room for it where nothing is audited.
        Box::pin(allowed).await?;
    }
    let preference = context.generic.read_preference;
    context.services.check_member(spec.runs_on, preference)?;
    check_api(spec, &context)?;
    let is_member = context.services.replica_set.is_some();
    context.generic.check_transaction(spec, is_member)?;
    let election = match context.generic.read_concern {
        None => None,
        // Boxed, like the other waits that few commands need.
        Some(document) => {
            let election = Box::pin(read_concern::prepare(document, spec, &context)).await?;
            pass = authorize_again(&arguments, &mut context)?;
            election
        }
    };
    let pending = check_write_concern(spec, &context)?;
    context.commit_note = pending.as_ref().map(Pending::note);
    let result = if spec.is_interruptible && context.deadline.is_some() {
        let deadline = context.deadline;
        // Boxed, so that the many commands without a limit do not carry the room for it.
        Box::pin(until(deadline, arguments.run(&mut context, pass)))
            .await
            .flatten()
    } else {
        arguments.run(&mut context, pass).await
    };
    let Some(set) = &context.services.replica_set else {
        return result;
    };
    if let Some(election) = election {
        let confirmed = Box::pin(confirm_linearizable(set, election, context.deadline)).await;
        confirmed.inspect_err(|_| close_cursor(context.services, &result))?;
    }
    match pending {
        None => result,
        Some(pending) => Box::pin(pending.finish(&context, set, result)).await,
    }
}

fn authorize<C: Command>(arguments: &C, context: &Context<'_>) -> Result<Pass, CommandError> {
    let allowed = arguments.authorize(&context.authority(), &context.generic.db);
    allowed.map_err(|denied| refuse(&denied, &C::SPEC, context))
}

/// What was waited for may have taken something from the caller, or from this member.
fn authorize_again<C: Command>(
    arguments: &C,
    context: &mut Context<'_>,
) -> Result<Pass, CommandError> {
    let spec = &C::SPEC;
    let catalog = context.services.directory.catalog();
    context.connection.refresh_session(catalog);
    check_access(spec, context)?;
    let pass = authorize(arguments, context)?;
    let preference = context.generic.read_preference;
    context.services.check_member(spec.runs_on, preference)?;
    Ok(pass)
}

/// Closes the cursor of an answer that nobody gets.
fn close_cursor(services: &Services, answer: &Result<Reply, CommandError>) {
    let Ok(answer) = answer else { return };
    let cursor = answer.document().get_document("cursor");
    if let Ok(id) = cursor.and_then(|cursor| cursor.get_i64("id")) {
        services.cursors.kill(id);
    }
}

/// Waits for `work` until its `maxTimeMS` is over.
pub async fn until<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, CommandError> {
    let Some(deadline) = deadline else {
        return Ok(work.await);
    };
    tokio::time::timeout_at(deadline, work).await.map_err(|_| {
        CommandError::new(
            ErrorCode::MAX_TIME_MS_EXPIRED,
            "operation exceeded time limit",
        )
    })
}

fn check_access(spec: &Spec, context: &Context<'_>) -> Result<(), CommandError> {
    if spec.admin_only && !context.generic.db.is_admin() {
        return Err(CommandError::new(
            ErrorCode::UNAUTHORIZED,
            format!("{} may only be run against the admin database.", spec.name),
        ));
    }
    if spec.access == Access::SignedIn && matches!(context.authority(), Authority::Nobody) {
        return Err(CommandError::requires_authentication(spec.name));
    }
    if spec.access == Access::SignedIn && context.generic.has_session {
        session_id::check_user(&context.connection.session)?;
    }
    Ok(())
}

fn check_api(spec: &Spec, context: &Context<'_>) -> Result<(), CommandError> {
    if context.generic.api_strict && !spec.api_version_1 {
        return Err(CommandError::api_strict(spec.name));
    }
    Ok(())
}

/// What the command has to wait for after its own commit.
fn check_write_concern(
    spec: &Spec,
    context: &Context<'_>,
) -> Result<Option<Pending>, CommandError> {
    let services = context.services;
    let concern = match context.generic.write_concern {
        None => None,
        Some(value) => WriteConcern::parse(spec.name, value)?,
    };
    if concern.is_some() && !spec.write_concern {
        return Err(CommandError::new(
            ErrorCode::INVALID_OPTIONS,
            "Command does not support writeConcern",
        ));
    }
    if let Some(concern) = &concern {
        concern.check_journal(services.directory.is_durable())?;
    }
    match (&services.replica_set, concern) {
        (Some(set), concern) if spec.write_concern => Ok(Pending::new(concern, services, set)),
        // On a standalone, whatever passes here is fulfilled once the store has committed, which
        // every write waits for.
        (None, Some(concern)) => concern.check_on_standalone().map(|()| None),
        _ => Ok(None),
    }
}

/// 13, with the command printed and its secrets left out; what is missing is only in the log.
pub fn refuse(denied: &Denied, spec: &Spec, context: &Context<'_>) -> CommandError {
    let db = context.generic.db.as_str();
    let user = context
        .connection
        .session
        .signed_in()
        .map(|signed_in| &signed_in.user.name);
    let connection = &context.connection;
    if connection.may_write(Refusal::Other, context.services) {
        events::access_denied(spec.name, db, user, context.connection.client());
    }
    let fields = context.fields.iter();
    let sensitive: Vec<_> = fields
        .filter(|field| field.sensitive)
        .map(|field| field.name)
        // Pipelines and filters may hold any of them, at any depth.
        .chain(SENSITIVE.iter().copied())
        .collect();
    denied.to_command_error(spec.name, db, context.body, &sensitive)
}
