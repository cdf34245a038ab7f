//! `drop` (MongoDB manual, "drop").

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::collection::options::CollectionName;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;
use crate::model::transient::TransientCollection;

arguments! {
    /// The fields of `drop`.
    #[derive(Debug)]
    pub struct DropCollection {
        /// The collection: `tempusers` or `temproles` of `admin`; all others are refused (115).
        "drop" => collection: CollectionName,
        /// Changes nothing.
        "collectionUUID" => uuid: Anything,
    }
}

impl Command for DropCollection {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        api_version_1: true,
        ..Spec::new("drop", "Removes a collection.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let collection = Resource::Namespace(db.clone(), self.collection.0.as_str().into());
        authority.require(&[Need::one(Action::DropCollection, collection)])
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let CollectionName(name) = &self.collection;
        let Some(collection) = TransientCollection::find(&context.generic.db, name) else {
            return Err(CommandError::no_engine(Self::SPEC.name));
        };
        // One that is not there is dropped as well, as with mongod since 7.0.
        let services = context.services;
        let ids = services.directory.catalog().transient_ids();
        let Some(id) = ids.of(collection) else {
            return Ok(Reply::new());
        };
        let order = context.bare_order(pass);
        let dropped = services.directory.drop_transient(order, collection, id);
        dropped.await.map_err(|error| services.ops_error(error))?;
        services.transient.forget(collection, id);
        Ok(Reply::new()
            .with("nIndexesWas", 1)
            .with("ns", format!("{}.{name}", context.generic.db)))
    }
}
