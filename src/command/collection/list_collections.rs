//! `listCollections` (MongoDB manual, "listCollections").

use bson::RawDocumentBuf;

use super::batch::answer_documents;
use super::options::CursorOptions;
use super::system_collection::{Sources, SystemCollection};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;
use crate::model::transient::TransientCollection;
use crate::query::Filter;

arguments! {
    /// The fields of `listCollections`.
    #[derive(Debug)]
    pub struct ListCollections {
        /// Any value.
        "listCollections" => value: Anything,
        /// Whether to show only names and types.
        "nameOnly" => name_only: SafeBool = SafeBool(false),
        /// Whether to show only collections on which the caller may do something; with `nameOnly` that
        /// takes no more than a privilege on anything in the database.
        "authorizedCollections" => authorized_collections: SafeBool = SafeBool(false),
        /// A query that collections must match.
        "filter" => filter: Option<RawDocumentBuf>,
        /// `{batchSize: n}` or empty.
        "cursor" => cursor: Option<CursorOptions>,
        /// Changes nothing.
        "includePendingDrops" => include_pending_drops: SafeBool = SafeBool(false),
    }
}

impl Command for ListCollections {
    const SPEC: Spec = Spec {
        api_version_1: true,
        runs_on: RunsOn::SecondaryIfAsked,
        ..Spec::new(
            "listCollections",
            "Answers which collections a database has: on admin those of users and roles and what is being restored, on local of a member the configuration of its set, elsewhere none.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        if self.is_own_only() && authority.allows_any_action_in(db) {
            authority.require_sign_in()
        } else {
            authority.require(&[list_need(db)])
        }
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let db = &context.generic.db;
        let namespace = format!("{db}.$cmd.listCollections");
        let documents = self.collections(context);
        let needs = if self.is_own_only() {
            Vec::new()
        } else {
            vec![list_need(db)]
        };
        let batch_size = self.cursor.and_then(|cursor| cursor.batch_size);
        let documents = matching(context, documents, self.filter).await?;
        answer_documents(context, documents, batch_size, (namespace, needs))
    }
}

impl ListCollections {
    /// What there is on the database, as far as it is to be shown.
    fn collections(&self, context: &Context<'_>) -> Vec<RawDocumentBuf> {
        let db = &context.generic.db;
        let sources = Sources::of(context.services);
        let authority = context.authority();
        let is_shown =
            |name: &str| !self.authorized_collections.0 || allows_any_action(&authority, db, name);
        let collections = SystemCollection::ALL.into_iter().filter(|collection| {
            collection.is_on(db) && collection.exists(&sources) && is_shown(collection.name())
        });
        let begun = sources.catalog.transient_ids();
        let transient = TransientCollection::ALL.into_iter().filter(|collection| {
            db.is_admin() && begun.of(*collection).is_some() && is_shown(collection.name())
        });
        let documents = collections
            .map(|collection| collection.description(self.name_only.0))
            .chain(transient.map(|collection| collection.description(self.name_only.0)));
        documents.collect()
    }

    /// Whether it shows nothing that the caller could not find out anyway.
    fn is_own_only(&self) -> bool {
        self.name_only.0 && self.authorized_collections.0
    }
}

/// Those that match. A filter is read aside: what it is made of may take long to prepare.
async fn matching(
    context: &Context<'_>,
    mut documents: Vec<RawDocumentBuf>,
    filter: Option<RawDocumentBuf>,
) -> Result<Vec<RawDocumentBuf>, CommandError> {
    let Some(filter) = filter else {
        return Ok(documents);
    };
    let scan = context.services.scan(move |_, _| {
        let filter = Filter::parse(&filter)?;
        documents.retain(|document| filter.matches(document));
        Ok(documents)
    });
    scan.await?
}

fn list_need(db: &DbName) -> Need {
    Need::on_database(db, Action::ListCollections)
}

fn allows_any_action(authority: &Authority<'_>, db: &DbName, collection: &str) -> bool {
    let namespace = Resource::Namespace(db.clone(), collection.into());
    Action::ALL
        .iter()
        .any(|action| authority.allows(&namespace, *action))
}
