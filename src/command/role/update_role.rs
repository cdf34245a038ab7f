//! `updateRole` (MongoDB manual, "updateRole").

use super::role_name;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::RoleUpdate;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::names::RoleArgument;
use crate::command::privileges::PrivilegeArgument;
use crate::command::reply::Reply;
use crate::command::restrictions::RestrictionArgument;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::DbName;
use crate::model::resource::Resource;

arguments! {
    /// The fields of `updateRole`; each one given replaces what was there.
    #[derive(Debug)]
    pub struct UpdateRole {
        /// The role's name.
        "updateRole" => role: String,
        /// The new privileges, in place of all old ones.
        "privileges" => privileges: Option<Vec<PrivilegeArgument>>,
        /// The roles it includes from now on.
        "roles" => roles: Option<Vec<RoleArgument>>,
        /// New restrictions; an empty array takes them away.
        "authenticationRestrictions" => restrictions: Option<Vec<RestrictionArgument>>,
    }
}

impl Command for UpdateRole {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new("updateRole", "Replaces the given fields of a role.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let mut needs = vec![Need::one(Action::RevokeRole, Resource::AnyNormal)];
        let roles = self.roles.as_deref().unwrap_or_default();
        needs.extend(RoleArgument::needs(roles, db, Action::GrantRole));
        let privileges = self.privileges.as_deref().unwrap_or_default();
        needs.extend(PrivilegeArgument::needs(privileges, Action::GrantRole));
        if self.restrictions.is_some() {
            needs.push(Need::on_database(db, Action::SetAuthenticationRestriction));
        }
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        if self.privileges.is_none() && self.roles.is_none() && self.restrictions.is_none() {
            return Err(CommandError::bad_value(
                "Must specify at least one field to update in updateRole",
            ));
        }
        let privileges = self
            .privileges
            .as_deref()
            .map(PrivilegeArgument::resolve_all);
        let privileges = privileges.transpose()?;
        let name = role_name(&self.role, &db)?;
        let roles = self
            .roles
            .as_deref()
            .map(|roles| RoleArgument::resolve_all(roles, &db));
        let entries = self
            .restrictions
            .as_deref()
            .map(RestrictionArgument::resolve_all);
        let update = RoleUpdate {
            privileges,
            roles: roles.transpose()?,
            restrictions: entries.transpose()?,
        };
        let change = DirectoryChange {
            roles: update.roles.clone().map(Vec::into_boxed_slice),
            privileges: update.privileges.clone().map(Vec::into_boxed_slice),
            restrictions: update.restrictions.clone(),
            ..DirectoryChange::of_role(Self::SPEC.name, ChangeKind::Updated, &name)
        };
        let order = context.order(pass, change);
        let updated = services
            .directory
            .update_role(order, name.clone(), update)
            .await;
        updated.map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}
