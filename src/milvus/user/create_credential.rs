//! `CreateCredential`, pymilvus' `create_user`.

use crate::authz::milvus::ROOT;
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::PlanError;
use crate::command::services::ops_error_code;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::CreateCredentialRequest;
use crate::milvus::{names, password};
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::mechanism::Mechanism;
use crate::model::milvus::described;
use crate::model::names::UserName;
use crate::model::restriction::Restrictions;
use crate::model::user::{Credentials, User};
use crate::ops::OpsError;

impl Call for CreateCredentialRequest {
    const METHOD: &'static str = "CreateCredential";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("CreateOwnership"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let (services, settings) = (context.services(), context.settings());
        let name = names::user_name(&self.username, settings)?;
        let secret = password::decode(self.password, "decode password fail")?;
        password::check(&secret, settings)?;
        let description = self.description.unwrap_or_default();
        names::check_description(&description, "user")?;
        let mut user = User {
            name: name.clone(),
            user_id: uuid::Uuid::new_v4(),
            // Stands for the hash until there is one.
            credentials: Credentials::External,
            restrictions: Restrictions::NONE,
            custom_data: (!description.is_empty()).then(|| Box::new(described(None, &description))),
            roles: [].into(),
        };
        // Asked again when the change is planned; asking first spares useless hashing.
        let change = DirectoryChange::of_user("createUser", ChangeKind::Created, &name);
        let directory = &services.directory;
        let checked = match name.user() {
            // Milvus is never without it. Where it was dropped by the other face, or not made yet,
            // whoever could make it would have all rights.
            ROOT => Err(PlanError::UserExists(name.clone()).into()),
            _ => directory.check_create_milvus_user(&user, settings.users_max),
        };
        if let Err(error) = checked {
            let code = ops_error_code(&error);
            let refusal = refused(context, &name, error);
            return Err(context.refused_by_state(&change, code, refusal).await);
        }
        let mut mechanisms = vec![Mechanism::Plain];
        if settings.scram_credentials {
            mechanisms.extend(Mechanism::SCRAMS);
        }
        user.credentials = password::derive(
            ErrorCode::CreateCredentialFailure,
            (name.user(), secret.clone()),
            &mechanisms,
            (&services.parameters, context.hash_pool()),
        )
        .await?;
        let order = context.order(pass, change);
        directory
            .create_milvus_user(order, user.clone(), settings.users_max)
            .await
            .map_err(|error| refused(context, &name, error))?;
        // The first call of the new user need not hash again.
        services.verified_secrets.remember_set(&user, &secret);
        Ok(Status::default())
    }
}

fn refused(context: &Context<'_>, name: &UserName, error: OpsError) -> Failure {
    let failed = |reason: String| Failure::of(ErrorCode::CreateCredentialFailure, reason);
    match error {
        OpsError::Plan(PlanError::UserExists(_)) => {
            failed(format!("user already exists: {}", name.user()))
        }
        OpsError::Plan(PlanError::MilvusUsersFull) => failed(
            "unable to add user because the number of users has reached the limit".to_owned(),
        ),
        error => Failure::of_write(
            ErrorCode::CreateCredentialFailure,
            error,
            context.services(),
        ),
    }
}
