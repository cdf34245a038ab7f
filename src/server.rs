//! The whole server: from a configuration to open sockets, and back to nothing.

mod directory;
mod first_admin;
mod milvus;
mod quiesce;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bson::RawDocumentBuf;
use bson::oid::ObjectId;
use tokio::sync::Semaphore;

use crate::audit::{Audit, AuditStartError, Event};
use crate::auth::hash_pool::HashPool;
use crate::auth::verified::VerifiedSecrets;
use crate::cluster::JoinError;
use crate::command::cluster_time::ClusterClock;
use crate::command::collection::cursors::Cursors;
use crate::command::dispatch::Commands;
use crate::command::handshake::topology::TopologyVersion;
use crate::command::metrics::Metrics;
use crate::command::services::{BACKUPS_MAX, SCANS_MAX, Services};
use crate::config::parameters::Parameters;
use crate::config::{Config, TlsConfig, TlsMode, TlsProtocol};
use crate::milvus::{BootstrapError, ShowPassword};
use crate::net::{
    Address, BindError, BindOptions, ConnectionCounters, Door, Limits, Listeners, ServeSummary,
    StopSource, Tls, TlsError, TlsOptions, TlsVersion, UnixSocketOptions, serve, stop_channel,
};
use crate::secret::Secret;
use crate::store::StoreError;
use crate::telemetry::events;
use crate::telemetry::logs::Logs;
use crate::wire::WireLimits;

use milvus::MilvusSockets;
use quiesce::quiesce;

/// Why the server cannot start. One sentence each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The replica set cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Auditing cannot start.
    #[error(transparent)]
    Audit(#[from] AuditStartError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate, a key or the like cannot be used.
    #[error("cannot use {0}")]
    Tls(#[from] TlsError),
    /// The first administrator cannot be created.
    #[error("cannot create the first administrator: {0}")]
    FirstAdmin(String),
    /// The users and roles that Milvus clients begin with cannot be created.
    #[error("cannot create what Milvus clients begin with: {0}")]
    Milvus(#[from] BootstrapError),
    /// The store has no deployment secret, although opening it makes one.
    #[error("the store has lost the secret of the deployment")]
    NoSecret,
    /// The file for the port cannot be written.
    #[error("cannot write the port to {path}: {reason}")]
    PortFile {
        /// The file.
        path: String,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The system gave no threads or no random bytes.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// A server whose sockets are open.
pub struct Server {
    services: Arc<Services>,
    listeners: Listeners,
    milvus: Option<MilvusSockets>,
    door: Arc<Door>,
    stop: Arc<StopSource>,
}

/// Tells a server to stop.
pub struct StopHandle {
    services: Arc<Services>,
    stop: Arc<StopSource>,
}

impl StopHandle {
    /// Lets clients turn to other members of the replica set if there are any; then finishes what is
    /// under way and ends.
    pub async fn stop(self) {
        quiesce(&self.services).await;
        // Whoever runs the server lets go of the store last, and waits until it is closed.
        drop(self.services);
        self.stop.stop();
    }
}

/// Makes a server read its certificates again.
#[derive(Clone, Debug)]
pub struct CertificateHandle(Option<Arc<Tls>>);

impl CertificateHandle {
    /// Reads them again for connections to come, and logs how that went. Without TLS there is nothing
    /// to read.
    pub async fn rotate(&self) {
        if let Some(tls) = &self.0 {
            match tls.rotate().await {
                Ok(()) => events::certificates_rotated(None),
                Err(error) => events::certificates_kept(&error),
            }
        }
    }
}

impl Server {
    /// Opens the data and the sockets. `show` is for a password of Milvus' root that is made up.
    pub async fn start(
        mut config: Config,
        logs: Logs,
        show: ShowPassword,
    ) -> Result<Self, StartError> {
        let tls = load_tls(&config)?;
        let (directory, replica_set) = directory::open(&config).await?;
        let deployment_secret = directory.catalog().deployment_secret();
        let deployment_secret = deployment_secret.ok_or(StartError::NoSecret)?;
        let audit = start_audit(&config, &deployment_secret).await?;
        let parameters = Arc::clone(&config.parameters);
        let hash_pool = hash_pool(&parameters)?;
        let listeners = Listeners::bind(&bind_options(&config)).await?;
        if let Some(replica_set) = &replica_set {
            let host = directory::member_host(&config, &listeners);
            replica_set.join(&host).await?;
        }
        // Taken out: the password is wiped as soon as it is hashed.
        let (set, admin) = (replica_set.as_ref(), config.first_admin.take());
        first_admin::ensure(&directory, set, &audit, admin, &parameters, &hash_pool).await?;
        write_port_file(config.net.port_file.as_deref(), &listeners)?;
        let (stop, signal) = stop_channel();
        let services = Services {
            cluster_clock: ClusterClock::new(&deployment_secret),
            deployment_secret,
            directory,
            replica_set,
            audit,
            hash_pool,
            failed_sign_ins: Arc::default(),
            half_open_sign_ins: Arc::default(),
            unauthenticated: Arc::default(),
            stranger_lines: Arc::default(),
            verified_secrets: VerifiedSecrets::new().map_err(std::io::Error::other)?,
            parameters,
            logs,
            connections: Arc::new(ConnectionCounters::new(
                limits(&config).max_incoming_connections,
            )),
            metrics: Metrics::new(),
            compressors: config.net.compressors.clone(),
            is_authorization_enabled: config.security.authorization,
            topology: TopologyVersion {
                process_id: ObjectId::new(),
                counter: 0,
            },
            scans: Arc::new(Semaphore::new(SCANS_MAX)),
            backups: Arc::new(Semaphore::new(BACKUPS_MAX)),
            cursors: Arc::new(Cursors::new(Arc::clone(&config.parameters))),
            transient: Arc::default(),
            started: Instant::now(),
            stop: signal,
            tls: tls.clone(),
            config,
        };
        let services = Arc::new(services);
        let milvus = MilvusSockets::open(&services, show).await?;
        announce(&services, &listeners).await;
        Ok(Self {
            door: Arc::new(door(&services.config, tls)),
            services,
            listeners,
            milvus,
            stop: Arc::new(stop),
        })
    }

    /// Where clients can connect.
    pub fn addresses(&self) -> &[Address] {
        self.listeners.addresses()
    }

    /// Whether there is nobody yet who could sign in.
    pub fn is_empty(&self) -> bool {
        !self.services.directory.catalog().had_users_or_roles()
    }

    /// Its audit log, to be opened anew when its file was moved away.
    pub fn audit(&self) -> Audit {
        self.services.audit.clone()
    }

    /// What stops it.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle {
            services: Arc::clone(&self.services),
            stop: Arc::clone(&self.stop),
        }
    }

    /// Whether connections over TCP have to be encrypted.
    pub fn requires_tls(&self) -> bool {
        let tls = self.services.config.net.tls.as_ref();
        tls.is_some_and(|tls| tls.mode == TlsMode::RequireTls)
    }

    /// What makes it read its certificates again.
    pub fn certificate_handle(&self) -> CertificateHandle {
        CertificateHandle(self.services.tls.clone())
    }

    /// Serves until it is told to stop and everything is closed.
    pub async fn run(self) -> ServeSummary {
        let (counters, stop) = (&self.services.connections, &self.services.stop);
        let mongodb = serve(
            self.listeners,
            Arc::new(Commands(Arc::clone(&self.services))),
            Arc::clone(&self.door),
            Arc::clone(counters),
            stop.clone(),
        );
        let milvus = async {
            let (services, door) = (Arc::clone(&self.services), self.door);
            Some(self.milvus?.serve(services, door).await)
        };
        let announcing = async {
            stop.clone().stopped().await;
            // It stops whether or not that can be written.
            let _ = self.services.audit.record(Event::shutdown()).await;
        };
        let (mut summary, milvus, ()) = tokio::join!(mongodb, milvus, announcing);
        summary.connections_dropped += milvus.map_or(0, |milvus| milvus.connections_dropped);
        self.services.directory.close().await;
        if let Some(replica_set) = &self.services.replica_set {
            replica_set.leave().await;
        }
        self.services.audit.close().await;
        events::server_stopped(summary.connections_dropped);
        summary
    }
}

fn addresses_of(listeners: &Listeners) -> Vec<String> {
    let addresses = listeners.addresses().iter();
    addresses.map(ToString::to_string).collect()
}

/// Says in the log and in the audit log that the server begins, and what its operator should know.
async fn announce(services: &Services, listeners: &Listeners) {
    let addresses = addresses_of(listeners);
    let store = services.directory.store_name();
    if !services.is_authorization_enabled {
        events::authorization_disabled();
    }
    if !services.directory.is_durable() {
        events::startup_warning(
            "Nothing outlives this process: the storage engine keeps users in memory only",
        );
    }
    if let Ok(options) = RawDocumentBuf::try_from(&services.config.parsed) {
        // Whatever comes of it: from now on each change and each sign-in asks again.
        let _ = services.audit.record(Event::startup(&options)).await;
    }
    for warning in services.tls.iter().flat_map(|tls| tls.warnings()) {
        events::startup_warning(warning);
    }
    events::server_started(&addresses, store, services.is_authorization_enabled);
}

async fn start_audit(config: &Config, secret: &Secret<[u8; 32]>) -> Result<Audit, StartError> {
    let (config, secret) = (config.audit.clone(), secret.clone());
    let started = tokio::task::spawn_blocking(move || Audit::start(config.as_ref(), &secret));
    Ok(started.await.map_err(std::io::Error::other)??)
}

fn hash_pool(parameters: &Parameters) -> std::io::Result<HashPool> {
    HashPool::new(
        NonZeroUsize::new(parameters.hashing_threads()).unwrap_or(NonZeroUsize::MIN),
        parameters.hashing_queue_max(),
        parameters.sign_in_limits().hashing_queue_per_user_max(),
    )
}

fn bind_options(config: &Config) -> BindOptions {
    BindOptions {
        hosts: config
            .net
            .bind_addresses
            .iter()
            .map(ToString::to_string)
            .collect(),
        port: config.net.port,
        ipv6: true,
        unix_socket: config
            .net
            .unix_socket
            .as_ref()
            .map(|socket| UnixSocketOptions {
                directory: socket.path_prefix.clone(),
                permissions: socket.file_permissions,
            }),
    }
}

fn load_tls(config: &Config) -> Result<Option<Arc<Tls>>, TlsError> {
    let tls = config.net.tls.as_ref();
    tls.map(|tls| Tls::load(tls_options(tls)).map(Arc::new))
        .transpose()
}

fn tls_options(config: &TlsConfig) -> TlsOptions {
    let version = |protocol: &TlsProtocol| match protocol {
        TlsProtocol::Tls1_2 => TlsVersion::Tls12,
        TlsProtocol::Tls1_3 => TlsVersion::Tls13,
    };
    TlsOptions {
        is_required: config.mode == TlsMode::RequireTls,
        certificate_key_file: config.certificate_key_file.clone(),
        ca_file: config.ca_file.clone(),
        crl_file: config.crl_file.clone(),
        allow_connections_without_certificates: config.allow_connections_without_certificates,
        versions: config.protocols.iter().map(version).collect(),
    }
}

fn door(config: &Config, tls: Option<Arc<Tls>>) -> Door {
    Door {
        limits: limits(config),
        allowlist: config.net.allowlist.clone(),
        trusted_proxies: config.net.trusted_proxies.clone(),
        tls,
    }
}

fn limits(config: &Config) -> Limits {
    let parameters = &config.parameters;
    let millis =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let defaults = Limits::default();
    Limits {
        wire: WireLimits {
            compressors: config.net.compressors.iter().copied().collect(),
            ..defaults.wire
        },
        max_incoming_connections: u32::try_from(config.net.connections_max).unwrap_or(u32::MAX),
        handshake_timeout_ms: millis(parameters.handshake_timeout()),
        idle_timeout_ms: parameters.idle_timeout().map(millis),
        stop_timeout_ms: millis(parameters.shutdown_timeout()),
        ..defaults
    }
}

/// Written whole or not at all: whoever waits for the file finds the port in it.
fn write_port_file(path: Option<&Path>, listeners: &Listeners) -> Result<(), StartError> {
    let Some(path) = path else {
        return Ok(());
    };
    let port = listeners
        .addresses()
        .iter()
        .find_map(|address| match address {
            Address::Ip(address) => Some(address.port()),
            Address::Unix(_) => None,
        });
    let write = |path: &Path| {
        let temporary = path.with_extension("partial");
        let mut file = std::fs::File::create(&temporary)?;
        writeln!(file, "{}", port.unwrap_or_default())?;
        std::fs::rename(&temporary, path)
    };
    write(path).map_err(|reason| StartError::PortFile {
        path: path.display().to_string(),
        reason,
    })
}
