//! `_mergeAuthzCollections`, by which mongorestore brings users and roles back.

use std::sync::{Arc, OnceLock};

use bson::RawBsonRef;
use compact_str::CompactString;

use super::stored_documents::{self, Read};
use super::transient::Document;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::{Dump, Dumped, LeftOut};
use crate::command::arguments::{FromField, Path, arguments};
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::resource::Resource;
use crate::model::role::Role;
use crate::model::transient::{TransientCollection, TransientIds};
use crate::model::user::User;
use crate::telemetry::events;

arguments! {
    /// The fields of `_mergeAuthzCollections`.
    #[derive(Debug)]
    pub struct MergeAuthzCollections {
        /// Any value.
        "_mergeAuthzCollections" => value: Anything,
        /// `admin.tempusers`; empty leaves users as they are.
        "tempUsersCollection" => users: CollectionArgument = CollectionArgument(None),
        /// `admin.temproles`; empty leaves roles as they are.
        "tempRolesCollection" => roles: CollectionArgument = CollectionArgument(None),
        /// The database whose users and roles are meant; empty for those of all.
        "db" => db: String,
        /// Whether users and roles that exist are replaced, and those that are not in the collections
        /// removed; else only new ones come in.
        "drop" => drop: bool = false,
    }
}

/// A collection with its database, or an empty string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionArgument(Option<(DbName, CompactString)>);

impl FromField for CollectionArgument {
    const TYPES: &'static [&'static str] = &["string"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let Some(text) = value.as_str() else {
            return Ok(None);
        };
        if text.is_empty() {
            return Ok(Some(Self(None)));
        }
        let parts = text.split_once('.').and_then(|(db, collection)| {
            let is_name = !collection.is_empty()
                && !collection.starts_with('.')
                && !collection.contains('\0');
            let db = DbName::parse(db).ok()?;
            is_name.then(|| (db, collection.into()))
        });
        match parts {
            Some(parts) => Ok(Some(Self(Some(parts)))),
            None => Err(CommandError::new(
                ErrorCode::INVALID_NAMESPACE,
                format!("Invalid namespace specified '{text}'"),
            )),
        }
    }
}

impl Command for MergeAuthzCollections {
    const SPEC: Spec = Spec {
        admin_only: true,
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "_mergeAuthzCollections",
            "Brings users and roles of a dump in, for mongorestore. What cannot be brought in is \
             left out and logged.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        let mut actions = vec![
            Action::CreateUser,
            Action::CreateRole,
            Action::GrantRole,
            Action::RevokeRole,
        ];
        if self.drop {
            actions.extend([Action::DropUser, Action::DropRole]);
        }
        let read = [&self.users, &self.roles].into_iter().filter_map(|read| {
            let (db, collection) = read.0.clone()?;
            Some(Need::one(Action::Find, Resource::Namespace(db, collection)))
        });
        let change = actions.into_iter();
        let change = change.map(|action| Need::one(action, Resource::AnyNormal));
        authority.require(&change.chain(read).collect::<Vec<_>>())
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        if self.users.0.is_none() && self.roles.0.is_none() {
            // The spelling is the server's.
            return Err(CommandError::bad_value(
                "Must provide at least one of \"tempUsersCollection\" and \"tempRolescollection\"",
            ));
        }
        let db = match self.db.as_str() {
            "" => None,
            name => Some(DbName::parse(name).map_err(|_| {
                let text = format!("Invalid database name: '{name}'");
                CommandError::new(ErrorCode::INVALID_NAMESPACE, text)
            })?),
        };
        let services = context.services;
        let mut read_from = TransientIds::default();
        let users = self.users.documents(context, &mut read_from)?;
        let roles = self.roles.documents(context, &mut read_from)?;
        let read = services.scan(move |_, _| {
            let users = users.map(|documents| stored_documents::read::<UserName, User>(&documents));
            let roles = roles.map(|documents| stored_documents::read::<RoleName, Role>(&documents));
            (users, roles)
        });
        let (users, roles) = read.await?;
        let client = context.connection.client();
        let dump = Dump {
            users: users.map(|read| without_left_out(read, client)),
            roles: roles.map(|read| without_left_out(read, client)),
            db,
            replaces: self.drop,
            read_from,
        };
        let merged = Arc::new(OnceLock::new());
        let order = context.order_of_merge(pass, &merged);
        let done = services.directory.merge(order, dump, merged).await;
        done.map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}

impl CollectionArgument {
    /// The documents of the collection, whose id is noted; `None` if none is named.
    ///
    /// # Errors
    /// 2 if there is no such collection: with `drop`, an empty one would remove everybody. 96 if its
    /// documents are not here, 146 if only a part is.
    fn documents(
        &self,
        context: &Context<'_>,
        read_from: &mut TransientIds,
    ) -> Result<Option<Vec<Document>>, CommandError> {
        let Some((db, name)) = &self.0 else {
            return Ok(None);
        };
        let missing = || CommandError::bad_value(format!("Collection {db}.{name} does not exist"));
        let collection = TransientCollection::find(db, name).ok_or_else(missing)?;
        let services = context.services;
        let catalog = services.directory.catalog();
        let (id, documents) = services
            .transient
            .documents(collection, catalog)?
            .ok_or_else(missing)?;
        *read_from = read_from.with(collection, Some(id));
        Ok(Some(documents))
    }
}

/// Logs what could not be read.
fn without_left_out<N, T>(read: Read<N, T>, client: events::Client) -> Dumped<N, T> {
    for LeftOut { what, reason } in &read.left_out {
        events::not_restored(what, reason, client);
    }
    read.dumped
}
