//! `UpdateCredential`, pymilvus' `update_password` and `reset_password`.

use std::sync::Arc;

use bson::RawDocumentBuf;

use crate::auth::verified::Check;
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::PlanError;
use crate::catalog::plan::milvus::MilvusUserUpdate;
use crate::command::user::credentials::argon2_cost;
use crate::error::ErrorCode as Code;
use crate::milvus::authentication::verify;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::UpdateCredentialRequest;
use crate::milvus::{names, password};
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::mechanism::Mechanism;
use crate::model::milvus::{MilvusObject, described};
use crate::model::names::UserName;
use crate::model::user::User;
use crate::ops::OpsError;
use crate::secret::Secret;

const OPERATION: ErrorCode = ErrorCode::UpdateCredentialFailure;

impl Call for UpdateCredentialRequest {
    const METHOD: &'static str = "UpdateCredential";
    type Reply = Status;

    /// None for one's own password.
    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        let name = self.username.trim();
        let is_own = context.is_caller(name);
        (!is_own).then(|| context.need("UpdateUser", MilvusObject::User, name))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        if let Some(description) = &self.description {
            names::check_description(description, "user")?;
        }
        let name = self.username.trim();
        // What is said about a user may be all that is to be changed.
        let is_password_kept = self.old_password.is_empty() && self.new_password.is_empty();
        match self.description {
            Some(description) if is_password_kept => {
                describe(context, pass, name, description).await
            }
            description => {
                let passwords = (self.old_password, self.new_password);
                replace(context, pass, (name, description), passwords).await
            }
        }
    }
}

async fn describe(
    context: &Context<'_>,
    pass: Pass,
    name: &str,
    description: String,
) -> Result<Status, Failure> {
    let name = context.user_name(name)?;
    let change = DirectoryChange {
        custom_data: audited(Some(&description)),
        ..DirectoryChange::of_user("updateUser", ChangeKind::Updated, &name)
    };
    let update = MilvusUserUpdate {
        description: Some(description),
        ..MilvusUserUpdate::default()
    };
    let services = context.services();
    let directory = &services.directory;
    let updated = directory.update_milvus_user(context.order(pass, change), name, update);
    let failed = |error| Failure::of_write(OPERATION, error, services);
    updated.await.map_err(failed)?;
    Ok(Status::default())
}

/// Replaces the password, and the description if there is a new one.
async fn replace(
    context: &Context<'_>,
    pass: Pass,
    (name, description): (&str, Option<String>),
    (old, new): (String, String),
) -> Result<Status, Failure> {
    let services = context.services();
    let old = password::decode(old, "decode old password failed")?;
    let new = password::decode(new, "decode password failed")?;
    password::check(&new, context.settings())?;
    let is_super_user = is_super_user(context);
    let user = if is_super_user {
        found(context, name)?
    } else {
        verified(context, name, old).await?
    };
    // What the user could sign in with stays possible, with the new password.
    let mechanisms: Vec<_> = Mechanism::SCRAMS
        .into_iter()
        .filter(|mechanism| user.credentials.has(*mechanism))
        .chain([Mechanism::Plain])
        .collect();
    let credentials = password::derive(
        OPERATION,
        (user.name.user(), new.clone()),
        &mechanisms,
        (&services.parameters, context.hash_pool()),
    )
    .await?;
    let change = DirectoryChange {
        custom_data: audited(description.as_deref()),
        ..change(&user.name)
    };
    let update = MilvusUserUpdate {
        credentials: Some(credentials.clone()),
        verified: (!is_super_user).then(|| user.credentials.clone()),
        description,
    };
    let order = context.order(pass, change);
    let directory = &services.directory;
    let updated = directory.update_milvus_user(order, user.name.clone(), update);
    updated.await.map_err(|error| match error {
        OpsError::Plan(PlanError::UserNotFound(_) | PlanError::MilvusPasswordChanged(_))
            if !is_super_user =>
        {
            wrong_password(name)
        }
        error => Failure::of_write(OPERATION, error, services),
    })?;
    let updated = User {
        credentials,
        ..(*user).clone()
    };
    services.verified_secrets.remember_set(&updated, &new);
    Ok(Status::default())
}

/// Whether the caller may change passwords that it does not know.
fn is_super_user(context: &Context<'_>) -> bool {
    let names = &context.settings().super_users;
    context.caller.is_some() && names.iter().any(|name| name == context.caller_name())
}

fn found(context: &Context<'_>, name: &str) -> Result<Arc<User>, Failure> {
    let name = context.user_name(name)?;
    let user = context.services().directory.catalog().user(&name);
    user.ok_or_else(|| Failure::user_not_found(OPERATION))
}

/// The user, if `old` is its password. Who is not there is told the same.
async fn verified(
    context: &Context<'_>,
    name: &str,
    old: Secret<String>,
) -> Result<Arc<User>, Failure> {
    let services = context.services();
    let found = UserName::new(name, context.directory_db().clone()).ok();
    let user = found
        .as_ref()
        .and_then(|found| services.directory.catalog().user(found));
    let is_right = match &found {
        Some(found) if !context.is_caller(name) => {
            is_password_of(context, user.as_deref(), found, old).await?
        }
        // Who calls knows its own password, and nobody is called what nobody can be.
        _ => {
            let check = Check {
                pool: context.hash_pool(),
                cost: argon2_cost(&services.parameters),
                guess: None,
            };
            let verified = &services.verified_secrets;
            let is_right = verified.verify(user.as_deref(), old, check).await;
            is_right
                .map_err(|reason| Failure::Rpc(tonic::Status::unavailable(reason.to_string())))?
        }
    };
    if let Some(user) = user.filter(|_| is_right) {
        return Ok(user);
    }
    let refusal = wrong_password(name);
    match found {
        Some(found) => {
            let code = Code::AUTHENTICATION_FAILED;
            Err(context
                .refused_by_state(&change(&found), code, refusal)
                .await)
        }
        None => Err(refusal),
    }
}

/// Whether it is the password of another user. A wrong one counts as a failed sign-in of that user from
/// here: else who may change passwords could try them all.
async fn is_password_of(
    context: &Context<'_>,
    user: Option<&User>,
    name: &UserName,
    password: Secret<String>,
) -> Result<bool, Failure> {
    let owner = context.hash_owner();
    let verified = verify(context.connection, (user, name.clone()), password, owner).await;
    match verified {
        Ok((is_right, guess)) => {
            if let Some(guess) = guess.filter(|_| is_right) {
                guess.succeeded();
            }
            Ok(is_right)
        }
        // Too many wait: told as a wrong one.
        Err(status) if status.code() == tonic::Code::Unauthenticated => Ok(false),
        Err(status) => Err(Failure::Rpc(status)),
    }
}

fn wrong_password(name: &str) -> Failure {
    Failure::not_authenticated(&format!("old password not correct for {name}"))
}

/// What is said about a user as the audit log is told: the rest of `customData` is not touched.
fn audited(description: Option<&str>) -> Option<Box<RawDocumentBuf>> {
    description.map(|description| Box::new(described(None, description)))
}

fn change(user: &UserName) -> DirectoryChange {
    DirectoryChange {
        password_changed: Some(true),
        ..DirectoryChange::of_user("updateUser", ChangeKind::Updated, user)
    }
}
