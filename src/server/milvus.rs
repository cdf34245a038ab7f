//! The sockets for Milvus clients, and what these find behind them at the first start.

use std::sync::Arc;
use std::time::Duration;

use super::{Server, StartError, addresses_of, bind_options, directory, write_port_file};
use crate::cluster::{MemberState, ReplicaSet};
use crate::command::services::Services;
use crate::config::MilvusConfig;
use crate::milvus::{BootstrapError, Milvus, Root, bootstrap};
use crate::net::{Address, BindOptions, Listeners};
use crate::ops::OpsError;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::telemetry::events;

/// Between two tries to make what Milvus clients begin with.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(1);

/// Open sockets.
pub(super) struct MilvusSockets {
    pub(super) listeners: Listeners,
    pub(super) milvus: Milvus,
    pub(super) settings: Arc<MilvusConfig>,
    /// Known to nobody else, where it was made up.
    pub(super) root_password: Option<Secret<String>>,
}

impl Server {
    /// Where Milvus clients can connect, if they can.
    pub fn milvus_addresses(&self) -> &[Address] {
        let sockets = self.milvus.as_ref();
        sockets.map_or(&[], |sockets| sockets.listeners.addresses())
    }

    /// The password of Milvus' root, if it was made up just now; again there is none.
    pub fn take_milvus_root_password(&mut self) -> Option<Secret<String>> {
        self.milvus.as_mut()?.root_password.take()
    }
}

impl MilvusSockets {
    /// Opens them on the same addresses as the others; `None` where Milvus is not to be served.
    pub(super) async fn open(services: &Arc<Services>) -> Result<Option<Self>, StartError> {
        let Some(settings) = services.config.milvus.clone() else {
            return Ok(None);
        };
        let options = BindOptions {
            port: settings.port,
            unix_socket: None,
            ..bind_options(&services.config)
        };
        let listeners = Listeners::bind(&options).await?;
        let root_password = if directory::is_writer(services.replica_set.as_ref()).await {
            match bootstrap(services, &settings, true).await {
                Ok(Root::MadeWith(password)) => Some(password),
                Ok(Root::Exists | Root::Missing) => None,
                // Whoever is primary now makes it.
                Err(error) if is_not_primary(&error) => None,
                Err(error) => return Err(error.into()),
            }
        } else {
            None
        };
        write_port_file(settings.port_file.as_deref(), &listeners)?;
        events::milvus_started(&addresses_of(&listeners));
        Ok(Some(Self {
            listeners,
            milvus: Milvus::new(Arc::clone(services), Arc::clone(&settings)),
            settings,
            root_password,
        }))
    }
}

/// Makes what Milvus clients begin with, if it is missing, whenever this member becomes primary: none
/// may have been primary when it was started, or not to the end. A server of its own is done already.
pub(super) async fn bootstrap_as_primary(services: Arc<Services>, settings: Arc<MilvusConfig>) {
    let Some(replica_set) = &services.replica_set else {
        return;
    };
    let mut topologies = replica_set.topologies();
    let mut last_term = None;
    loop {
        let elected = topologies.wait_for(|topology| {
            topology.state == MemberState::Primary && last_term != Some(topology.term)
        });
        // What was seen is let go of at once: it holds a lock.
        let Ok(term) = elected.await.map(|topology| topology.term) else {
            return;
        };
        last_term = Some(term);
        bootstrap_in_term(&services, &settings, replica_set).await;
    }
}

/// Tries until it is done or this member is not primary any more.
async fn bootstrap_in_term(services: &Services, settings: &MilvusConfig, set: &ReplicaSet) {
    while set.check_writable().is_ok() {
        // Nobody looks at what this process prints by now.
        match bootstrap(services, settings, false).await {
            Ok(Root::Missing) => return events::milvus_root_missing(settings.database.as_str()),
            Ok(_) => return,
            Err(error) if is_not_primary(&error) => return,
            Err(error @ BootstrapError::Write(_)) => events::milvus_not_begun(&error),
            // It would be the same again.
            Err(error) => return events::milvus_not_begun(&error),
        }
        tokio::time::sleep(BOOTSTRAP_PAUSE).await;
    }
}

fn is_not_primary(error: &BootstrapError) -> bool {
    let BootstrapError::Write(error) = error else {
        return false;
    };
    matches!(error, OpsError::Storage(StoreError::NotPrimary))
}
