//! `aggregate` (MongoDB manual, "aggregate").

use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf};

use super::aggregate_stages;
use super::batch::{Query, answer};
use super::options::{
    CollectionName, CursorOptions, Hint, check_collation_and_hint, not_supported,
};
use super::system_collection::SystemCollection;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::{FromField, Path, arguments};
use crate::command::context::Context;
use crate::command::field_types::{SafeBool, number};
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::command::unserved::pipeline::pipeline_needs;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::DbName;

/// What mongod calls the collection of pipelines that are about a database as a whole.
const NO_COLLECTION: &str = "$cmd.aggregate";

arguments! {
    /// The fields of `aggregate`.
    #[derive(Debug)]
    pub struct Aggregate {
        /// The collection, see `find`, or 1 for the database as a whole.
        "aggregate" => target: Target,
        /// The stages: `$match`, `$project`, `$sort`, `$skip`, `$limit`, `$count` and `$group`; others
        /// are refused (115).
        "pipeline" => pipeline: Pipeline,
        /// `{batchSize: n}` or empty; required.
        "cursor" => cursor: Option<CursorOptions>,
        /// Refused when true.
        "explain" => explain: Option<bool>,
        /// Changes nothing: there is no disk to use.
        "allowDiskUse" => allow_disk_use: Option<bool>,
        /// Takes a privilege of its own with stages that write.
        "bypassDocumentValidation" => bypass_document_validation: SafeBool = SafeBool(false),
        /// An index that exists; it changes nothing.
        "hint" => hint: Option<Hint>,
        /// Only `simple`.
        "collation" => collation: Option<RawDocumentBuf>,
        /// Variables; nothing that is supported can use them.
        "let" => variables: Option<RawDocumentBuf>,
    }
}

/// What is aggregated.
#[derive(Debug)]
pub enum Target {
    /// A collection.
    Collection(String),
    /// The database as a whole.
    Database,
}

impl FromField for Target {
    const TYPES: &'static [&'static str] = &["string", "long", "int", "decimal", "double"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String(_) => {
                let name = CollectionName::from_field(value, path)?;
                Ok(name.map(|CollectionName(name)| Self::Collection(name)))
            }
            other if number(other) == Some(1.0) => Ok(Some(Self::Database)),
            _ => Err(CommandError::new(
                ErrorCode::FAILED_TO_PARSE,
                "Invalid command format: the 'aggregate' field must specify a collection name or 1",
            )),
        }
    }
}

/// The stages, not yet read.
#[derive(Debug)]
pub struct Pipeline(RawArrayBuf);

impl FromField for Pipeline {
    const TYPES: &'static [&'static str] = &["array"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::Array(array) => Ok(Some(Self(array.to_owned()))),
            _ => Err(CommandError::new(
                ErrorCode::TYPE_MISMATCH,
                "'pipeline' option must be specified as an array",
            )),
        }
    }
}

impl Command for Aggregate {
    const SPEC: Spec = Spec {
        api_version_1: true,
        runs_on: RunsOn::SecondaryIfAsked,
        read_concern: true,
        ..Spec::new(
            "aggregate",
            "Answers what becomes of the documents of a collection in the stages of a pipeline.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        // A pipeline that cannot be read is refused by `run`, to whoever is signed in, as with mongod.
        authority.require(&self.needs(authority, db).unwrap_or_default())
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let db = &context.generic.db;
        let needs = self.needs(&context.authority(), db)?;
        if self.cursor.is_none() && self.explain != Some(true) {
            return Err(CommandError::new(
                ErrorCode::FAILED_TO_PARSE,
                "The 'cursor' option is required, except for aggregate with the explain argument",
            ));
        }
        let Some(collection) = SystemCollection::find(db, self.collection()) else {
            return Err(CommandError::no_engine(Self::SPEC.name));
        };
        if self.explain == Some(true) {
            return Err(not_supported("explain"));
        }
        check_collation_and_hint(collection, self.collation.as_ref(), self.hint.as_ref())?;
        let query = Query {
            collection,
            batch_size: self.cursor.and_then(|cursor| cursor.batch_size),
            is_single_batch: false,
            needs,
            stages: Box::new(move || aggregate_stages::parse(&self.pipeline.0)),
        };
        answer(context, query).await
    }
}

impl Aggregate {
    fn collection(&self) -> &str {
        match &self.target {
            Target::Collection(name) => name,
            Target::Database => NO_COLLECTION,
        }
    }

    fn needs(&self, authority: &Authority<'_>, db: &DbName) -> Result<Vec<Need>, CommandError> {
        let bypass_validation = self.bypass_document_validation.0;
        let on = (db, self.collection());
        pipeline_needs(
            authority.user_name(),
            on,
            &self.pipeline.0,
            bypass_validation,
        )
    }
}
