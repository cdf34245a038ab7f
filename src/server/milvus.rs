//! The sockets for Milvus clients, and what these find behind them at the first start.

use std::sync::Arc;

use super::{Server, StartError, addresses_of, bind_options, directory, write_port_file};
use crate::command::services::Services;
use crate::config::MilvusConfig;
use crate::milvus::{Milvus, bootstrap};
use crate::net::{Address, BindOptions, Listeners};
use crate::secret::Secret;
use crate::telemetry::events;

/// Open sockets.
pub(super) struct MilvusSockets {
    pub(super) listeners: Listeners,
    pub(super) milvus: Milvus,
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
    pub(super) async fn open(
        settings: Option<MilvusConfig>,
        services: &Arc<Services>,
    ) -> Result<Option<Self>, StartError> {
        let Some(settings) = settings.map(Arc::new) else {
            return Ok(None);
        };
        let options = BindOptions {
            port: settings.port,
            unix_socket: None,
            ..bind_options(&services.config)
        };
        let listeners = Listeners::bind(&options).await?;
        let root_password = if directory::is_writer(services.replica_set.as_ref()).await {
            bootstrap(services, &settings).await?
        } else {
            None
        };
        write_port_file(settings.port_file.as_deref(), &listeners)?;
        events::milvus_started(&addresses_of(&listeners));
        Ok(Some(Self {
            listeners,
            milvus: Milvus::new(Arc::clone(services), settings),
            root_password,
        }))
    }
}
