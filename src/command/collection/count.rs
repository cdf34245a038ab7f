//! `count` (MongoDB manual, "count").

use bson::RawDocumentBuf;

use super::options::{CollectionOrUuid, Hint, NonNegative, check_collation_and_hint};
use super::rows::{Rows, Stage};
use super::system_collection::{Sources, config};
use crate::authz::{Authority, Denied, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeInt64};
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::query::Filter;

arguments! {
    /// The fields of `count`.
    #[derive(Debug)]
    pub struct Count {
        /// The collection; see `find`.
        "count" => collection: CollectionOrUuid,
        /// A query that documents must match.
        "query" => query: Option<RawDocumentBuf>,
        /// Documents to count at most; 0 for no limit, and the sign does not matter.
        "limit" => limit: Option<SafeInt64>,
        /// Documents to pass over.
        "skip" => skip: Option<NonNegative>,
        /// An index that exists; it changes nothing.
        "hint" => hint: Option<Hint>,
        /// Only `simple`.
        "collation" => collation: Option<RawDocumentBuf>,
        /// Changes nothing.
        "fields" => fields: Anything,
    }
}

impl Command for Count {
    const SPEC: Spec = Spec {
        api_version_1: true,
        runs_on: RunsOn::SecondaryIfAsked,
        read_concern: true,
        ..Spec::new("count", "Answers how many documents match a query.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&self.collection.needs(db, Action::Find))
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let collection = self.collection.find(&context.generic.db, Self::SPEC.name)?;
        check_collation_and_hint(collection, self.collation.as_ref(), self.hint.as_ref())?;
        let skip = self.skip.map_or(0, |NonNegative(skip)| skip);
        let limit = self
            .limit
            .map_or(0, |SafeInt64(limit)| limit.unsigned_abs());
        let limit = if limit == 0 { u64::MAX } else { limit };
        let count = match self.query.filter(|query| !query.is_empty()) {
            None => {
                let count = collection.count(&Sources::of(context.services));
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                i64::try_from(count.saturating_sub(skip).min(limit)).unwrap_or(i64::MAX)
            }
            Some(query) => {
                let config = config(context.services);
                let scan = context.services.scan(move |catalog, interrupt| {
                    let filter = Filter::parse(&query)?;
                    let stages = vec![Stage::Match(filter), Stage::Skip(skip), Stage::Limit(limit)];
                    let documents = collection.documents(&Sources { catalog, config });
                    Rows::through(documents, stages, interrupt)?.count(interrupt)
                });
                scan.await??
            }
        };
        Ok(match i32::try_from(count) {
            Ok(count) => Reply::new().with("n", count),
            Err(_) => Reply::new().with("n", count),
        })
    }
}
