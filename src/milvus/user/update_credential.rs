//! `UpdateCredential`, pymilvus' `update_password` and `reset_password`.

use std::sync::Arc;

use crate::auth::verified::Check;
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::{CredentialsUpdate, UserUpdate};
use crate::command::user::credentials::argon2_cost;
use crate::error::ErrorCode as Code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::password;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::UpdateCredentialRequest;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::mechanism::Mechanism;
use crate::model::milvus::MilvusObject;
use crate::model::names::{DbName, UserName};
use crate::model::user::User;
use crate::secret::Secret;

impl Call for UpdateCredentialRequest {
    const METHOD: &'static str = "UpdateCredential";
    type Reply = Status;

    /// None for one's own password.
    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        let is_own = context.is_caller(&self.username);
        (!is_own).then(|| context.need("UpdateUser", MilvusObject::User, &self.username))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        let (services, settings) = (context.services(), context.settings());
        let old = password::decode(self.old_password, "decode old password failed")?;
        let new = password::decode(self.new_password, "decode password failed")?;
        password::check(&new, settings)?;
        let user = verified(context, &self.username, old).await?;
        // What the user could sign in with stays possible, with the new password.
        let mechanisms: Vec<_> = Mechanism::SCRAMS
            .into_iter()
            .filter(|mechanism| user.credentials.has(*mechanism))
            .chain([Mechanism::Plain])
            .collect();
        let credentials = password::derive(
            ErrorCode::UpdateCredentialFailure,
            (user.name.user(), new.clone()),
            &mechanisms,
            (&services.parameters, context.hash_pool()),
        )
        .await?;
        let update = UserUpdate {
            credentials: CredentialsUpdate::Replace(credentials.clone()),
            ..UserUpdate::default()
        };
        let order = context.order(pass, change(&user.name));
        services
            .directory
            .update_user(order, user.name.clone(), update)
            .await
            .map_err(|error| {
                Failure::of_write(ErrorCode::UpdateCredentialFailure, error, services)
            })?;
        let updated = User {
            credentials,
            ..(*user).clone()
        };
        services.verified_secrets.remember_set(&updated, &new);
        Ok(Status::default())
    }
}

/// The user, if `old` is its password. Who is not there is told the same.
async fn verified(
    context: &Context<'_>,
    name: &str,
    old: Secret<String>,
) -> Result<Arc<User>, Failure> {
    let services = context.services();
    let found = UserName::new(name, DbName::MILVUS).ok();
    let user = found
        .as_ref()
        .and_then(|found| services.directory.catalog().user(found));
    // Who calls has signed in and may change the password: this guesses nothing.
    let check = Check {
        pool: context.hash_pool(),
        cost: argon2_cost(&services.parameters),
        guess: None,
    };
    let verified = &services.verified_secrets;
    let is_right = verified
        .verify(user.as_deref(), old, check)
        .await
        .map_err(|reason| Failure::Rpc(tonic::Status::unavailable(reason.to_string())))?;
    if let Some(user) = user.filter(|_| is_right) {
        return Ok(user);
    }
    let refusal = Failure::not_authenticated(&format!("old password not correct for {name}"));
    match found {
        Some(found) => {
            let code = Code::AUTHENTICATION_FAILED;
            Err(context.refused(&change(&found), code, refusal).await)
        }
        None => Err(refusal),
    }
}

fn change(user: &UserName) -> DirectoryChange {
    DirectoryChange {
        password_changed: Some(true),
        ..DirectoryChange::of_user("updateUser", ChangeKind::Updated, user)
    }
}
