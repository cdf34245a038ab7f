//! `find` (MongoDB manual, "find").

use bson::RawDocumentBuf;

use super::batch::{Query, answer};
use super::options::{
    CollectionOrUuid, Hint, NonNegative, check_collation_and_hint, not_supported,
};
use super::rows::Stage;
use super::system_collection::SystemCollection;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{SafeBool, SafeInt64};
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::query::{Allowance, Filter, Projection, Sort};

arguments! {
    /// The fields of `find`.
    #[derive(Debug)]
    pub struct Find {
        /// The collection: `system.users`, `system.roles` or `system.version` of `admin`, or
        /// `system.replset` of `local`; all others are refused (115).
        "find" => collection: CollectionOrUuid,
        /// A query that documents must match.
        "filter" => filter: Option<RawDocumentBuf>,
        /// Fields to show, or to leave out.
        "projection" => projection: Option<RawDocumentBuf>,
        /// Fields to sort by; by default users and roles are sorted by name, then database.
        "sort" => sort: Option<RawDocumentBuf>,
        /// An index that exists; it changes nothing.
        "hint" => hint: Option<Hint>,
        /// Documents to pass over.
        "skip" => skip: Option<NonNegative>,
        /// Documents to answer at most; 0 for no limit.
        "limit" => limit: Option<NonNegative>,
        /// Documents in the first batch; 101 by default.
        "batchSize" => batch_size: Option<NonNegative>,
        /// Whether to answer the first batch only, without a cursor.
        "singleBatch" => single_batch: SafeBool = SafeBool(false),
        /// Only `simple`.
        "collation" => collation: Option<RawDocumentBuf>,
        /// Variables; nothing that is supported can use them.
        "let" => variables: Option<RawDocumentBuf>,
        /// Changes nothing: there is no disk to use.
        "allowDiskUse" => allow_disk_use: Option<bool>,
        /// Changes nothing: there are no shards.
        "allowPartialResults" => allow_partial_results: SafeBool = SafeBool(false),
        /// Changes nothing: an idle cursor is closed all the same.
        "noCursorTimeout" => no_cursor_timeout: SafeBool = SafeBool(false),
        /// Changes nothing.
        "oplogReplay" => oplog_replay: SafeBool = SafeBool(false),
        /// Refused when true: no collection here is capped.
        "tailable" => tailable: SafeBool = SafeBool(false),
        /// Refused when true.
        "awaitData" => await_data: SafeBool = SafeBool(false),
        /// Refused when true.
        "returnKey" => return_key: SafeBool = SafeBool(false),
        /// Refused when true.
        "showRecordId" => show_record_id: SafeBool = SafeBool(false),
        /// For servers among themselves; takes `internal` on the cluster.
        "term" => term: Option<SafeInt64>,
        /// Refused unless empty.
        "max" => max: Option<RawDocumentBuf>,
        /// Refused unless empty.
        "min" => min: Option<RawDocumentBuf>,
    }
}

impl Command for Find {
    const SPEC: Spec = Spec {
        api_version_1: true,
        runs_on: RunsOn::SecondaryIfAsked,
        read_concern: true,
        ..Spec::new("find", "Answers the documents of a collection.")
    };
    const ARGUMENTS_NAME: &'static str = "FindCommandRequest";

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&self.needs(db))
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let db = &context.generic.db;
        let collection = self.collection.find(db, Self::SPEC.name)?;
        self.check_supported(collection)?;
        let query = Query {
            collection,
            batch_size: self.batch_size.map(|NonNegative(size)| size),
            is_single_batch: self.single_batch.0,
            needs: self.needs(db),
            stages: Box::new(move || self.stages()),
        };
        answer(context, query).await
    }
}

impl Find {
    fn needs(&self, db: &DbName) -> Vec<Need> {
        let mut needs = self.collection.needs(db, Action::Find);
        needs.extend(self.term.map(|_| Need::on_cluster(Action::Internal)));
        needs
    }

    fn check_supported(&self, collection: SystemCollection) -> Result<(), CommandError> {
        if self.tailable.0 || self.await_data.0 {
            return Err(CommandError::bad_value(
                "error processing query: tailable cursor requested on non capped collection",
            ));
        }
        let is_given =
            |bound: &Option<RawDocumentBuf>| bound.as_ref().is_some_and(|bound| !bound.is_empty());
        for (name, is_asked_for) in [
            ("returnKey", self.return_key.0),
            ("showRecordId", self.show_record_id.0),
            ("max", is_given(&self.max)),
            ("min", is_given(&self.min)),
        ] {
            if is_asked_for {
                return Err(not_supported(name));
            }
        }
        check_collation_and_hint(collection, self.collation.as_ref(), self.hint.as_ref())
    }

    fn stages(&self) -> Result<Vec<Stage>, CommandError> {
        let mut allowance = Allowance::default();
        let mut stages = Vec::new();
        if let Some(filter) = &self.filter {
            stages.push(Stage::Match(Filter::parse_within(filter, &mut allowance)?));
        }
        if let Some(sort) = &self.sort {
            let sort = Sort::parse(sort)?;
            stages.extend((!sort.is_empty()).then_some(Stage::Sort(sort)));
        }
        if let Some(NonNegative(count)) = self.skip {
            stages.push(Stage::Skip(count));
        }
        if let Some(NonNegative(count @ 1..)) = self.limit {
            stages.push(Stage::Limit(count));
        }
        if let Some(projection) = &self.projection {
            let projection = Projection::parse(projection, &mut allowance)?;
            stages.push(Stage::Project(projection));
        }
        Ok(stages)
    }
}
