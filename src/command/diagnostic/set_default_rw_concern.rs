//! `setDefaultRWConcern` (MongoDB manual, "setDefaultRWConcern"): not on a standalone.

use bson::raw::RawDocument;
use bson::{DateTime, RawBsonRef, RawDocumentBuf, Timestamp};

use super::get_default_rw_concern::in_force;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::PlanError;
use crate::command::arguments::{FromField, Path, arguments, unknown_field, wrong_type};
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::command::write_concern::{Acknowledgement, RwConcernDefaults, WriteConcern, check_mode};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `setDefaultRWConcern`.
    #[derive(Debug)]
    pub struct SetDefaultRwConcern {
        /// Any value.
        "setDefaultRWConcern" => value: Anything,
        /// The read concern of reads that have none; `{}` for the server's own.
        "defaultReadConcern" => read_concern: Option<RawDocumentBuf>,
        /// The write concern of writes that have none; `{}` for the server's own.
        "defaultWriteConcern" => write_concern: Option<DefaultWriteConcern>,
    }
}

/// A write concern that is to be the default.
#[derive(Debug)]
pub struct DefaultWriteConcern {
    /// `None` for the server's own.
    concern: Option<WriteConcern>,
    has_provenance: bool,
}

impl FromField for DefaultWriteConcern {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Document(document) = value else {
            return Ok(None);
        };
        let concern = WriteConcern::parse(SetDefaultRwConcern::SPEC.name, value)?;
        let provenance = document.get("provenance").ok().flatten();
        let has_provenance = matches!(provenance, Some(RawBsonRef::String(_)));
        Ok(Some(Self {
            concern,
            has_provenance,
        }))
    }
}

impl Command for SetDefaultRwConcern {
    const SPEC: Spec = Spec {
        admin_only: true,
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "setDefaultRWConcern",
            "Sets the deployment's default read and write concern.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::SetDefaultRWConcern)])
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        self.check()?;
        let Some(set) = &services.replica_set else {
            return Err(not_on_standalone(Self::SPEC.name));
        };
        if let Some(concern) = self
            .write_concern
            .as_ref()
            .and_then(|it| it.concern.as_ref())
        {
            check_mode(&concern.w, &set.topology().config)?;
        }
        let updated = (services.cluster_clock.now(set), DateTime::now());
        let order = context.bare_order(pass);
        let written = services
            .directory
            .set_default_rw_concern(order, move |current| {
                let changed = self.changed(RwConcernDefaults::stored(current), updated)?;
                Ok(changed.to_document())
            });
        written.await.map_err(|error| services.ops_error(error))?;
        Ok(in_force(services))
    }
}

/// 51300: a standalone has no defaults but its own.
pub(super) fn not_on_standalone(command: &str) -> CommandError {
    CommandError::new(
        ErrorCode(51_300),
        format!("'{command}' is not supported on standalone nodes."),
    )
}

impl SetDefaultRwConcern {
    /// The defaults `current` with what is asked for; `updated` is when.
    fn changed(
        self,
        current: RwConcernDefaults,
        updated: (Timestamp, DateTime),
    ) -> Result<RwConcernDefaults, PlanError> {
        let write_concern = match self.write_concern {
            None => current.write_concern,
            Some(DefaultWriteConcern { concern: None, .. }) if current.write_concern.is_some() => {
                return Err(PlanError::WriteConcernDefaultStays);
            }
            Some(DefaultWriteConcern { concern, .. }) => concern,
        };
        let read_concern = match self.read_concern {
            None => current.read_concern,
            Some(document) => Some(document).filter(|document| !document.is_empty()),
        };
        Ok(RwConcernDefaults {
            read_concern,
            write_concern,
            updated: Some(updated),
        })
    }

    /// Refuses what cannot be a default.
    fn check(&self) -> Result<(), CommandError> {
        if self.read_concern.is_none() && self.write_concern.is_none() {
            return Err(CommandError::bad_value(
                "At least one of the \"defaultReadConcern\" or \"defaultWriteConcern\" fields must \
                 be present",
            ));
        }
        if let Some(document) = &self.read_concern {
            check_read_concern(document)?;
        }
        self.write_concern
            .as_ref()
            .map_or(Ok(()), DefaultWriteConcern::check)
    }
}

impl DefaultWriteConcern {
    fn check(&self) -> Result<(), CommandError> {
        let refuse = |text: &str| Err(CommandError::bad_value(text));
        match self.concern.as_ref().map(|concern| &concern.w) {
            Some(Acknowledgement::Default) => refuse("Default write concern must have 'w' field."),
            Some(Acknowledgement::Members(0)) => {
                refuse("Unacknowledged write concern is not suitable for the default write concern")
            }
            Some(_) if self.has_provenance => {
                refuse("'provenance' must be unset in default write concern")
            }
            _ => Ok(()),
        }
    }
}

/// Only a level, and only one that needs nothing from the read itself.
fn check_read_concern(document: &RawDocument) -> Result<(), CommandError> {
    let root = Path::root("readConcern");
    for (name, value) in document.iter().flatten() {
        let path = root.field(name.as_str());
        match (name.as_str(), value) {
            ("level", RawBsonRef::String("local" | "available" | "majority")) => {}
            ("level", RawBsonRef::String(level @ ("linearizable" | "snapshot"))) => {
                return Err(CommandError::bad_value(format!(
                    "level: '{level}' is not suitable for the default read concern"
                )));
            }
            ("level", RawBsonRef::String(level)) => {
                return Err(CommandError::bad_value(format!(
                    "Enumeration value '{level}' for field '{path}' is not a valid value."
                )));
            }
            ("level", other) => return Err(wrong_type(&path, other, &["string"])),
            (name @ ("afterOpTime" | "afterClusterTime" | "atClusterTime"), _) => {
                return Err(CommandError::bad_value(format!(
                    "'{name}' is not suitable for the default read concern"
                )));
            }
            ("provenance", _) => {
                return Err(CommandError::bad_value(
                    "'provenance' must be unset in default read concern",
                ));
            }
            _ => return Err(unknown_field(&path)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::command::arguments::Arguments;
    use crate::command::spec::rules;

    fn check(body: &RawDocument) -> Result<(), (i32, String)> {
        let path = Path::root("setDefaultRWConcern");
        SetDefaultRwConcern::parse(body, &path, rules::<SetDefaultRwConcern>())
            .and_then(|command| command.check())
            .map_err(|error| (error.code.0, error.message))
    }

    fn check_write(concern: RawDocumentBuf) -> Result<(), (i32, String)> {
        check(&rawdoc! { "setDefaultRWConcern": 1, "defaultWriteConcern": concern })
    }

    fn check_read(concern: RawDocumentBuf) -> Result<(), (i32, String)> {
        check(&rawdoc! { "setDefaultRWConcern": 1, "defaultReadConcern": concern })
    }

    #[test]
    fn suitable_defaults_pass() {
        assert_eq!(check_write(rawdoc! { "w": 1 }), Ok(()));
        assert_eq!(
            check_write(rawdoc! { "w": "majority", "wtimeout": 0 }),
            Ok(())
        );
        assert_eq!(check_write(rawdoc! { "w": { "dc": 1 } }), Ok(()));
        assert_eq!(check_write(rawdoc! {}), Ok(()));
        assert_eq!(check_read(rawdoc! { "level": "majority" }), Ok(()));
        assert_eq!(check_read(rawdoc! {}), Ok(()));
    }

    #[test]
    fn unsuitable_defaults_do_not() {
        let text = |result: Result<(), (i32, String)>| {
            let (code, message) = result.unwrap_err();
            assert_eq!(code, 2);
            message
        };
        assert_eq!(
            text(check_write(rawdoc! { "w": 0 })),
            "Unacknowledged write concern is not suitable for the default write concern"
        );
        assert_eq!(
            text(check_write(rawdoc! { "j": true })),
            "Default write concern must have 'w' field."
        );
        assert_eq!(
            text(check_write(
                rawdoc! { "w": 1, "provenance": "clientSupplied" }
            )),
            "'provenance' must be unset in default write concern"
        );
        assert_eq!(
            text(check_read(rawdoc! { "level": "snapshot" })),
            "level: 'snapshot' is not suitable for the default read concern"
        );
        assert_eq!(
            text(check(
                &rawdoc! { "setDefaultRWConcern": 1, "defaultReadConcern": null }
            )),
            "At least one of the \"defaultReadConcern\" or \"defaultWriteConcern\" fields must be \
             present"
        );
    }

    #[test]
    fn malformed_concerns_have_their_codes() {
        let code = |result: Result<(), (i32, String)>| result.unwrap_err().0;
        assert_eq!(code(check_write(rawdoc! { "w": 51 })), 9);
        assert_eq!(code(check_write(rawdoc! { "w": 1, "x": 1 })), 40_415);
        assert_eq!(code(check_read(rawdoc! { "level": "x" })), 2);
        assert_eq!(code(check_read(rawdoc! { "level": 1 })), 14);
        assert_eq!(code(check_read(rawdoc! { "x": 1 })), 40_415);
        let number = rawdoc! { "setDefaultRWConcern": 1, "defaultWriteConcern": 1 };
        assert_eq!(code(check(&number)), 14);
        let unknown = rawdoc! { "setDefaultRWConcern": 1, "defaultWrite": {} };
        assert_eq!(code(check(&unknown)), 40_415);
    }

    fn change(
        body: &RawDocument,
        current: &RwConcernDefaults,
    ) -> Result<RwConcernDefaults, PlanError> {
        let at = Timestamp {
            time: 5,
            increment: 1,
        };
        let path = Path::root("setDefaultRWConcern");
        SetDefaultRwConcern::parse(body, &path, rules::<SetDefaultRwConcern>())
            .unwrap()
            .changed(current.clone(), (at, DateTime::from_millis(5)))
    }

    #[test]
    fn what_is_not_named_stays() {
        let command = |fields: RawDocumentBuf| {
            let mut command = rawdoc! { "setDefaultRWConcern": 1 };
            for (name, value) in fields.iter().flatten() {
                command.append(name, value);
            }
            command
        };
        let nothing = RwConcernDefaults::default();
        let write = command(rawdoc! { "defaultWriteConcern": { "w": 2 } });
        let with_write = change(&write, &nothing).unwrap();
        assert_eq!(
            with_write.write_concern.as_ref().unwrap().w,
            Acknowledgement::Members(2)
        );
        assert_eq!(with_write.read_concern, None);
        let read = command(rawdoc! { "defaultReadConcern": { "level": "majority" } });
        let both = change(&read, &with_write).unwrap();
        assert_eq!(both.write_concern, with_write.write_concern);
        assert_eq!(both.read_concern, Some(rawdoc! { "level": "majority" }));
        let no_read = command(rawdoc! { "defaultReadConcern": {} });
        assert_eq!(change(&no_read, &both).unwrap().read_concern, None);
        let no_write = command(rawdoc! { "defaultWriteConcern": {} });
        assert!(change(&no_write, &nothing).is_ok());
        let refused = Err(PlanError::WriteConcernDefaultStays);
        assert_eq!(change(&no_write, &both), refused);
    }

    #[test]
    fn a_standalone_has_no_defaults() {
        let error = not_on_standalone("getDefaultRWConcern");
        let text = "'getDefaultRWConcern' is not supported on standalone nodes.";
        assert_eq!((error.code.0, error.message.as_str()), (51_300, text));
    }
}
