//! `grantPrivilegesToRole` (MongoDB manual, "grantPrivilegesToRole").

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
    /// The fields of `grantPrivilegesToRole`.
    #[derive(Debug)]
    pub struct GrantPrivilegesToRole {
        /// The role's name.
        "grantPrivilegesToRole" => role: String,
        /// The privileges; at least one.
        "privileges" => privileges: Vec<PrivilegeArgument>,
    }
}

impl Command for GrantPrivilegesToRole {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "grantPrivilegesToRole",
            "Gives a role privileges beside those it has.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&PrivilegeArgument::needs(
            &self.privileges,
            Action::GrantRole,
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
            .grant_privileges_to_role(order, name.clone(), privileges)
            .await;
        changed.map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}
