//! What an aggregation pipeline takes of whoever runs it.
//!
//! A stage that cannot be understood is refused, never passed over: what a pipeline takes would be
//! too little otherwise. Errors are mongod's.

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};

use super::collected::Needs;
use super::fields::{Namespace, array, field, flag, required_text};
use super::reaching::failed_to_parse;
use super::stages::{ComputedSource, On, ReachingStage, Stage};
use crate::authz::Need;
use crate::command::arguments::{Path, invalid_bson, type_name};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::{DbName, UserName};
use crate::model::resource::Resource;

/// Stages in one pipeline, as mongod's `internalPipelineLengthLimit`.
const PIPELINE_STAGES_MAX: usize = 1000;
/// Pipelines within pipelines, as mongod.
const PIPELINE_LEVELS_MAX: usize = 20;

/// The collection of pipelines that run on a database as a whole.
pub(super) const COLLECTIONLESS: &str = "$cmd.aggregate";

/// What it takes to run `pipeline` on `collection` of `db` (`$cmd.aggregate` for the database as a
/// whole), each resource once. `caller` may list its own sessions.
///
/// Errors are those of a pipeline that cannot be run: 14, 9, 73, 40323, 40324 and others.
pub fn pipeline_needs(
    caller: Option<&UserName>,
    (db, collection): (&DbName, &str),
    pipeline: &RawArray,
    bypass_validation: bool,
) -> Result<Vec<Need>, CommandError> {
    let mut reader = PipelineReader::new(caller, bypass_validation);
    reader.read(&Namespace::of(db, collection)?, pipeline)?;
    Ok(reader.into_needs())
}

/// Collects what pipelines need.
#[derive(Debug)]
pub(super) struct PipelineReader<'a> {
    caller: Option<&'a UserName>,
    pub(super) bypass_validation: bool,
    level: usize,
    pub(super) needs: Needs,
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

    /// The stages of a pipeline within another stage, which gives it its documents.
    pub(super) fn read_stages(
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
                        On::AnyNormal => Resource::AnyNormal,
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
}

/// A stage is a document of one field, its name; what the field holds specifies it.
pub(super) fn name_and_specification(
    stage: RawBsonRef<'_>,
) -> Result<(&str, RawBsonRef<'_>), CommandError> {
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

/// A specification that must be a document.
pub(super) fn object<'a>(
    stage: &str,
    value: RawBsonRef<'a>,
) -> Result<&'a RawDocument, CommandError> {
    value.as_document().ok_or_else(|| {
        failed_to_parse(format!(
            "the {stage} stage specification must be an object, but found {}",
            type_name(value)
        ))
    })
}
