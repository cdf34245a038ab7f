//! `dropUser` (MongoDB manual, "dropUser").

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::{DbName, UserName};

arguments! {
    /// The fields of `dropUser`.
    #[derive(Debug)]
    pub struct DropUser {
        /// The user's name.
        "dropUser" => user: String,
    }
}

impl Command for DropUser {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "dropUser",
            "Removes a user from the database where the command runs.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_database(db, Action::DropUser)])
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let db = &context.generic.db;
        let not_found = || {
            CommandError::new(
                ErrorCode::USER_NOT_FOUND,
                format!("User '{}@{db}' not found", self.user),
            )
        };
        let name = UserName::new(&self.user, db.clone()).map_err(|_| not_found())?;
        let change = DirectoryChange::of_user(Self::SPEC.name, ChangeKind::Dropped, &name);
        let order = context.order(pass, change);
        let dropped = context
            .services
            .directory
            .drop_user(order, name.clone())
            .await;
        dropped.map_err(|error| {
            if error.is_user_not_found() {
                not_found()
            } else {
                context.services.ops_error(error)
            }
        })?;
        Ok(Reply::new())
    }
}
