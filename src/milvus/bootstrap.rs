//! What is there from the start: the user `root` and the roles `admin` and `public`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::failure::Failure;
use super::password;
use super::proto::common::ErrorCode;
use crate::audit::{self, Event};
use crate::auth::hash_pool::Owner;
use crate::authz::Authority;
use crate::authz::milvus::{ADMIN_ROLE, PUBLIC_ROLE, ROOT, milvus_role};
use crate::catalog::PlanError;
use crate::command::services::{Services, ops_error_code};
use crate::config::MilvusConfig;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::mechanism::Mechanism;
use crate::model::milvus::{ANY, MilvusGrant, MilvusObject};
use crate::model::names::{DbName, UserName};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::user::User;
use crate::ops::{OpsError, Order};
use crate::secret::Secret;

/// Random bytes of a password that is made up: 96 bits, 16 characters.
const PASSWORD_RANDOM_BYTES: usize = 12;

/// What `public` allows before anybody changes it.
const PUBLIC_GRANTS: [(MilvusObject, &str); 3] = [
    (MilvusObject::Collection, "IndexDetail"),
    (MilvusObject::Global, "DescribeCollection"),
    (MilvusObject::Global, "ShowCollections"),
];

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The directory does not take it.
    #[error(transparent)]
    Write(#[from] OpsError),
    /// The password that was set for root is none.
    #[error("milvus.defaultRootPassword: {0}")]
    Password(String),
    /// The system gives no random bytes.
    #[error("no random password: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Makes what is missing. Gives root's password if it had to be made up: nobody else knows it.
pub async fn bootstrap(
    services: &Services,
    settings: &MilvusConfig,
) -> Result<Option<Secret<String>>, BootstrapError> {
    for (name, grants) in [(ADMIN_ROLE, Vec::new()), (PUBLIC_ROLE, public_grants())] {
        create_role(services, name, grants).await?;
    }
    let Ok(root) = UserName::new(ROOT, DbName::MILVUS) else {
        return Ok(None);
    };
    if services.directory.catalog().user(&root).is_some() {
        return Ok(None);
    }
    let made_up = match settings.default_root_password {
        Some(_) => None,
        None => Some(random_password()?),
    };
    let set = settings.default_root_password.as_ref();
    let Some(password) = set.or(made_up.as_ref()).cloned() else {
        return Ok(None);
    };
    create_root(services, settings, root, password).await?;
    Ok(made_up)
}

async fn create_role(
    services: &Services,
    name: &str,
    milvus_grants: Vec<MilvusGrant>,
) -> Result<(), BootstrapError> {
    let directory = &services.directory;
    let Some(name) = milvus_role(name).filter(|name| directory.catalog().role(name).is_none())
    else {
        return Ok(());
    };
    let role = Role {
        name,
        privileges: [].into(),
        roles: [].into(),
        restrictions: Restrictions::NONE,
        milvus_grants: milvus_grants.into(),
    };
    let change = DirectoryChange::of_role("createRole", ChangeKind::Created, &role.name);
    let change = DirectoryChange {
        milvus_grants: Some(role.milvus_grants.clone()).filter(|grants| !grants.is_empty()),
        ..change
    };
    directory.create_role(order(services, change), role).await?;
    Ok(())
}

async fn create_root(
    services: &Services,
    settings: &MilvusConfig,
    name: UserName,
    password: Secret<String>,
) -> Result<(), BootstrapError> {
    let unusable = |failure| match failure {
        Failure::Status(status) => BootstrapError::Password(status.reason),
        Failure::Rpc(status) => BootstrapError::Password(status.message().to_owned()),
    };
    let mut mechanisms = vec![Mechanism::Plain];
    if settings.scram_credentials {
        mechanisms.extend(Mechanism::SCRAMS);
    }
    let owner = Owner::User(name.clone());
    let deriving = password::derive(
        ErrorCode::CreateCredentialFailure,
        (ROOT, password),
        &mechanisms,
        (&services.parameters, services.hash_pool.share_of(owner)),
    );
    let user = User {
        name,
        user_id: uuid::Uuid::new_v4(),
        credentials: deriving.await.map_err(unusable)?,
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: [].into(),
    };
    let directory = &services.directory;
    let change = DirectoryChange::of_user("createUser", ChangeKind::Created, &user.name);
    match directory.create_user(order(services, change), user).await {
        Ok(_) | Err(OpsError::Plan(PlanError::UserExists(_))) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Nobody asks for it: it is the server itself.
fn order(services: &Services, change: DirectoryChange) -> Order {
    Order::new(Authority::Unchecked.pass_for_anybody()).audited(
        services.audit.clone(),
        move |refusal| {
            let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
            Event::change(&audit::Origin::system(), &change, code)
        },
    )
}

fn random_password() -> Result<Secret<String>, getrandom::Error> {
    let mut bytes = [0; PASSWORD_RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn public_grants() -> Vec<MilvusGrant> {
    let grant = |(object, privilege): (MilvusObject, &str)| MilvusGrant {
        object,
        object_name: ANY.into(),
        db: ANY.into(),
        privilege: privilege.into(),
        grantor: ROOT.into(),
    };
    PUBLIC_GRANTS.map(grant).into()
}
