//! `getParameter` (MongoDB manual, "getParameter").
//!
//! The parameters asked for are fields beside the command's own, whatever their values.

use bson::raw::RawDocument;
use bson::{RawBson, RawBsonRef, rawdoc};

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::{Arguments, FromField, Path, Rules, arguments};
use crate::command::context::Context;
use crate::command::field_types::SafeBool;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::config::parameters::{Parameters, SetAt};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `getParameter`; all others are names of parameters.
    #[derive(Debug)]
    pub struct GetParameter {
        /// `'*'`: all parameters. `{showDetails, allParameters, setAt}`: all or those named, with or
        /// without what they are. Any other value: those named.
        "getParameter" => selection: Selection = Selection::default(),
    }
}

arguments! {
    /// The document that `getParameter` may have for a value.
    #[derive(Debug)]
    pub struct SelectionDocument {
        /// Whether to show when each parameter may be set.
        "showDetails" => show_details: SafeBool = SafeBool(false),
        /// Whether to show all parameters.
        "allParameters" => all_parameters: SafeBool = SafeBool(false),
        /// `startup` or `runtime`: only parameters that may be set then.
        "setAt" => set_at: Option<Moment>,
    }
}

/// Which parameters are asked for beside those that are named, and what about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    all: bool,
    show_details: bool,
    set_at: Option<Moment>,
}

/// When a parameter may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// When the server starts.
    Startup,
    /// While it runs.
    Runtime,
}

impl FromField for Selection {
    const TYPES: &'static [&'static str] = &[];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(Some(match value {
            RawBsonRef::String("*") => Self {
                all: true,
                ..Self::default()
            },
            RawBsonRef::Document(document) => {
                let fields = SelectionDocument::parse(document, path, Rules::STRICT_DOCUMENT)?;
                Self {
                    all: fields.all_parameters.0,
                    show_details: fields.show_details.0,
                    set_at: fields.set_at,
                }
            }
            _ => Self::default(),
        }))
    }
}

impl FromField for Moment {
    const TYPES: &'static [&'static str] = &["string"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String("startup") => Ok(Some(Self::Startup)),
            RawBsonRef::String("runtime") => Ok(Some(Self::Runtime)),
            RawBsonRef::String(other) => Err(CommandError::bad_value(format!(
                "Enumeration value '{other}' for field '{path}' is not a valid value."
            ))),
            _ => Ok(None),
        }
    }
}

impl Moment {
    fn is_for(self, set_at: SetAt) -> bool {
        match self {
            Self::Startup => set_at != SetAt::Never,
            Self::Runtime => set_at == SetAt::StartupAndRuntime,
        }
    }
}

impl Command for GetParameter {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "getParameter",
            "Answers parameters of the server: { getParameter: '*' } for all of them, or \
             { getParameter: 1, <name>: 1 }.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::GetParameter)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        self.selection
            .show(context.body, &context.services.parameters)
    }
}

impl Selection {
    fn show(&self, body: &RawDocument, parameters: &Parameters) -> Result<Reply, CommandError> {
        let mut reply = Reply::new();
        let mut found = false;
        for name in Parameters::names() {
            let is_named = matches!(body.get(name), Ok(Some(_)));
            if !(self.all || is_named) {
                continue;
            }
            let (Some(value), Some(spec)) = (parameters.get(name), Parameters::spec(name)) else {
                continue;
            };
            if self
                .set_at
                .is_some_and(|moment| !moment.is_for(spec.set_at))
            {
                continue;
            }
            found = true;
            reply.append(
                name,
                if self.show_details {
                    detailed(value, spec.set_at)
                } else {
                    value
                },
            );
        }
        if found {
            Ok(reply)
        } else {
            Err(CommandError::new(
                ErrorCode::INVALID_OPTIONS,
                "no option found to get",
            ))
        }
    }
}

fn detailed(value: RawBson, set_at: SetAt) -> RawBson {
    RawBson::Document(rawdoc! {
        "value": value,
        "settableAtRuntime": Moment::Runtime.is_for(set_at),
        "settableAtStartup": Moment::Startup.is_for(set_at),
    })
}

#[cfg(test)]
mod tests {
    use bson::RawDocumentBuf;

    use super::*;
    use crate::command::spec::rules;

    fn show(body: &RawDocument) -> Result<RawDocumentBuf, CommandError> {
        let path = Path::root("getParameter");
        let command = GetParameter::parse(body, &path, rules::<GetParameter>())?;
        let reply = command.selection.show(body, &Parameters::default())?;
        Ok(reply.into_document())
    }

    fn names(body: &RawDocument) -> Vec<String> {
        let document = show(body).unwrap();
        document
            .iter()
            .flatten()
            .map(|(name, _)| name.as_str().to_owned())
            .collect()
    }

    #[test]
    fn named_parameters_are_shown_whatever_the_value_of_the_field() {
        let body = rawdoc! {
            "getParameter": 1, "authSchemaVersion": null, "nonsense": 1, "$db": "admin",
        };
        assert_eq!(
            show(&body).unwrap(),
            rawdoc! { "authSchemaVersion": 5, "ok": 1.0 }
        );
        let body = rawdoc! { "getParameter": 1, "featureCompatibilityVersion": 1 };
        let version = rawdoc! { "version": "8.0" };
        let expected = rawdoc! { "featureCompatibilityVersion": version, "ok": 1.0 };
        assert_eq!(show(&body).unwrap(), expected);
    }

    #[test]
    fn nothing_found_is_an_error() {
        for body in [
            rawdoc! { "getParameter": "foo" },
            rawdoc! { "getParameter": 1, "foo": 1, "comment": "x" },
            rawdoc! { "getParameter": { "showDetails": true } },
            rawdoc! { "getParameter": { "setAt": "runtime" }, "authSchemaVersion": 1 },
            rawdoc! { "getParameter": null },
        ] {
            let error = show(&body).unwrap_err();
            assert_eq!(
                (error.code.0, error.message.as_str()),
                (72, "no option found to get")
            );
        }
    }

    #[test]
    fn a_star_shows_all_and_set_at_fewer() {
        let mut all: Vec<&str> = Parameters::names().collect();
        all.push("ok");
        assert_eq!(names(&rawdoc! { "getParameter": "*" }), all);
        assert_eq!(
            names(&rawdoc! { "getParameter": { "allParameters": 1 } }),
            all
        );
        let runtime = rawdoc! { "getParameter": { "allParameters": true, "setAt": "runtime" } };
        let expected = [
            "argon2Iterations",
            "argon2MemoryKiB",
            "argon2Parallelism",
            "auditAuthorizationSuccess",
            "authFailedDelayMs",
            "cursorTimeoutMillis",
            "failedSignInDelayMaxMs",
            "failedSignInDelayMs",
            "failedSignInHalfLifeSecs",
            "failedSignInsEverywhereFree",
            "failedSignInsPerAddressFree",
            "failedSignInsPerUserFree",
            "halfOpenSignInsMax",
            "halfOpenSignInsPerAddressMax",
            "scramIterationCount",
            "scramSHA256IterationCount",
            "shutdownTimeoutMillisForSignaledShutdown",
            "signInTimeoutMs",
            "ok",
        ];
        assert_eq!(names(&runtime), expected);
        let startup = rawdoc! { "getParameter": { "allParameters": true, "setAt": "startup" } };
        all.retain(|name| !["authSchemaVersion", "featureCompatibilityVersion"].contains(name));
        assert_eq!(names(&startup), all);
    }

    #[test]
    fn details_say_when_a_parameter_may_be_set() {
        let body = rawdoc! { "getParameter": { "showDetails": true }, "scramIterationCount": 1 };
        let details = rawdoc! {
            "value": 10_000, "settableAtRuntime": true, "settableAtStartup": true,
        };
        let expected = rawdoc! { "scramIterationCount": details, "ok": 1.0 };
        assert_eq!(show(&body).unwrap(), expected);
    }

    #[test]
    fn the_document_is_strict() {
        let code = |selection: RawDocumentBuf| {
            show(&rawdoc! { "getParameter": selection, "authSchemaVersion": 1 })
                .unwrap_err()
                .code
                .0
        };
        assert_eq!(code(rawdoc! { "all": true }), 40_415);
        assert_eq!(code(rawdoc! { "showDetails": "yes" }), 14);
        assert_eq!(code(rawdoc! { "setAt": "never" }), 2);
        assert_eq!(code(rawdoc! { "setAt": 1 }), 14);
    }
}
