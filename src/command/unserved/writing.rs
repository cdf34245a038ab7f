//! Stages that write: `$out` and `$merge`.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::fields::{Namespace, check_known, field, required_text, text};
use super::pipeline::PipelineReader;
use super::reaching::{invalid_target, target};
use crate::command::arguments::{Path, missing_field, type_name, wrong_type};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

impl PipelineReader<'_> {
    pub(super) fn out(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let into = match specification {
            RawBsonRef::String(into) => target("$out", &namespace.db, into)?,
            RawBsonRef::Document(specification) => {
                let path = Path::root("$out");
                check_known(specification, &["db", "coll", "timeseries"], &path)?;
                let db = required_text(specification, "db", &path)?;
                let collection = required_text(specification, "coll", &path)?;
                let db = DbName::parse(db).map_err(|_| invalid_target("$out", db, collection))?;
                target("$out", &db, collection)?
            }
            other => {
                return Err(CommandError::new(
                    ErrorCode(16_990),
                    format!(
                        "$out only supports a string or object argument, but found {}",
                        type_name(other)
                    ),
                ));
            }
        };
        self.write(&into, &[Action::Insert, Action::Remove])
    }

    pub(super) fn merge(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let specification = match specification {
            RawBsonRef::String(into) => {
                let into = target("$merge", &namespace.db, into)?;
                return self.write(&into, &[Action::Insert, Action::Update]);
            }
            RawBsonRef::Document(specification) => specification,
            other => {
                return Err(CommandError::new(
                    ErrorCode::TYPE_MISMATCH,
                    format!(
                        "$merge requires a string or object argument, but found {}",
                        type_name(other)
                    ),
                ));
            }
        };
        let path = Path::root("$merge");
        check_known(specification, MERGE_FIELDS, &path)?;
        let into = merge_target(&namespace.db, specification, &path)?;
        let when_matched = match field(specification, "whenMatched", &path)? {
            None => "merge",
            Some(RawBsonRef::String(mode)) => mode,
            Some(RawBsonRef::Array(pipeline)) => {
                self.read_stages(&into, pipeline)?;
                "pipeline"
            }
            Some(other) => {
                let path = path.field("whenMatched");
                return Err(wrong_type(&path, other, &["string", "array"]));
            }
        };
        let when_not_matched = text(specification, "whenNotMatched", &path)?.unwrap_or("insert");
        self.write(&into, merge_actions(when_matched, when_not_matched)?)
    }

    fn write(&mut self, into: &Namespace, actions: &[Action]) -> Result<(), CommandError> {
        self.needs.add(into.resource(), actions)?;
        if self.bypass_validation {
            self.needs
                .add(into.resource(), &[Action::BypassDocumentValidation])?;
        }
        Ok(())
    }
}

const MERGE_FIELDS: &[&str] = &[
    "into",
    "on",
    "let",
    "whenMatched",
    "whenNotMatched",
    "targetCollectionVersion",
    "allowMergeOnNullishValues",
];

fn merge_target(
    db: &DbName,
    specification: &RawDocument,
    path: &Path<'_>,
) -> Result<Namespace, CommandError> {
    let into_path = path.field("into");
    match field(specification, "into", path)? {
        Some(RawBsonRef::String(into)) => target("$merge", db, into),
        Some(RawBsonRef::Document(into)) => {
            check_known(into, &["db", "coll"], &into_path)?;
            let collection = required_text(into, "coll", &into_path)?;
            match text(into, "db", &into_path)? {
                None => target("$merge", db, collection),
                Some(other) => {
                    let db = DbName::parse(other)
                        .map_err(|_| invalid_target("$merge", other, collection))?;
                    target("$merge", &db, collection)
                }
            }
        }
        Some(other) => Err(wrong_type(&into_path, other, &["string", "object"])),
        None => Err(missing_field(&into_path)),
    }
}

/// What the two modes of `$merge` do to the collection.
fn merge_actions(
    when_matched: &str,
    when_not_matched: &str,
) -> Result<&'static [Action], CommandError> {
    match (when_matched, when_not_matched) {
        ("fail", "insert") => Ok(&[Action::Insert]),
        ("replace" | "merge" | "pipeline" | "keepExisting", "insert") => {
            Ok(&[Action::Insert, Action::Update])
        }
        ("replace" | "merge" | "pipeline", "fail" | "discard") => Ok(&[Action::Update]),
        ("fail" | "keepExisting", "fail" | "discard") => Err(CommandError::new(
            ErrorCode(51_181),
            format!(
                "Combination of $merge modes 'whenMatched: {when_matched}' and 'whenNotMatched: \
                 {when_not_matched}' is not supported"
            ),
        )),
        (_, "insert" | "fail" | "discard") => Err(not_a_mode("whenMatched", when_matched)),
        _ => Err(not_a_mode("whenNotMatched", when_not_matched)),
    }
}

fn not_a_mode(field: &str, mode: &str) -> CommandError {
    CommandError::bad_value(format!(
        "Enumeration value '{mode}' for field '$merge.{field}' is not a valid value."
    ))
}
