//! What is there from the start: the user `root` and the roles `admin` and `public`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::failure::Failure;
use super::password;
use super::proto::common::ErrorCode;
use crate::audit::{self, Event};
use crate::auth::hash_pool::Owner;
use crate::authz::Authority;
use crate::authz::milvus::{ADMIN_ROLE, PUBLIC_ROLE, ROOT};
use crate::catalog::PlanError;
use crate::command::services::{Services, ops_error_code};
use crate::config::MilvusConfig;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::mechanism::Mechanism;
use crate::model::milvus::{ANY, MilvusGrant, MilvusObject};
use crate::model::names::{InvalidName, RoleName, UserName};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::user::User;
use crate::ops::{OpsError, Order};
use crate::secret::Secret;
use crate::telemetry::events;

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
    /// No user or role can be called so.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The system gives no random bytes.
    #[error("no random password: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// What became of the user `root`.
#[derive(Debug)]
pub enum Root {
    /// It is there, and its password is known to whoever set it or was shown it.
    Exists,
    /// It is not there: no password is set, and none was to be made up.
    Missing,
}

/// Shows somebody a password that was made up, the only time that it is shown.
pub type ShowPassword = fn(&Secret<String>);

/// Makes what is missing; a password for root that is not set only where somebody is there to whom it
/// can `show` it. That comes before root is made: whatever happens meanwhile, nobody is left with a root
/// whose password was never shown.
pub async fn bootstrap(
    services: &Services,
    settings: &MilvusConfig,
    show: Option<ShowPassword>,
) -> Result<Root, BootstrapError> {
    for (name, grants) in [(ADMIN_ROLE, Vec::new()), (PUBLIC_ROLE, public_grants())] {
        let name = RoleName::new(name, settings.database.clone())?;
        create_role(services, name, grants).await?;
    }
    let root = UserName::new(ROOT, settings.database.clone())?;
    if services.directory.catalog().user(&root).is_some() {
        return Ok(Root::Exists);
    }
    if let Some(password) = &settings.default_root_password {
        create_root(services, settings, root, password.clone()).await?;
        return Ok(Root::Exists);
    }
    let Some(show) = show else {
        return Ok(Root::Missing);
    };
    let password = random_password()?;
    show(&password);
    if !create_root(services, settings, root, password).await? {
        events::milvus_root_made_elsewhere();
    }
    Ok(Root::Exists)
}

async fn create_role(
    services: &Services,
    name: RoleName,
    milvus_grants: Vec<MilvusGrant>,
) -> Result<(), BootstrapError> {
    let directory = &services.directory;
    if directory.catalog().role(&name).is_some() {
        return Ok(());
    }
    let role = Role {
        name,
        privileges: [].into(),
        roles: [].into(),
        restrictions: Restrictions::NONE,
        milvus_grants: milvus_grants.into(),
        milvus_description: "".into(),
    };
    let change = DirectoryChange::of_role("createRole", ChangeKind::Created, &role.name);
    let change = DirectoryChange {
        milvus_grants: Some(role.milvus_grants.clone()).filter(|grants| !grants.is_empty()),
        ..change
    };
    match directory.create_role(order(services, change), role).await {
        Ok(_) | Err(OpsError::Plan(PlanError::RoleExists(_))) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether it was this password that root was made with: somebody else may have been faster.
async fn create_root(
    services: &Services,
    settings: &MilvusConfig,
    name: UserName,
    password: Secret<String>,
) -> Result<bool, BootstrapError> {
    let unusable = |failure| match failure {
        Failure::Status(status) => BootstrapError::Password(status.reason),
        Failure::Rpc(status) => BootstrapError::Password(status.message().to_owned()),
    };
    let mut mechanisms = vec![Mechanism::Plain];
    if settings.scram_credentials {
        mechanisms.extend(Mechanism::SCRAMS);
    }
    let owner = Owner::User(name.clone());
    // Else nobody could give roles to anybody.
    let admin = RoleName::new(ADMIN_ROLE, settings.database.clone())?;
    let roles = settings.root_should_bind_role.then_some(admin);
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
        roles: roles.into_iter().collect(),
    };
    let directory = &services.directory;
    let change = DirectoryChange::of_user("createUser", ChangeKind::Created, &user.name);
    match directory.create_user(order(services, change), user).await {
        Ok(_) => Ok(true),
        Err(OpsError::Plan(PlanError::UserExists(_))) => Ok(false),
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
