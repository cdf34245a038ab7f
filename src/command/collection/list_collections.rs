//! `listCollections` (MongoDB manual, "listCollections").

use bson::RawDocumentBuf;

use super::batch::{answer_documents, empty};
use super::options::CursorOptions;
use super::system_collection::SystemCollection;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;
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
        ..Spec::new(
            "listCollections",
            "Answers which collections a database has: on admin those of users and roles, elsewhere none.",
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
        let filter = self.filter.as_deref().map(Filter::parse).transpose()?;
        let namespace = format!("{db}.$cmd.listCollections");
        if !db.is_admin() {
            return Ok(empty(&namespace));
        }
        let catalog = context.services.directory.catalog();
        let authority = context.authority();
        let is_shown = |collection: &SystemCollection| {
            collection.exists(catalog)
                && (!self.authorized_collections.0 || allows_any_action(&authority, *collection))
        };
        let collections = SystemCollection::ALL.into_iter().filter(is_shown);
        let documents = collections
            .map(|collection| collection.description(self.name_only.0))
            .filter(|document| {
                filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(document))
            });
        let needs = if self.is_own_only() {
            Vec::new()
        } else {
            vec![list_need(db)]
        };
        let batch_size = self.cursor.and_then(|cursor| cursor.batch_size);
        answer_documents(context, documents.collect(), batch_size, (namespace, needs))
    }
}

impl ListCollections {
    /// Whether it shows nothing that the caller could not find out anyway.
    fn is_own_only(&self) -> bool {
        self.name_only.0 && self.authorized_collections.0
    }
}

fn list_need(db: &DbName) -> Need {
    Need::on_database(db, Action::ListCollections)
}

fn allows_any_action(authority: &Authority<'_>, collection: SystemCollection) -> bool {
    let namespace = Resource::Namespace(DbName::ADMIN, collection.name().into());
    Action::ALL
        .iter()
        .any(|action| authority.allows(&namespace, *action))
}
