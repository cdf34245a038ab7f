//! `grantRolesToRole` (MongoDB manual, "grantRolesToRole").

use super::{changed_role_name, refuse_built_in};
use crate::authz::{Authority, Denied, Pass};
use crate::command::arguments::{arguments, non_empty};
use crate::command::context::Context;
use crate::command::names::RoleArgument;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::DbName;

arguments! {
    /// The fields of `grantRolesToRole`.
    #[derive(Debug)]
    pub struct GrantRolesToRole {
        /// The role's name.
        "grantRolesToRole" => role: String,
        /// The roles; at least one.
        "roles" => roles: Vec<RoleArgument>,
    }
}

impl Command for GrantRolesToRole {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new("grantRolesToRole", "Lets a role include further roles.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        authority.require(&RoleArgument::needs(&self.roles, db, Action::GrantRole))
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = &context.generic.db;
        non_empty(&self.roles, Self::SPEC.name, "roles")?;
        let name = changed_role_name(&self.role, db)?;
        refuse_built_in(&name)?;
        let roles = RoleArgument::resolve_all(&self.roles, db)?;
        let change = DirectoryChange {
            roles: Some(roles.clone().into()),
            ..DirectoryChange::of_role(Self::SPEC.name, ChangeKind::Updated, &name)
        };
        let order = context.order(pass, change);
        let changed = services
            .directory
            .grant_roles_to_role(order, name.clone(), roles)
            .await;
        changed.map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}
