//! What an aggregation pipeline takes of whoever runs it.
//!
//! A stage that cannot be understood is refused, never passed over: what a pipeline takes would be
//! too little otherwise. Errors are mongod's.

use std::collections::HashMap;

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};

use super::fields::{
    Namespace, array, check_known, field, field_or_null, flag, required_text, text,
};
use super::stages::{ComputedSource, On, ReachingStage, Stage};
use crate::authz::Need;
use crate::command::arguments::{Path, invalid_bson, type_name};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::{Action, ActionSet};
use crate::model::names::{DbName, UserName};
use crate::model::resource::Resource;

/// Stages in one pipeline, as mongod's `internalPipelineLengthLimit`.
const PIPELINE_STAGES_MAX: usize = 1000;
/// Pipelines within pipelines, as mongod.
const PIPELINE_LEVELS_MAX: usize = 20;
/// Resources that one command may need something on.
const RESOURCES_MAX: usize = 10_000;

/// The collection of pipelines that run on a database as a whole.
pub(super) const COLLECTIONLESS: &str = "$cmd.aggregate";

/// What it takes to run `pipeline` on `collection` of `db` (`$cmd.aggregate` for the database as a
/// whole), each resource once. Whoever asks without a name is nobody in particular, so that
/// `$listSessions` of named users is about others.
///
/// Errors are those of a pipeline that cannot be run: 14, 9, 73, 40323, 40324 and others.
pub(in crate::command) fn pipeline_needs(
    db: &DbName,
    collection: &str,
    pipeline: &RawArray,
    bypass_validation: bool,
) -> Result<Vec<Need>, CommandError> {
    let mut reader = PipelineReader::new(None, bypass_validation);
    reader.read(&Namespace::of(db, collection)?, pipeline)?;
    Ok(reader.into_needs())
}

/// Needs without a resource twice.
#[derive(Debug, Default)]
pub(super) struct Needs {
    needs: Vec<Need>,
    places: HashMap<Resource, usize>,
}

impl Needs {
    pub(super) fn add(
        &mut self,
        resource: Resource,
        actions: &[Action],
    ) -> Result<(), CommandError> {
        let actions: ActionSet = actions.iter().copied().collect();
        if let Some(need) = self
            .places
            .get(&resource)
            .and_then(|at| self.needs.get_mut(*at))
        {
            need.actions.insert_all(&actions);
            return Ok(());
        }
        if self.needs.len() >= RESOURCES_MAX {
            return Err(CommandError::bad_value(format!(
                "a command may be about at most {RESOURCES_MAX} collections"
            )));
        }
        self.places.insert(resource.clone(), self.needs.len());
        self.needs.push(Need { resource, actions });
        Ok(())
    }

    pub(super) fn into_vec(self) -> Vec<Need> {
        self.needs
    }
}

/// Collects what pipelines need.
#[derive(Debug)]
pub(super) struct PipelineReader<'a> {
    caller: Option<&'a UserName>,
    bypass_validation: bool,
    level: usize,
    needs: Needs,
}

impl<'a> PipelineReader<'a> {
    /// `caller` is who may list its own sessions.
    pub(super) fn new(caller: Option<&'a UserName>, bypass_validation: bool) -> Self {
        Self {
            caller,
            bypass_validation,
            level: 0,
            needs: Needs::default(),
        }
    }

    pub(super) fn into_needs(self) -> Vec<Need> {
        self.needs.into_vec()
    }

    /// A pipeline on a collection, which it reads unless it begins with another source.
    pub(super) fn read(
        &mut self,
        namespace: &Namespace,
        pipeline: &RawArray,
    ) -> Result<(), CommandError> {
        let begins_with_source = match pipeline.into_iter().next() {
            Some(first) => {
                let (name, _) = name_and_specification(first.map_err(|e| invalid_bson(&e))?)?;
                Stage::find(name).is_some_and(Stage::is_source)
            }
            None => false,
        };
        if !begins_with_source {
            self.needs.add(namespace.resource(), &[Action::Find])?;
        }
        self.read_stages(namespace, pipeline)
    }

    fn read_stages(
        &mut self,
        namespace: &Namespace,
        pipeline: &RawArray,
    ) -> Result<(), CommandError> {
        if self.level >= PIPELINE_LEVELS_MAX {
            return Err(CommandError::new(
                ErrorCode::MAX_SUB_PIPELINE_DEPTH_EXCEEDED,
                format!(
                    "Maximum number of nested sub-pipelines exceeded. Limit is {PIPELINE_LEVELS_MAX}"
                ),
            ));
        }
        self.level += 1;
        for (place, stage) in pipeline.into_iter().enumerate() {
            if place >= PIPELINE_STAGES_MAX {
                return Err(CommandError::new(
                    ErrorCode(7_749_501),
                    format!("Pipeline length must be no longer than {PIPELINE_STAGES_MAX} stages."),
                ));
            }
            let stage = stage.map_err(|error| invalid_bson(&error))?;
            let (name, specification) = name_and_specification(stage)?;
            self.stage(namespace, name, specification)?;
        }
        self.level -= 1;
        Ok(())
    }

    fn stage(
        &mut self,
        namespace: &Namespace,
        name: &str,
        specification: RawBsonRef<'_>,
    ) -> Result<(), CommandError> {
        let stage = Stage::find(name).ok_or_else(|| {
            CommandError::new(
                ErrorCode(40_324),
                format!("Unrecognized pipeline stage name: '{name}'"),
            )
        })?;
        match stage {
            Stage::Plain => Ok(()),
            Stage::Internal => self.needs.add(Resource::Cluster, &[Action::Internal]),
            Stage::Source(rows) => {
                for (on, actions) in rows {
                    let resource = match on {
                        On::Namespace => namespace.resource(),
                        On::Cluster => Resource::Cluster,
                        On::AnyResource => Resource::AnyResource,
                    };
                    self.needs.add(resource, actions)?;
                }
                Ok(())
            }
            Stage::Computed(source) => {
                let specification = object(name, specification)?;
                self.source(source, namespace, specification, &Path::root(name))
            }
            Stage::Reaching(stage) => match stage {
                ReachingStage::Facet => self.facet(namespace, specification),
                ReachingStage::GraphLookup => self.graph_lookup(namespace, specification),
                ReachingStage::Group => self.group(specification),
                ReachingStage::Lookup => self.lookup(namespace, specification),
                ReachingStage::Merge => self.merge(namespace, specification),
                ReachingStage::Out => self.out(namespace, specification),
                ReachingStage::SetVariable => self.set_variable(namespace, specification),
                ReachingStage::UnionWith => self.union_with(namespace, specification),
            },
        }
    }

    fn source(
        &mut self,
        source: ComputedSource,
        namespace: &Namespace,
        specification: &RawDocument,
        path: &Path<'_>,
    ) -> Result<(), CommandError> {
        let is_database = namespace.collection == COLLECTIONLESS;
        match source {
            ComputedSource::ChangeStream => {
                let resource = if flag(specification, "allChangesForCluster", path)? {
                    Resource::AnyNormal
                } else if is_database {
                    Resource::Database(namespace.db.clone())
                } else {
                    namespace.resource()
                };
                self.needs
                    .add(resource, &[Action::ChangeStream, Action::Find])
            }
            ComputedSource::CurrentOp => {
                if flag(specification, "allUsers", path)? {
                    self.needs.add(Resource::Cluster, &[Action::Inprog])?;
                }
                Ok(())
            }
            ComputedSource::ListCatalog if is_database => {
                let actions = &[Action::ListCollections, Action::ListIndexes];
                self.needs
                    .add(Resource::Cluster, &[Action::ListDatabases])?;
                self.needs.add(Resource::AnyNormal, actions)?;
                let functions = Resource::CollectionInAnyDatabase("system.js".into());
                self.needs.add(functions, actions)?;
                self.needs.add(Resource::AnySystemBuckets, actions)
            }
            ComputedSource::ListCatalog => {
                let actions = &[Action::ListCollections, Action::ListIndexes];
                self.needs.add(namespace.resource(), actions)
            }
            ComputedSource::ListSessions => {
                let is_about_others = flag(specification, "allUsers", path)?
                    || !self.are_all_caller(array(specification, "users", path)?, path)?;
                if is_about_others {
                    self.needs.add(Resource::Cluster, &[Action::ListSessions])?;
                }
                Ok(())
            }
            ComputedSource::QueryStats => {
                let is_transformed = field(specification, "transformIdentifiers", path)?.is_some();
                let action = if is_transformed {
                    Action::QueryStatsReadTransformed
                } else {
                    Action::QueryStatsRead
                };
                self.needs.add(Resource::Cluster, &[action])
            }
        }
    }

    /// Whether each of `users` (`{user, db}`) is who asks; so it is if there is no list.
    fn are_all_caller(
        &self,
        users: Option<&RawArray>,
        path: &Path<'_>,
    ) -> Result<bool, CommandError> {
        let Some(users) = users else {
            return Ok(true);
        };
        for user in users {
            let user = user.map_err(|error| invalid_bson(&error))?;
            let user = object("users", user)?;
            let name = required_text(user, "user", path)?;
            let db = required_text(user, "db", path)?;
            let is_caller = self
                .caller
                .is_some_and(|caller| caller.user() == name && caller.db().as_str() == db);
            if !is_caller {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn facet(
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

    fn graph_lookup(
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

    fn group(&mut self, specification: RawBsonRef<'_>) -> Result<(), CommandError> {
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

    fn lookup(
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

    fn union_with(
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

    fn set_variable(
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

    fn out(
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

    fn merge(
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
                return Err(crate::command::arguments::wrong_type(
                    &path,
                    other,
                    &["string", "array"],
                ));
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
        Some(other) => Err(crate::command::arguments::wrong_type(
            &into_path,
            other,
            &["string", "object"],
        )),
        None => Err(crate::command::arguments::missing_field(&into_path)),
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

/// A stage is a document of one field, its name.
fn name_and_specification(stage: RawBsonRef<'_>) -> Result<(&str, RawBsonRef<'_>), CommandError> {
    let RawBsonRef::Document(stage) = stage else {
        return Err(CommandError::new(
            ErrorCode::TYPE_MISMATCH,
            "Each element of the 'pipeline' array must be an object",
        ));
    };
    let mut elements = stage.iter();
    match (elements.next(), elements.next()) {
        (Some(Ok((name, specification))), None) => Ok((name.as_str(), specification)),
        (Some(Err(error)), _) => Err(invalid_bson(&error)),
        _ => Err(CommandError::new(
            ErrorCode(40_323),
            "A pipeline stage specification object must contain exactly one field.",
        )),
    }
}

fn object<'a>(stage: &str, value: RawBsonRef<'a>) -> Result<&'a RawDocument, CommandError> {
    value.as_document().ok_or_else(|| {
        failed_to_parse(format!(
            "the {stage} stage specification must be an object, but found {}",
            type_name(value)
        ))
    })
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

fn target(stage: &str, db: &DbName, collection: &str) -> Result<Namespace, CommandError> {
    Namespace::of(db, collection).map_err(|_| invalid_target(stage, db.as_str(), collection))
}

fn invalid_target(stage: &str, db: &str, collection: &str) -> CommandError {
    let text = match stage {
        "$out" => format!("Invalid $out target namespace, {db}.{collection}"),
        "$merge" => format!("Invalid $merge target namespace: '{db}.{collection}'"),
        _ => format!("invalid {stage} namespace: {db}.{collection}"),
    };
    CommandError::new(ErrorCode::INVALID_NAMESPACE, text)
}

fn failed_to_parse(text: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::FAILED_TO_PARSE, text)
}
