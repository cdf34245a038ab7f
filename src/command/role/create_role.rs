//! `createRole` (MongoDB manual, "createRole").

use crate::authz::{Authority, Denied, Need, Pass};
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
use crate::model::names::{DbName, RoleName};
use crate::model::role::Role;

arguments! {
    /// The fields of `createRole`.
    #[derive(Debug)]
    pub struct CreateRole {
        /// The new role's name.
        "createRole" => role: String,
        /// What holders of the role may do; may be empty.
        "privileges" => privileges: Vec<PrivilegeArgument>,
        /// Roles it includes; may be empty.
        "roles" => roles: Vec<RoleArgument>,
        /// Where holders of the role may sign in from and to.
        "authenticationRestrictions" => restrictions: Option<Vec<RestrictionArgument>>,
    }
}

impl Command for CreateRole {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "createRole",
            "Creates a role on the database where the command runs.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let mut needs = vec![Need::on_database(db, Action::CreateRole)];
        needs.extend(RoleArgument::needs(&self.roles, db, Action::GrantRole));
        needs.extend(PrivilegeArgument::needs(
            &self.privileges,
            Action::GrantRole,
        ));
        if self.restrictions.is_some() {
            needs.push(Need::on_database(db, Action::SetAuthenticationRestriction));
        }
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        let bad = |text: &str| CommandError::bad_value(text);
        let name = RoleName::new(&self.role, db.clone())
            .map_err(|_| bad("Role name must be non-empty"))?;
        if self.role.contains('\0') {
            return Err(bad("Role name cannot contain NULL characters"));
        }
        if db.is_local() {
            return Err(bad("Cannot create roles in the local database"));
        }
        if db.is_external() {
            return Err(bad("Cannot create roles in the $external database"));
        }
        if crate::catalog::builtin::is_builtin(&name) {
            return Err(bad(
                "Cannot create roles with the same name as a built-in role",
            ));
        }
        let privileges = PrivilegeArgument::resolve_all(&self.privileges)?;
        let roles = RoleArgument::resolve_all(&self.roles, &db)?;
        let entries = self.restrictions.unwrap_or_default();
        let role = Role {
            name: name.clone(),
            privileges: privileges.into(),
            roles: roles.into(),
            restrictions: RestrictionArgument::resolve_all(&entries)?,
            milvus_grants: [].into(),
            milvus_description: "".into(),
        };
        let change = DirectoryChange {
            roles: Some(role.roles.clone()),
            privileges: Some(role.privileges.clone()),
            restrictions: Some(role.restrictions.clone()).filter(|it| !it.is_empty()),
            ..DirectoryChange::of_role(Self::SPEC.name, ChangeKind::Created, &name)
        };
        let order = context.order(pass, change);
        services
            .directory
            .create_role(order, role)
            .await
            .map_err(|error| services.ops_error(error))?;
        Ok(Reply::new())
    }
}
