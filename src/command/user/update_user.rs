//! `updateUser` (MongoDB manual, "updateUser").

use bson::RawDocumentBuf;

use super::credentials::{NewPassword, PasswordRequest};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::auth::scram::Mechanism;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::SafeBool;
use crate::command::names::RoleArgument;
use crate::command::reply::Reply;
use crate::command::restrictions::RestrictionArgument;
use crate::command::services::Services;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::{DbName, UserName};
use crate::ops::{CredentialsUpdate, UserUpdate};
use crate::secret::Secret;
use crate::telemetry::events::UserChange;

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
        ..Spec::new("updateUser", "Replaces the given fields of a user.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let is_self =
            UserName::new(&self.user, db.clone()).is_ok_and(|name| authority.is_user(&name));
        let may = |own: Action, any: Action| {
            let on_db = |action| authority.require(&[Need::on_database(db, action)]);
            if is_self && on_db(own).is_ok() { Ok(()) } else { on_db(any).map(|_| ()) }
        };
        if self.password.is_some() || self.mechanisms.is_some() {
            may(Action::ChangeOwnPassword, Action::ChangePassword)?;
        }
        if self.custom_data.is_some() {
            may(Action::ChangeOwnCustomData, Action::ChangeCustomData)?;
        }
        let mut needs = Vec::new();
        if let Some(roles) = &self.roles {
            needs.push(Need::on_any_normal(Action::RevokeRole));
            needs.extend(RoleArgument::needs(roles, db, Action::GrantRole));
        }
        if self.restrictions.is_some() {
            needs.push(Need::on_database(db, Action::SetAuthenticationRestriction));
        }
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        let name = UserName::new(&self.user, db);
        let credentials = self.credentials(name.as_ref().ok(), services)?;
        if !credentials.is_some()
            && self.custom_data.is_none()
            && self.roles.is_none()
            && self.restrictions.is_none()
        {
            return Err(CommandError::bad_value(
                "Must specify at least one field to update in updateUser",
            ));
        }
        let db = &context.generic.db;
        let roles = self.roles.as_deref().map(|roles| RoleArgument::resolve_all(roles, db));
        let roles = roles.transpose()?;
        let entries = self.restrictions.as_deref().map(RestrictionArgument::resolve_all);
        let restrictions = entries.transpose()?;
        let name = name.map_err(|_| not_found(&self.user, db))?;
        let update = UserUpdate { credentials: None, custom_data: self.custom_data, roles, restrictions };
        services.directory.check_update_user(&name, &update).map_err(|e| services.ops_error(e))?;
        let credentials = match credentials {
            None => None,
            Some(Wanted::Keep(mechanisms)) => Some(CredentialsUpdate::Keep(mechanisms)),
            Some(Wanted::Replace(password)) => {
                Some(CredentialsUpdate::Replace(password.derive(services).await?))
            }
        };
        let update = UserUpdate { credentials, ..update };
        services
            .directory
            .update_user(name.clone(), update)
            .await
            .map_err(|e| services.ops_error(e))?;
        context.log_user_change(UserChange::Updated, &name);
        Ok(Reply::new())
    }
}

/// What becomes of the credentials.
enum Wanted {
    Replace(NewPassword),
    Keep(Vec<Mechanism>),
}
