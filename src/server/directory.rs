//! Where users and roles are kept, as the configuration says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::system::uname;

use super::StartError;
use crate::catalog::Catalog;
use crate::cluster::ReplicaSet;
use crate::config::{Config, HostAndPort, StorageEngine};
use crate::net::{Address, Listeners};
use crate::ops::Directory;
use crate::store::{MemoryStore, RedbStore, Setting, Store, StoreError};
use crate::telemetry::events;

/// How long the members of a replica set may take to agree who is primary.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens what keeps users and roles, and joins in following it if others write there too.
pub(super) async fn open(config: &Config) -> Result<(Directory, Option<ReplicaSet>), StartError> {
    if let Some(replication) = &config.replication {
        let started = Instant::now();
        let catalog = Catalog::with_milvus_on(config.milvus_database.clone());
        let catalog = Arc::new(catalog);
        let secret = Setting::random_deployment_secret()?;
        let (replica_set, store) =
            ReplicaSet::open(replication.clone(), Arc::clone(&catalog), secret).await?;
        let sequence = replica_set.last_write().sequence;
        let directory = Directory::over(catalog, Arc::new(store), sequence)?;
        log_opened(&directory, started);
        return Ok((directory, Some(replica_set)));
    }
    let (engine, path) = (config.storage.engine, config.storage.db_path.clone());
    let catalog = Catalog::with_milvus_on(config.milvus_database.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let store: Arc<dyn Store> = match engine {
            StorageEngine::EphemeralForTest => Arc::new(MemoryStore::new()),
            // The configuration has no etcd without a replica set.
            StorageEngine::Redb | StorageEngine::Etcd => Arc::new(RedbStore::open(&path)?),
        };
        let directory = Directory::open_into(store, catalog)?;
        log_opened(&directory, started);
        Ok::<_, StoreError>(directory)
    });
    let directory = opened.await.map_err(std::io::Error::other)??;
    Ok((directory, None))
}

fn log_opened(directory: &Directory, started: Instant) {
    let catalog = directory.catalog();
    let (users, roles) = (catalog.user_count(), catalog.role_count());
    events::store_opened(directory.store_name(), users, roles, started.elapsed());
}

/// Whether it is for this server to make what a new deployment needs: in a replica set the primary
/// does, once there is one.
pub(super) async fn is_writer(replica_set: Option<&ReplicaSet>) -> bool {
    let Some(replica_set) = replica_set else {
        return true;
    };
    let mut topologies = replica_set.topologies();
    let elected = topologies.wait_for(|topology| topology.primary.is_some());
    let _ = tokio::time::timeout(ELECTION_TIMEOUT, elected).await;
    replica_set.check_writable().is_ok()
}

/// Under which name the other members and clients find this one.
pub(super) fn member_host(config: &Config, listeners: &Listeners) -> HostAndPort {
    let given = config.replication.as_ref();
    if let Some(host) = given.and_then(|replication| replication.host.clone()) {
        return host;
    }
    let mut addresses = listeners.addresses().iter();
    let first = addresses.find_map(|address| match address {
        Address::Ip(address) => Some(reachable(*address)),
        Address::Unix(_) => None,
    });
    first.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, config.net.port)).into())
}

/// What others connect to in order to reach this address of the machine.
fn reachable(address: SocketAddr) -> HostAndPort {
    let named = address.ip().is_unspecified().then(|| {
        let machine = uname().nodename().to_string_lossy().into_owned();
        HostAndPort::parse(&format!("{machine}:{}", address.port())).ok()
    });
    named.flatten().unwrap_or_else(|| address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_none_to_connect_to() {
        let all = ["0.0.0.0:27018", "[::]:27018"];
        let all = all.map(|all| reachable(all.parse().unwrap()).to_string());
        let machine = uname().nodename().to_string_lossy().into_owned();
        assert_eq!(
            all,
            [format!("{machine}:27018"), format!("{machine}:27018")]
        );
        for one in ["127.0.0.1:27018", "[::1]:27018"] {
            assert_eq!(&*reachable(one.parse().unwrap()), one);
        }
    }
}
