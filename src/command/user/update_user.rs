//! `updateUser` (MongoDB manual, "updateUser").

use bson::RawDocumentBuf;

use super::credentials::{NewPassword, PasswordRequest};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::{CredentialsUpdate, PlanError, UserUpdate, View};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::execute::until;
use crate::command::field_types::SafeBool;
use crate::command::names::RoleArgument;
use crate::command::reply::Reply;
use crate::command::restrictions::RestrictionArgument;
use crate::command::services::Services;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::{DbName, UserName};
use crate::model::resource::Resource;
use crate::model::user::Credentials;
use crate::ops::OpsError;
use crate::secret::Secret;

arguments! {
    /// The fields of `updateUser`; each one given replaces what was there.
    #[derive(Debug)]
    pub struct UpdateUser {
        /// The user's name.
        "updateUser" => user: String,
        /// A new password; replaces all credentials.
        "pwd" => password: Option<Secret<String>>,
        /// A new document of the administrator's.
        "customData" => custom_data: Option<RawDocumentBuf>,
        /// The new roles, in place of all old ones.
        "roles" => roles: Option<Vec<RoleArgument>>,
        /// Whether the server digests the password; `false` only with SCRAM-SHA-1 alone.
        "digestPassword" => digest_password: SafeBool = SafeBool(true),
        /// New restrictions; an empty array takes them away.
        "authenticationRestrictions" => restrictions: Option<Vec<RestrictionArgument>>,
        /// With `pwd`: the mechanisms of the new password. Without: the ones to keep.
        "mechanisms" => mechanisms: Option<Vec<String>>,
    }
}

impl Command for UpdateUser {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new("updateUser", "Replaces the given fields of a user.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let is_self =
            UserName::new(&self.user, db.clone()).is_ok_and(|name| authority.is_user(&name));
        // A user without the right to change itself may have the right to change anybody.
        let own_or_any = |own: Action, any: Action| {
            let own = Need::on_database(db, own);
            if is_self && authority.require(std::slice::from_ref(&own)).is_ok() {
                own
            } else {
                Need::on_database(db, any)
            }
        };
        let mut needs = Vec::new();
        if self.password.is_some() || self.mechanisms.is_some() {
            needs.push(own_or_any(
                Action::ChangeOwnPassword,
                Action::ChangePassword,
            ));
        }
        if self.custom_data.is_some() {
            needs.push(own_or_any(
                Action::ChangeOwnCustomData,
                Action::ChangeCustomData,
            ));
        }
        if let Some(roles) = &self.roles {
            needs.push(Need::one(Action::RevokeRole, Resource::AnyNormal));
            needs.extend(RoleArgument::needs(roles, db, Action::GrantRole));
        }
        if self.restrictions.is_some() {
            needs.push(Need::on_database(db, Action::SetAuthenticationRestriction));
        }
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        self.check(&db)?;
        let new_password = match self.password {
            None => None,
            Some(password) => {
                let request = PasswordRequest {
                    user: &self.user,
                    password,
                    digest: self.digest_password.0,
                    mechanisms: self.mechanisms.as_deref(),
                    is_of_milvus: is_of_milvus(services, &self.user, &db),
                };
                Some(NewPassword::check(request, &services.parameters)?)
            }
        };
        let roles = self
            .roles
            .as_deref()
            .map(|roles| RoleArgument::resolve_all(roles, &db));
        let entries = self
            .restrictions
            .as_deref()
            .map(RestrictionArgument::resolve_all);
        let mut update = UserUpdate {
            credentials: match (&new_password, self.mechanisms) {
                // Stands for the keys until they are derived.
                (Some(_), _) => CredentialsUpdate::Replace(Credentials::External),
                (None, Some(mechanisms)) => CredentialsUpdate::Trim(mechanisms),
                (None, None) => CredentialsUpdate::Keep,
            },
            roles: roles.transpose()?,
            custom_data: self.custom_data.map(Box::new),
            restrictions: entries.transpose()?,
        };
        let is_trim = matches!(update.credentials, CredentialsUpdate::Trim(_));
        let refused = |error: OpsError| {
            if error.is_user_not_found() {
                not_found(&self.user, &db, is_trim)
            } else {
                services.ops_error(error)
            }
        };
        let Ok(name) = UserName::new(&self.user, db.clone()) else {
            return Err(refuse_nobody(&update, services)
                .unwrap_or_else(|| not_found(&self.user, &db, is_trim)));
        };
        // Asked again when the change is planned; asking first spares useless hashing.
        let change = change(&name, &update, new_password.is_some());
        if let Err(error) = services.directory.check_update_user(&name, update.clone()) {
            return Err(context.refused(&change, refused(error)).await);
        }
        if let Some(new_password) = new_password {
            let derived = new_password.derive(&services.parameters, context.hash_share());
            // Nothing is written yet.
            let credentials = until(context.deadline, derived).await??;
            update.credentials = CredentialsUpdate::Replace(credentials);
        }
        let order = context.order(pass, change);
        let updated = services.directory.update_user(order, name, update);
        updated.await.map_err(refused)?;
        Ok(Reply::new())
    }
}

impl UpdateUser {
    /// What can be said without looking at mechanisms, in mongod's order.
    fn check(&self, db: &DbName) -> Result<(), CommandError> {
        let bad = |text: &str| Err(CommandError::bad_value(text));
        if self.mechanisms.as_ref().is_some_and(Vec::is_empty) {
            return bad("mechanisms field must not be empty");
        }
        if self.password.is_some() && db.is_external() {
            return bad("Cannot set the password for users defined on the '$external' database");
        }
        Ok(())
    }
}

/// Also where Milvus clients are not served by this very member: nobody is to be locked out elsewhere.
fn is_of_milvus(services: &Services, user: &str, db: &DbName) -> bool {
    let has_hash = || {
        let name = UserName::new(user, db.clone()).ok()?;
        let user = services.directory.catalog().user(&name)?;
        user.credentials.plain().map(drop)
    };
    let is_there = *db == services.config.milvus_database;
    services.has_milvus_clients(db) || is_there && has_hash().is_some()
}

fn change(name: &UserName, update: &UserUpdate, password_changed: bool) -> DirectoryChange {
    DirectoryChange {
        password_changed: Some(password_changed),
        custom_data: update.custom_data.clone(),
        roles: update.roles.clone().map(Vec::into_boxed_slice),
        restrictions: update.restrictions.clone(),
        ..DirectoryChange::of_user(UpdateUser::SPEC.name, ChangeKind::Updated, name)
    }
}

/// What is wrong besides with an update of a user that cannot be, if it would be found out earlier.
fn refuse_nobody(update: &UserUpdate, services: &Services) -> Option<CommandError> {
    if matches!(update.credentials, CredentialsUpdate::Trim(_)) {
        return None;
    }
    if update.is_empty() {
        return Some(services.ops_error(OpsError::Plan(PlanError::NothingToUpdate)));
    }
    let catalog = View::new(services.directory.catalog());
    let roles = update.roles.iter().flatten();
    let missing: Vec<_> = roles.filter(|role| !catalog.role_exists(role)).collect();
    (!missing.is_empty()).then(|| {
        let missing = missing.into_iter().cloned().collect();
        services.ops_error(OpsError::Plan(PlanError::RolesNotFound(missing)))
    })
}

/// A trim looks the user up first and says so in other words than the update itself.
fn not_found(user: &str, db: &DbName, is_trim: bool) -> CommandError {
    if is_trim {
        return CommandError::user_not_found(user, db);
    }
    let message = format!("User {user}@{db} not found");
    CommandError::new(ErrorCode::USER_NOT_FOUND, message)
}
