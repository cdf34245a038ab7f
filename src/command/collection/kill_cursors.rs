//! `killCursors` (MongoDB manual, "killCursors").

use bson::RawArrayBuf;

use super::batch::owner;
use super::cursors::Origin;
use super::options::{CollectionName, CursorId};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::execute::refuse;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

arguments! {
    /// The fields of `killCursors`.
    #[derive(Debug)]
    pub struct KillCursors {
        /// The collection.
        "killCursors" => collection: CollectionName,
        /// The ids of the cursors. Others' take `killAnyCursor` on the cluster or the collection.
        "cursors" => cursors: Vec<CursorId>,
    }
}

impl Command for KillCursors {
    const SPEC: Spec = Spec {
        api_version_1: true,
        ..Spec::new("killCursors", "Closes cursors.")
    };

    /// Whose the cursors are is known only later.
    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require_sign_in()
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let cursors = &context.services.cursors;
        for CursorId(id) in &self.cursors {
            if let Some(origin) = cursors.origin(*id) {
                check(&origin, context).map_err(|denied| refuse(&denied, &Self::SPEC, context))?;
            }
        }
        let (mut killed, mut not_found) = (RawArrayBuf::new(), RawArrayBuf::new());
        for CursorId(id) in self.cursors {
            if cursors.kill(id) {
                killed.push(id);
            } else {
                not_found.push(id);
            }
        }
        Ok(Reply::new()
            .with("cursorsKilled", killed)
            .with("cursorsNotFound", not_found)
            .with("cursorsAlive", RawArrayBuf::new())
            .with("cursorsUnknown", RawArrayBuf::new()))
    }
}

/// One's own cursors can always be closed.
fn check(origin: &Origin, context: &Context<'_>) -> Result<(), Denied> {
    let authority = context.authority();
    let may_kill_any = |resource: &Resource| authority.allows(resource, Action::KillAnyCursor);
    let is_owner = origin.owner.is_some() && origin.owner == owner(context);
    if is_owner
        || may_kill_any(&Resource::Cluster)
        || resource(origin).is_some_and(|r| may_kill_any(&r))
    {
        return Ok(());
    }
    let need = Need::on_cluster(Action::KillAnyCursor);
    authority.require(&[need]).map(drop)
}

/// The collection, or the database for a list of collections.
fn resource(origin: &Origin) -> Option<Resource> {
    let (db, collection) = origin.namespace.split_once('.')?;
    let db = DbName::parse(db).ok()?;
    Some(match collection {
        "$cmd.listCollections" => Resource::Database(db),
        name => Resource::Namespace(db, name.into()),
    })
}
