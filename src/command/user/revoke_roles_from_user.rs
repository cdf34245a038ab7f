//! `revokeRolesFromUser` (MongoDB manual, "revokeRolesFromUser").

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
    /// The fields of `revokeRolesFromUser`.
    #[derive(Debug)]
    pub struct RevokeRolesFromUser {
        /// The user's name.
        "revokeRolesFromUser" => user: String,
        /// The roles; at least one.
        "roles" => roles: Vec<RoleArgument>,
    }
}

impl Command for RevokeRolesFromUser {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new("revokeRolesFromUser", "Takes roles from a user.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&RoleArgument::needs(&self.roles, db, Action::RevokeRole))
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
            .revoke_roles_from_user(order, name.clone(), roles)
            .await;
        changed.map_err(|error| refused(context, &name, error))?;
        Ok(Reply::new())
    }
}
