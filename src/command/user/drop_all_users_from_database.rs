//! `dropAllUsersFromDatabase` (MongoDB manual, "dropAllUsersFromDatabase").

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange, Subject};
use crate::model::names::DbName;

arguments! {
    /// The fields of `dropAllUsersFromDatabase`.
    #[derive(Debug)]
    pub struct DropAllUsersFromDatabase {
        /// Any value.
        "dropAllUsersFromDatabase" => value: Anything,
    }
}

impl Command for DropAllUsersFromDatabase {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "dropAllUsersFromDatabase",
            "Removes all users of the database where the command runs; answers how many.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_database(db, Action::DropUser)])
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        let subject = Subject::AllUsersOf(db.clone());
        let change = DirectoryChange::new(Self::SPEC.name, ChangeKind::Dropped, subject);
        let order = context.order(pass, change);
        let dropped = services
            .directory
            .drop_all_users_from_database(order, db)
            .await;
        let count = dropped.map_err(|error| services.ops_error(error))?.value;
        Ok(Reply::new().with("n", i32::try_from(count).unwrap_or(i32::MAX)))
    }
}
