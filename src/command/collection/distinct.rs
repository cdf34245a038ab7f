//! `distinct` (MongoDB manual, "distinct").

use bson::RawDocumentBuf;

use super::options::{CollectionOrUuid, Hint, check_collation_and_hint};
use super::rows::{Rows, Stage};
use super::system_collection::{Sources, config};
use crate::authz::{Authority, Denied, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::query::{Distinct as DistinctValues, Filter};

arguments! {
    /// The fields of `distinct`.
    #[derive(Debug)]
    pub struct Distinct {
        /// The collection; see `find`.
        "distinct" => collection: CollectionOrUuid,
        /// The field, or a dotted path.
        "key" => key: String,
        /// A query that documents must match.
        "query" => query: Option<RawDocumentBuf>,
        /// An index that exists; it changes nothing.
        "hint" => hint: Option<Hint>,
        /// Only `simple`.
        "collation" => collation: Option<RawDocumentBuf>,
    }
}

impl Command for Distinct {
    const SPEC: Spec = Spec {
        runs_on: RunsOn::SecondaryIfAsked,
        read_concern: true,
        ..Spec::new("distinct", "Answers the different values of a field.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&self.collection.needs(db, Action::Find))
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let collection = self.collection.find(&context.generic.db, Self::SPEC.name)?;
        check_collation_and_hint(collection, self.collation.as_ref(), self.hint.as_ref())?;
        let mut distinct = DistinctValues::new(&self.key)?;
        let config = config(context.services);
        let scan = context.services.scan(move |catalog, interrupt| {
            let documents = collection.documents(&Sources { catalog, config });
            let filter = self.query.as_deref().map(Filter::parse).transpose()?;
            let stages = filter.into_iter().map(Stage::Match).collect();
            let mut rows = Rows::through(documents, stages, interrupt)?;
            while let Some(document) = rows.next(interrupt)? {
                distinct.add(&document)?;
            }
            Ok::<_, CommandError>(distinct.into_values())
        });
        Ok(Reply::new().with("values", scan.await??))
    }
}
