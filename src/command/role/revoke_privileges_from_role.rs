//! `revokePrivilegesFromRole` (MongoDB manual, "revokePrivilegesFromRole").

use super::{changed_role_name, refuse_built_in};
use crate::authz::{Authority, Denied, Pass};
use crate::command::arguments::{arguments, non_empty};
use crate::command::context::Context;
use crate::command::privileges::PrivilegeArgument;
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::DbName;

arguments! {
    /// The fields of `revokePrivilegesFromRole`.
    #[derive(Debug)]
    pub struct RevokePrivilegesFromRole {
        /// The role's name.
        "revokePrivilegesFromRole" => role: String,
        /// The privileges; at least one.
        "privileges" => privileges: Vec<PrivilegeArgument>,
    }
}

impl Command for RevokePrivilegesFromRole {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "revokePrivilegesFromRole",
            "Takes actions from privileges of a role.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&PrivilegeArgument::needs(
            &self.privileges,
            Action::RevokeRole,
        ))
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        non_empty(&self.privileges, Self::SPEC.name, "privileges")?;
        let name = changed_role_name(&self.role, &context.generic.db)?;
        refuse_built_in(&name)?;
        let privileges = PrivilegeArgument::resolve_all(&self.privileges)?;
        let change = DirectoryChange {
            privileges: Some(privileges.clone().into()),
            ..DirectoryChange::of_role(Self::SPEC.name, ChangeKind::Updated, &name)
        };
        let order = context.order(pass, change);
        let changed = services
            .directory
            .revoke_privileges_from_role(order, name.clone(), privileges)
            .await;
        changed.map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}
