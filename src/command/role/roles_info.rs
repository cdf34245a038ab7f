//! `rolesInfo` (MongoDB manual, "rolesInfo").

use std::collections::HashSet;

use bson::{RawArrayBuf, RawBsonRef};

use super::roles_info_shape::{Shape, built_in, stored, user_fragment};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::{Catalog, builtin};
use crate::command::arguments::{FromField, Path, arguments};
use crate::command::context::Context;
use crate::command::field_types::{SafeBool, number};
use crate::command::names::RoleArgument;
use crate::command::reply::{BoundedArray, Reply};
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::{DbName, RoleName};

arguments! {
    /// The fields of `rolesInfo`.
    #[derive(Debug)]
    pub struct RolesInfo {
        /// `1`: all roles of the database. A name, `{role, db}` or an array of them: these roles.
        "rolesInfo" => target: Target,
        /// Whether to show privileges; `"asUserFragment"`: as a user with these roles would have them.
        "showPrivileges" => show_privileges: ShowPrivileges = ShowPrivileges::No,
        /// With `1`: whether built-in roles are listed too.
        "showBuiltinRoles" => show_builtin_roles: SafeBool = SafeBool(false),
        /// Whether to show restrictions.
        "showAuthenticationRestrictions" => show_restrictions: SafeBool = SafeBool(false),
    }
}

/// Which roles are asked for.
#[derive(Debug)]
pub enum Target {
    /// Those of the command's database.
    Database,
    /// These.
    Exact(Vec<RoleArgument>),
}

impl FromField for Target {
    const TYPES: &'static [&'static str] = &[
        "long", "int", "decimal", "double", "string", "object", "array",
    ];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::Array(_) => Ok(Vec::from_field(value, path)?.map(Self::Exact)),
            other if number(other) == Some(1.0) => Ok(Some(Self::Database)),
            other => Ok(RoleArgument::from_field(other, path)?.map(|role| Self::Exact(vec![role]))),
        }
    }
}

/// Whether and how privileges are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowPrivileges {
    /// Not at all.
    No,
    /// With each role.
    Yes,
    /// For all roles together, as for a user.
    AsUserFragment,
}

impl FromField for ShowPrivileges {
    const TYPES: &'static [&'static str] = &["bool", "long", "int", "decimal", "double", "string"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String("asUserFragment") => Ok(Some(Self::AsUserFragment)),
            RawBsonRef::String(other) => Err(CommandError::new(
                ErrorCode::FAILED_TO_PARSE,
                format!(
                    "Failed to parse 'showPrivileges'. 'asUserFragment' is the only string it takes, found '{other}'"
                ),
            )),
            other => Ok(SafeBool::from_field(other, path)?
                .map(|shown| if shown.0 { Self::Yes } else { Self::No })),
        }
    }
}

impl Command for RolesInfo {
    const SPEC: Spec = Spec {
        runs_on: RunsOn::SecondaryIfAsked,
        ..Spec::new("rolesInfo", "Answers what is known about roles.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let needs = match &self.target {
            Target::Database => vec![Need::on_database(db, Action::ViewRole)],
            Target::Exact(roles) => {
                let held: HashSet<&RoleName> = authority.direct_roles().iter().collect();
                let is_held =
                    |role: &RoleArgument| role.resolve(db).is_ok_and(|role| held.contains(&role));
                let foreign: Vec<_> = roles
                    .iter()
                    .filter(|role| !is_held(role))
                    .cloned()
                    .collect();
                RoleArgument::needs(&foreign, db, Action::ViewRole)
            }
        };
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        let shape = Shape {
            privileges: self.show_privileges == ShowPrivileges::Yes,
            restrictions: self.show_restrictions.0,
        };
        let with_builtin = self.show_builtin_roles.0;
        let roles = match self.target {
            Target::Database if self.show_privileges == ShowPrivileges::AsUserFragment => {
                return Err(CommandError::new(
                    ErrorCode::ILLEGAL_OPERATION,
                    "Cannot get user fragment for all roles in a database",
                ));
            }
            Target::Database => {
                services
                    .scan(move |catalog, _| {
                        catalog.read_whole(|| of_database(&db, shape, with_builtin, catalog))
                    })
                    .await?
            }
            Target::Exact(roles) => {
                // Names that cannot be roles are skipped like roles that are not there.
                let mut names: Vec<_> = roles.iter().flat_map(|role| role.resolve(&db)).collect();
                let mut seen = HashSet::with_capacity(names.len());
                names.retain(|name| seen.insert(name.clone()));
                if self.show_privileges == ShowPrivileges::AsUserFragment {
                    let fragment = services.scan(move |catalog, _| {
                        catalog.read_whole(|| user_fragment(&names, catalog))
                    });
                    return Ok(Reply::new().with("userFragment", fragment.await?));
                }
                services
                    .scan(move |catalog, _| catalog.read_whole(|| named(&names, shape, catalog)))
                    .await?
            }
        };
        Ok(Reply::new().with("roles", roles?))
    }
}

fn of_database(
    db: &DbName,
    shape: Shape,
    with_builtin: bool,
    catalog: &Catalog,
) -> Result<RawArrayBuf, CommandError> {
    let mut array = BoundedArray::default();
    if with_builtin {
        for name in builtin::names_on(db) {
            array.push(&built_in(&name, shape, true))?;
        }
    }
    for role in catalog.roles_on(db) {
        array.push(&stored(&role, shape, true, catalog))?;
    }
    Ok(array.into_array())
}

fn named(names: &[RoleName], shape: Shape, catalog: &Catalog) -> Result<RawArrayBuf, CommandError> {
    let mut array = BoundedArray::default();
    for name in names {
        if builtin::is_builtin(name) {
            array.push(&built_in(name, shape, false))?;
        } else if let Some(role) = catalog.role(name) {
            array.push(&stored(&role, shape, false, catalog))?;
        }
    }
    Ok(array.into_array())
}
