//! What can happen to the catalog.

use std::sync::Arc;

use bson::RawDocumentBuf;

use super::StoreError;
use crate::model::milvus::PrivilegeGroups;
use crate::model::names::{RoleName, UserName};
use crate::model::role::Role;
use crate::model::transient::TransientIds;
use crate::model::user::User;
use crate::secret::Secret;

/// One change of the catalog. Carries the whole new value, so applying it twice is harmless.
#[derive(Debug, Clone)]
pub enum Change {
    /// Creates the user or replaces it.
    PutUser(Arc<User>),
    /// Removes the user; nothing happens if there is none.
    DropUser(UserName),
    /// Creates the role or replaces it.
    PutRole(Arc<Role>),
    /// Removes the role; nothing happens if there is none.
    DropRole(RoleName),
    /// Creates the setting or replaces it.
    PutSetting(Setting),
}

/// A small named value of the deployment.
#[derive(Debug, Clone)]
pub enum Setting {
    /// Some user or role was created once (`admin.system.version`, `authSchema`). Closes the
    /// localhost exception for good, also if all users are dropped later.
    AuthSchema,
    /// What `setDefaultRWConcern` keeps, as that command gives it.
    DefaultReadWriteConcern(Arc<RawDocumentBuf>),
    /// 32 random bytes made at first start, from which the made-up salts of unknown users derive.
    DeploymentSecret(Secret<[u8; 32]>),
    /// The groups of privileges that administrators made for Milvus clients.
    PrivilegeGroups(PrivilegeGroups),
    /// Which of `admin.tempusers` and `admin.temproles` there are. Their documents are in the memory of
    /// the process that began them, and nowhere else.
    TransientCollections(TransientIds),
}

impl Setting {
    /// A new [`Setting::DeploymentSecret`].
    pub fn random_deployment_secret() -> Result<Self, StoreError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::NoRandomness {
            reason: error.to_string(),
        })?;
        Ok(Self::DeploymentSecret(Secret::new(bytes)))
    }

    /// The name the setting is kept under.
    pub fn key(&self) -> &'static str {
        match self {
            Self::AuthSchema => "authSchema",
            Self::DefaultReadWriteConcern(_) => "defaultRWConcern",
            Self::DeploymentSecret(_) => "deploymentSecret",
            Self::PrivilegeGroups(_) => "milvusPrivilegeGroups",
            Self::TransientCollections(_) => "transientCollections",
        }
    }
}
