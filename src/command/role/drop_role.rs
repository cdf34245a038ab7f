//! `dropRole` (MongoDB manual, "dropRole").

use super::role_name;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::DbName;

arguments! {
    /// The fields of `dropRole`.
    #[derive(Debug)]
    pub struct DropRole {
        /// The role's name.
        "dropRole" => role: String,
    }
}

impl Command for DropRole {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "dropRole",
            "Removes a role, also from every user and role that has it.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_database(db, Action::DropRole)])
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let name = role_name(&self.role, &context.generic.db)?;
        let change = DirectoryChange::of_role(Self::SPEC.name, ChangeKind::Dropped, &name);
        let order = context.order(pass, change);
        let dropped = services.directory.drop_role(order, name.clone()).await;
        dropped.map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}
