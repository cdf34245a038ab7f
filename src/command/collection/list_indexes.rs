//! `listIndexes` (MongoDB manual, "listIndexes").

use super::batch::answer_documents;
use super::options::{CollectionOrUuid, CursorOptions};
use super::system_collection::Sources;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::SafeBool;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `listIndexes`.
    #[derive(Debug)]
    pub struct ListIndexes {
        /// The collection; see `find`.
        "listIndexes" => collection: CollectionOrUuid,
        /// `{batchSize: n}` or empty.
        "cursor" => cursor: Option<CursorOptions>,
        /// Changes nothing: no index is being built.
        "includeBuildUUIDs" => include_build_uuids: SafeBool = SafeBool(false),
        /// Changes nothing: no index is being built.
        "includeIndexBuildInfo" => include_index_build_info: SafeBool = SafeBool(false),
    }
}

impl Command for ListIndexes {
    const SPEC: Spec = Spec {
        api_version_1: true,
        runs_on: RunsOn::SecondaryIfAsked,
        ..Spec::new("listIndexes", "Answers which indexes a collection has.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&self.needs(db))
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let db = &context.generic.db;
        let collection = self.collection.find(db, Self::SPEC.name)?;
        let namespace = format!("{db}.{}", collection.name());
        if !collection.exists(&Sources::of(context.services)) {
            return Err(CommandError::new(
                ErrorCode::NAMESPACE_NOT_FOUND,
                format!("ns does not exist: {namespace}"),
            ));
        }
        let batch_size = self.cursor.and_then(|cursor| cursor.batch_size);
        let origin = (namespace, self.needs(db));
        answer_documents(context, collection.indexes(), batch_size, origin)
    }
}

impl ListIndexes {
    fn needs(&self, db: &DbName) -> Vec<Need> {
        self.collection.needs(db, Action::ListIndexes)
    }
}
