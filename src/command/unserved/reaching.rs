//! Stages that read other collections, or have pipelines of their own.

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};

use super::fields::{Namespace, array, check_known, field_or_null, text};
use super::pipeline::{COLLECTIONLESS, PipelineReader, name_and_specification, object};
use crate::command::arguments::{Path, invalid_bson, type_name};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

impl PipelineReader<'_> {
    pub(super) fn facet(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let facets = match specification {
            RawBsonRef::Document(facets) if !facets.is_empty() => facets,
            other => {
                return Err(CommandError::new(
                    ErrorCode(40_169),
                    format!(
                        "the $facet specification must be a non-empty object, but found: {}",
                        type_name(other)
                    ),
                ));
            }
        };
        for facet in facets {
            let (name, pipeline) = facet.map_err(|error| invalid_bson(&error))?;
            let RawBsonRef::Array(pipeline) = pipeline else {
                let (name, actual) = (name.as_str(), type_name(pipeline));
                return Err(CommandError::new(
                    ErrorCode(40_170),
                    format!("arguments to $facet must be arrays, {name} is type {actual}"),
                ));
            };
            self.read_stages(namespace, pipeline)?;
        }
        Ok(())
    }

    pub(super) fn graph_lookup(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let specification = object("$graphLookup", specification)?;
        match field_or_null(specification, "from", &Path::root("$graphLookup"))? {
            Some(RawBsonRef::String(from)) => {
                let from = target("$graphLookup", &namespace.db, from)?;
                self.needs.add(from.resource(), &[Action::Find])
            }
            Some(other) => Err(failed_to_parse(format!(
                "$graphLookup 'from' field must be a string, but found {}",
                type_name(other)
            ))),
            None => Err(failed_to_parse(
                "missing 'from' option to $graphLookup stage specification",
            )),
        }
    }

    pub(super) fn group(&mut self, specification: RawBsonRef<'_>) -> Result<(), CommandError> {
        match specification {
            RawBsonRef::Document(fields)
                if matches!(fields.get("$doingMerge"), Ok(Some(_)) | Err(_)) =>
            {
                self.needs.add(Resource::Cluster, &[Action::Internal])
            }
            // Anything else that is wrong with it reads nothing more.
            _ => Ok(()),
        }
    }

    pub(super) fn lookup(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let path = Path::root("$lookup");
        let specification = object("$lookup", specification)?;
        let pipeline = field_or_null(specification, "pipeline", &path)?;
        let pipeline = pipeline.map(pipeline_array).transpose()?;
        let from = match field_or_null(specification, "from", &path)? {
            None => {
                check_begins_with_documents("$lookup", pipeline)?;
                Namespace::of(&namespace.db, COLLECTIONLESS)?
            }
            Some(RawBsonRef::String(from)) => target("$lookup", &namespace.db, from)?,
            Some(RawBsonRef::Document(from)) => foreign_namespace(from)?,
            Some(other) => {
                return Err(failed_to_parse(format!(
                    "$lookup 'from' field must be a string, but found {}",
                    type_name(other)
                )));
            }
        };
        match pipeline {
            Some(pipeline) => self.read(&from, pipeline),
            None => self.needs.add(from.resource(), &[Action::Find]),
        }
    }

    pub(super) fn union_with(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let path = Path::root("$unionWith");
        let specification = match specification {
            RawBsonRef::String(from) => {
                let from = target("$unionWith", &namespace.db, from)?;
                return self.needs.add(from.resource(), &[Action::Find]);
            }
            RawBsonRef::Document(specification) => specification,
            other => {
                return Err(failed_to_parse(format!(
                    "the $unionWith stage specification must be an object or string, but found {}",
                    type_name(other)
                )));
            }
        };
        check_known(specification, &["coll", "pipeline"], &path)?;
        let pipeline = array(specification, "pipeline", &path)?;
        let from = if let Some(from) = text(specification, "coll", &path)? {
            target("$unionWith", &namespace.db, from)?
        } else {
            check_begins_with_documents("$unionWith", pipeline)?;
            Namespace::of(&namespace.db, COLLECTIONLESS)?
        };
        match pipeline {
            Some(pipeline) => self.read(&from, pipeline),
            None => self.needs.add(from.resource(), &[Action::Find]),
        }
    }

    pub(super) fn set_variable(
        &mut self,
        namespace: &Namespace,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let name = "$setVariableFromSubPipeline";
        let specification = object(name, specification)?;
        match array(specification, "pipeline", &Path::root(name))? {
            Some(pipeline) => self.read(namespace, pipeline),
            None => Ok(()),
        }
    }
}

fn pipeline_array(value: RawBsonRef<'_>) -> Result<&RawArray, CommandError> {
    value.as_array().ok_or_else(|| {
        CommandError::new(
            ErrorCode::TYPE_MISMATCH,
            "'pipeline' option must be specified as an array",
        )
    })
}

/// A pipeline without a collection has its documents with it.
fn check_begins_with_documents(
    stage: &str,
    pipeline: Option<&RawArray>,
) -> Result<(), CommandError> {
    let first = pipeline.and_then(|pipeline| pipeline.into_iter().next());
    if let Some(Ok(first)) = first
        && let Ok(("$documents", _)) = name_and_specification(first)
    {
        return Ok(());
    }
    Err(failed_to_parse(format!(
        "{stage} stage without explicit collection must have a pipeline with $documents as first \
         stage"
    )))
}

/// `{db, coll}` of a `$lookup`, which is for a few collections of the server's own.
fn foreign_namespace(from: &RawDocument) -> Result<Namespace, CommandError> {
    let path = Path::root("from");
    check_known(from, &["db", "coll"], &path)?;
    let db = text(from, "db", &path)?.unwrap_or_default();
    let collection = text(from, "coll", &path)?.unwrap_or_default();
    let is_allowed = match db {
        "config" => {
            matches!(collection, "collections" | "chunks")
                || collection.starts_with("cache.chunks.")
        }
        "local" => collection == "oplog.rs",
        _ => false,
    };
    match DbName::parse(db) {
        Ok(db) if is_allowed => Namespace::of(&db, collection),
        _ => Err(failed_to_parse(format!(
            "$lookup with syntax {{from: {{db:<>, coll:<>}},..}} is not supported for db: {db} \
             and coll: {collection}"
        ))),
    }
}

/// The collection a stage names.
pub(super) fn target(
    stage: &str,
    db: &DbName,
    collection: &str,
) -> Result<Namespace, CommandError> {
    Namespace::of(db, collection).map_err(|_| invalid_target(stage, db.as_str(), collection))
}

/// 73, in the words of the stage.
pub(super) fn invalid_target(stage: &str, db: &str, collection: &str) -> CommandError {
    let text = match stage {
        "$out" => format!("Invalid $out target namespace, {db}.{collection}"),
        "$merge" => format!("Invalid $merge target namespace: '{db}.{collection}'"),
        _ => format!("invalid {stage} namespace: {db}.{collection}"),
    };
    CommandError::new(ErrorCode::INVALID_NAMESPACE, text)
}

/// 9.
pub(super) fn failed_to_parse(text: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::FAILED_TO_PARSE, text)
}
