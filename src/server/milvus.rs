//! The sockets for Milvus clients, and what these find behind them at the first start.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinError;

use super::{Server, StartError, addresses_of, bind_options, directory, write_port_file};
use crate::cluster::{MemberState, ReplicaSet};
use crate::command::services::Services;
use crate::config::MilvusConfig;
use crate::milvus::{BootstrapError, Milvus, Root, ShowPassword, bootstrap};
use crate::net::{Address, BindOptions, Door, Listeners, ServeSummary, serve_streams};
use crate::ops::OpsError;
use crate::store::StoreError;
use crate::telemetry::events;

/// Between two tries to make what Milvus clients begin with.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(1);

/// Open sockets.
pub(super) struct MilvusSockets {
    listeners: Listeners,
    milvus: Milvus,
    settings: Arc<MilvusConfig>,
    threads: Threads,
}

/// Threads that serve Milvus clients and nobody else: a connection of theirs has many calls under way at
/// one time, and `MongoDB`'s clients are not to wait behind a flood of them.
struct Threads(Option<Runtime>);

impl Server {
    /// Where Milvus clients can connect, if they can.
    pub fn milvus_addresses(&self) -> &[Address] {
        let sockets = self.milvus.as_ref();
        sockets.map_or(&[], |sockets| sockets.listeners.addresses())
    }
}

impl MilvusSockets {
    /// Opens them on the same addresses as the others; `None` where Milvus is not to be served. A password
    /// of root that is made up is shown once nothing but that can go wrong any more.
    pub(super) async fn open(
        services: &Arc<Services>,
        show: ShowPassword,
    ) -> Result<Option<Self>, StartError> {
        let Some(settings) = services.config.milvus.clone() else {
            return Ok(None);
        };
        let options = BindOptions {
            port: settings.port,
            unix_socket: None,
            ..bind_options(&services.config)
        };
        let listeners = Listeners::bind(&options).await?;
        let threads = Threads::new()?;
        write_port_file(settings.port_file.as_deref(), &listeners)?;
        if directory::is_writer(services.replica_set.as_ref()).await {
            match bootstrap(services, &settings, Some(show)).await {
                Ok(Root::Exists | Root::Missing) => {}
                // Whoever is primary now makes it.
                Err(error) if is_not_primary(&error) => events::milvus_not_begun(&error),
                Err(error) => return Err(error.into()),
            }
        }
        events::milvus_started(&addresses_of(&listeners));
        Ok(Some(Self {
            listeners,
            milvus: Milvus::new(Arc::clone(services), Arc::clone(&settings)),
            settings,
            threads,
        }))
    }

    /// Serves until it is told to stop and everything is closed.
    pub(super) async fn serve(self, services: Arc<Services>, door: Arc<Door>) -> ServeSummary {
        let stop = services.stop.clone();
        let counters = Arc::clone(&services.connections);
        let service = Arc::new(self.milvus);
        let serving = serve_streams(self.listeners, service, door, counters, stop.clone());
        let serving = self.threads.run(serving);
        let beginning = async {
            tokio::select! {
                () = bootstrap_as_primary(services, self.settings) => {}
                () = stop.stopped() => {}
            }
        };
        tokio::join!(serving, beginning).0
    }
}

impl Threads {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("milvus")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `serving` on them; what it answers if it comes to an end.
    async fn run(
        &self,
        serving: impl Future<Output = ServeSummary> + Send + 'static,
    ) -> ServeSummary {
        let Some(runtime) = &self.0 else {
            return ServeSummary::default();
        };
        match runtime
            .spawn(serving)
            .await
            .map_err(JoinError::try_into_panic)
        {
            Ok(summary) => summary,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(_)) => ServeSummary::default(),
        }
    }
}

/// Not waited for: that is not allowed where others are served.
impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes what Milvus clients begin with, if it is missing, whenever this member becomes primary: none
/// may have been primary when it was started, or not to the end. A server of its own is done already.
async fn bootstrap_as_primary(services: Arc<Services>, settings: Arc<MilvusConfig>) {
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
        match bootstrap(services, settings, None).await {
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
