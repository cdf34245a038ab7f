//! `grantRolesToUser` (MongoDB manual, "grantRolesToUser").

use super::grants::{refused, user_and_roles};
use crate::authz::{Authority, Denied, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::names::RoleArgument;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::DbName;

arguments! {
    /// The fields of `grantRolesToUser`.
    #[derive(Debug)]
    pub struct GrantRolesToUser {
        /// The user's name.
        "grantRolesToUser" => user: String,
        /// The roles; at least one.
        "roles" => roles: Vec<RoleArgument>,
    }
}

impl Command for GrantRolesToUser {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "grantRolesToUser",
            "Gives a user roles beside those it has.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&RoleArgument::needs(&self.roles, db, Action::GrantRole))
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let (name, roles) = user_and_roles(context, Self::SPEC.name, &self.user, &self.roles)?;
        let change = DirectoryChange {
            roles: Some(roles.clone().into()),
            ..DirectoryChange::of_user(Self::SPEC.name, ChangeKind::Updated, &name)
        };
        let order = context.order(pass, change);
        let changed = context
            .services
            .directory
            .grant_roles_to_user(order, name.clone(), roles)
            .await;
        changed.map_err(|error| refused(context, &name, error))?;
        Ok(Reply::new())
    }
}
