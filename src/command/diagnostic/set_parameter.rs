//! `setParameter` (MongoDB manual, "setParameter").
//!
//! The parameters are fields beside the command's own. All of them are set or none: mongod stops at
//! the first bad value and keeps what it has set before.

use std::collections::BTreeMap;

use bson::RawBsonRef;
use bson::raw::RawDocument;

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::{arguments, invalid_bson};
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::generic::is_generic;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::config::parameters::Parameters;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `setParameter`; all others are parameters and their new values.
    #[derive(Debug)]
    pub struct SetParameter {
        /// Any value.
        "setParameter" => value: Anything,
    }
}

impl Command for SetParameter {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "setParameter",
            "Sets parameters of the server until it stops: { setParameter: 1, <name>: <value> }. \
             Supported: argon2Iterations, argon2MemoryKiB, argon2Parallelism, \
             auditAuthorizationSuccess, authFailedDelayMs, cursorTimeoutMillis, \
             failedSignInDelayMaxMs, failedSignInDelayMs, \
             failedSignInHalfLifeSecs, failedSignInsEverywhereFree, failedSignInsPerAddressFree, \
             failedSignInsPerUserFree, halfOpenSignInsMax, halfOpenSignInsPerAddressMax, \
             scramIterationCount, scramSHA256IterationCount, \
             shutdownTimeoutMillisForSignaledShutdown, signInTimeoutMs.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::SetParameter)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        set(context.body, &context.services.parameters)
    }
}

/// Answers the value that the first parameter in alphabetical order had, as mongod does.
fn set(body: &RawDocument, parameters: &Parameters) -> Result<Reply, CommandError> {
    let changes = changes(body)?;
    // A rehearsal: what is refused here is refused before anything has changed.
    apply(&changes, &Parameters::default())?;
    apply(&changes, parameters)
}

fn changes(body: &RawDocument) -> Result<BTreeMap<&str, RawBsonRef<'_>>, CommandError> {
    let mut changes = BTreeMap::new();
    for element in body.iter().skip(1) {
        let (name, value) = element.map_err(|error| invalid_bson(&error))?;
        let name = name.as_str();
        if !is_generic(name) && changes.insert(name, value).is_some() {
            return Err(invalid_options(format!(
                "attempted to set parameter [{name}] twice in the same setParameter command"
            )));
        }
    }
    Ok(changes)
}

fn apply(
    changes: &BTreeMap<&str, RawBsonRef<'_>>,
    parameters: &Parameters,
) -> Result<Reply, CommandError> {
    let mut was = None;
    for (name, value) in changes {
        let old = parameters
            .set_at_runtime(name, *value)
            .map_err(|refusal| refusal.to_command_error())?;
        was.get_or_insert(old);
    }
    match was {
        Some(was) => Ok(Reply::new().with("was", was)),
        None => Err(invalid_options(
            "no option found to set, use help:true to see options ",
        )),
    }
}

fn invalid_options(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::INVALID_OPTIONS, message)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::config::parameters::SetAt;

    #[test]
    fn the_old_value_is_answered() {
        let parameters = Parameters::default();
        let body = rawdoc! { "setParameter": 1, "scramIterationCount": 6000.0, "comment": "x" };
        let reply = set(&body, &parameters).unwrap().into_document();
        assert_eq!(reply, rawdoc! { "was": 10_000, "ok": 1.0 });
        let reply = set(&body, &parameters).unwrap().into_document();
        assert_eq!(reply, rawdoc! { "was": 6_000, "ok": 1.0 });
    }

    #[test]
    fn several_are_set_together_or_not_at_all() {
        let parameters = Parameters::default();
        let bad = rawdoc! { "setParameter": 1, "authFailedDelayMs": 7, "scramIterationCount": 1 };
        assert_eq!(
            set(&bad, &parameters).unwrap_err().code,
            ErrorCode::BAD_VALUE
        );
        assert_eq!(
            parameters.get("authFailedDelayMs"),
            Some(bson::RawBson::Int32(0))
        );
        let good =
            rawdoc! { "setParameter": 1, "scramIterationCount": 9000, "authFailedDelayMs": 7 };
        let reply = set(&good, &parameters).unwrap().into_document();
        assert_eq!(reply, rawdoc! { "was": 0, "ok": 1.0 });
        assert_eq!(parameters.scram_sha1_iteration_count(), 9000);
    }

    #[test]
    fn refusals_have_their_codes_and_texts() {
        let refusal = |body: &RawDocument| {
            let error = set(body, &Parameters::default()).unwrap_err();
            (error.code.0, error.message)
        };
        let text = "no option found to set, use help:true to see options ".to_owned();
        assert_eq!(
            refusal(&rawdoc! { "setParameter": 1, "$db": "admin" }),
            (72, text)
        );
        let text = "attempted to set unrecognized parameter [x], use help:true to see options ";
        assert_eq!(
            refusal(&rawdoc! { "setParameter": 1, "x": 1 }),
            (72, text.to_owned())
        );
        let text = "not allowed to change [hashingThreads] at runtime".to_owned();
        assert_eq!(
            refusal(&rawdoc! { "setParameter": 1, "hashingThreads": 1 }),
            (20, text)
        );
        let twice = rawdoc! { "setParameter": 1, "authFailedDelayMs": 1, "authFailedDelayMs": 1 };
        let text = "attempted to set parameter [authFailedDelayMs] twice in the same setParameter \
                    command";
        assert_eq!(refusal(&twice), (72, text.to_owned()));
        let null = rawdoc! { "setParameter": 1, "authFailedDelayMs": null };
        assert_eq!(refusal(&null).0, 2);
    }

    #[test]
    fn help_names_what_may_be_set() {
        let settable =
            |name: &&str| Parameters::spec(name).unwrap().set_at == SetAt::StartupAndRuntime;
        let names: Vec<&str> = Parameters::names().filter(settable).collect();
        let expected = format!("Supported: {}.", names.join(", "));
        assert!(SetParameter::SPEC.help.ends_with(&expected), "{expected}");
    }
}
