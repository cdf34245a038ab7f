//! `getLog` (MongoDB manual, "getLog").

use bson::{RawArrayBuf, RawBsonRef, rawdoc};

use crate::authz::redact::command_text;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::{FromField, Path, arguments, type_name};
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::telemetry::logs::Logs;

/// The logs there are, in mongod's order.
const NAMES: [&str; 2] = ["global", "startupWarnings"];

arguments! {
    /// The fields of `getLog`.
    #[derive(Debug)]
    pub struct GetLog {
        /// `global`: everything that was logged last. `startupWarnings`: what an operator should know
        /// about how the server was started. `*`: the names of these two.
        "getLog" => log: LogArgument,
    }
}

/// Which log is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum LogArgument {
    /// None, but their names.
    Names,
    /// The log of that name, if there is one.
    Named(String),
}

impl FromField for LogArgument {
    // Also null is a value of the wrong type here: with no types listed, it is not taken as absent.
    const TYPES: &'static [&'static str] = &[];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String("*") => Ok(Some(Self::Names)),
            RawBsonRef::String(name) => Ok(Some(Self::Named(name.to_owned()))),
            other => Err(CommandError::new(
                ErrorCode::TYPE_MISMATCH,
                format!(
                    "Argument to getLog must be of type String; found {} of type {}",
                    value_text(other),
                    type_name(other)
                ),
            )),
        }
    }
}

impl Command for GetLog {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "getLog",
            "Answers what was logged last, or with '*' the names of the logs.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::GetLog)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        match self.log {
            LogArgument::Names => {
                Ok(Reply::new().with("names", NAMES.into_iter().collect::<RawArrayBuf>()))
            }
            LogArgument::Named(name) => named(&context.services.logs, &name),
        }
    }
}

/// A ring has at most one MiB of lines, so the answer fits in a document.
fn named(logs: &Logs, name: &str) -> Result<Reply, CommandError> {
    let ring = match name {
        "global" => &logs.global,
        "startupWarnings" => &logs.startup_warnings,
        other => {
            return Err(CommandError::new(
                ErrorCode::OPERATION_FAILED,
                format!("No log named '{other}'"),
            ));
        }
    };
    let written = i64::try_from(ring.total_lines_written()).unwrap_or(i64::MAX);
    let lines: RawArrayBuf = ring.lines().iter().map(String::as_str).collect();
    Ok(Reply::new()
        .with("totalLinesWritten", written)
        .with("log", lines))
}

/// The value as MongoDB prints it inside a document.
fn value_text(value: RawBsonRef<'_>) -> String {
    let text = command_text(&rawdoc! { "": value }, &[]);
    let inner = text
        .strip_prefix("{ : ")
        .and_then(|text| text.strip_suffix(" }"));
    inner.unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use bson::raw::RawDocument;

    use super::*;
    use crate::command::arguments::Arguments;
    use crate::command::spec::rules;

    fn parse(body: &RawDocument) -> Result<LogArgument, CommandError> {
        GetLog::parse(body, &Path::root("getLog"), rules::<GetLog>()).map(|parsed| parsed.log)
    }

    #[test]
    fn the_name_is_a_string() {
        let named = LogArgument::Named("global".to_owned());
        assert_eq!(
            parse(&rawdoc! { "getLog": "*", "more": 1 }).unwrap(),
            LogArgument::Names
        );
        assert_eq!(parse(&rawdoc! { "getLog": "global" }).unwrap(), named);
        let text = |body: &RawDocument| {
            let error = parse(body).unwrap_err();
            assert_eq!(error.code, ErrorCode::TYPE_MISMATCH);
            error.message
        };
        assert_eq!(
            text(&rawdoc! { "getLog": 1.0 }),
            "Argument to getLog must be of type String; found 1.0 of type double"
        );
        assert_eq!(
            text(&rawdoc! { "getLog": null }),
            "Argument to getLog must be of type String; found null of type null"
        );
        assert_eq!(
            text(&rawdoc! { "getLog": { "a": "b" } }),
            "Argument to getLog must be of type String; found { a: \"b\" } of type object"
        );
    }

    #[test]
    fn every_name_has_a_log_and_no_other() {
        let logs = Logs::default();
        for name in NAMES {
            let document = named(&logs, name).unwrap().into_document();
            assert_eq!(
                document,
                rawdoc! { "totalLinesWritten": 0_i64, "log": [], "ok": 1.0 }
            );
        }
        let error = named(&logs, "rs").unwrap_err();
        assert_eq!(
            (error.code.0, error.message.as_str()),
            (96, "No log named 'rs'")
        );
    }
}
