//! Options: from the command line, the environment and a YAML file to one valid [`Config`].
//!
//! Names and meanings are mongod's; `docs/options.md`, printed from the same table, lists them. The
//! command line wins over the environment, that over the file, that over the defaults. Whatever is
//! unknown or wrong keeps the server from starting, with one sentence that says what and where.

mod audit;
mod command_line;
mod environment;
mod error;
mod file;
mod host_and_port;
mod milvus;
mod options;
pub mod parameters;
mod reference;
mod replication;
mod resolve;
mod settings;
mod tls;
mod tools;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bson::Document;

use crate::model::names::{DbName, UserName};
use crate::model::restriction::Cidr;
use crate::secret::Secret;
pub use crate::wire::Compressor;

use command_line::CommandLine;
use parameters::Parameters;

pub use audit::{AuditConfig, AuditDestination, AuditFormat, OnAuditFailure};
pub use error::{ConfigError, Place};
pub use host_and_port::{HostAndPort, InvalidHostAndPort};
pub use milvus::{MilvusConfig, MilvusPasswordPolicy};
pub use reference::options_reference;
pub use replication::{EtcdConfig, ReplicationConfig};
pub use tools::{BackupConfig, BackupTls, BackupUser, RestoreConfig};

/// What the command line asks the program to do.
#[derive(Debug)]
pub enum Start {
    /// Serve with this configuration.
    Run(Box<Config>),
    /// Copy a running server into a folder.
    Backup(Box<BackupConfig>),
    /// Copy such a folder into the data folder of a new server.
    Restore(RestoreConfig),
    /// Print this text (help or version) and leave.
    Print(String),
}

/// Everything that is decided before the server starts. Valid by construction.
#[derive(Debug)]
pub struct Config {
    /// Where and how to listen.
    pub net: NetConfig,
    /// Where users and roles are kept.
    pub storage: StorageConfig,
    /// The replica set this server is a member of, if it is.
    pub replication: Option<ReplicationConfig>,
    /// Whether roles are enforced.
    pub security: SecurityConfig,
    /// Where and what to log.
    pub log: LogConfig,
    /// What Milvus clients are served with; absent unless it was asked for.
    pub milvus: Option<Arc<MilvusConfig>>,
    /// Where users and roles of Milvus clients are, also while these are not served.
    pub milvus_database: DbName,
    /// Which events are audited, if any.
    pub audit: Option<AuditConfig>,
    /// Server parameters; the part that changes at run time, shared by everything that reads it.
    pub parameters: Arc<Parameters>,
    /// The administrator to create when there is no user yet.
    pub first_admin: Option<FirstAdmin>,
    /// The command line as given, but for the one secret an option takes, for `getCmdLineOpts`.
    pub argv: Vec<String>,
    /// What was set explicitly, by command line or file, nested as in the file, for
    /// `getCmdLineOpts`.
    pub parsed: Document,
}

/// Where and how to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConfig {
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// File to write the chosen port into.
    pub port_file: Option<PathBuf>,
    /// Addresses to listen on, at least one, none twice.
    pub bind_addresses: Vec<IpAddr>,
    /// Connections open at the same time.
    pub connections_max: usize,
    /// Ranges of clients that may connect; everybody may if there are none.
    pub allowlist: Vec<Cidr>,
    /// Ranges of proxies that say for whom they connect.
    pub trusted_proxies: Vec<Cidr>,
    /// The Unix domain socket, unless turned off.
    pub unix_socket: Option<UnixSocketConfig>,
    /// Compressors offered to clients, most liked first.
    pub compressors: Vec<Compressor>,
    /// TLS, unless disabled.
    pub tls: Option<TlsConfig>,
}

/// Encryption of connections over TCP. What is in the files is not looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Who may or must use it.
    pub mode: TlsMode,
    /// The server's certificate and key.
    pub certificate_key_file: PathBuf,
    /// The authorities of clients' certificates.
    pub ca_file: PathBuf,
    /// Revoked certificates.
    pub crl_file: Option<PathBuf>,
    /// Whether clients may do without a certificate.
    pub allow_connections_without_certificates: bool,
    /// Versions to speak, oldest first, at least one.
    pub protocols: Vec<TlsProtocol>,
}

/// `net.tls.mode`, other than `disabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Clients may use it, other servers are not asked to.
    AllowTls,
    /// Clients may use it, other servers are asked to; there are no others here.
    PreferTls,
    /// Clients must use it.
    RequireTls,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsProtocol {
    /// `TLS1_2`.
    Tls1_2,
    /// `TLS1_3`.
    Tls1_3,
}

impl TlsMode {
    const ALL: [Self; 3] = [Self::AllowTls, Self::PreferTls, Self::RequireTls];

    /// The word in the options.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowTls => "allowTLS",
            Self::PreferTls => "preferTLS",
            Self::RequireTls => "requireTLS",
        }
    }
}

/// The Unix domain socket `mongodb-<port>.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocketConfig {
    /// Folder it is made in.
    pub path_prefix: PathBuf,
    /// Its mode, at most 0o777.
    pub file_permissions: u32,
}

/// Where users and roles are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// What keeps them.
    pub engine: StorageEngine,
    /// Folder of the data, for an engine that has one.
    pub db_path: PathBuf,
}

/// What keeps users and roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageEngine {
    /// On disk.
    Redb,
    /// In etcd, shared with the other members of a replica set.
    Etcd,
    /// In memory only.
    EphemeralForTest,
}

impl StorageEngine {
    const ALL: [Self; 3] = [Self::Redb, Self::Etcd, Self::EphemeralForTest];

    /// The name in the options and in `serverStatus`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Etcd => "etcd",
            Self::EphemeralForTest => "ephemeralForTest",
        }
    }
}

/// Whether roles are enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityConfig {
    /// `security.authorization`; off, anybody may do anything.
    pub authorization: bool,
}

/// Where and what to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Where lines go.
    pub destination: LogDestination,
    /// What lines look like.
    pub format: LogFormat,
    /// 0 (what an operator needs) to 5 (everything).
    pub verbosity: u8,
    /// Whether to leave out the begin and end of connections.
    pub quiet: bool,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogDestination {
    /// Standard error.
    Stderr,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Keep what the file holds already.
        append: bool,
    },
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// mongod's structured format.
    Json,
}

/// The administrator to create when there is no user yet.
#[derive(Debug)]
pub struct FirstAdmin {
    /// A name on the database `admin`.
    pub name: UserName,
    /// Never empty.
    pub password: Secret<String>,
}

impl Config {
    /// Reads the command line (program name first), the environment and the file the command line
    /// names.
    pub fn from_args(
        args: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Start, ConfigError> {
        let args: Vec<OsString> = args.into_iter().collect();
        if let Some(start) = tools::read(&args)? {
            return Ok(start);
        }
        let (settings, config_file) = match command_line::read(&args)? {
            CommandLine::Print(text) => return Ok(Start::Print(text)),
            CommandLine::Run {
                settings,
                config_file,
            } => (settings, config_file),
        };
        let settings = match config_file {
            Some(path) => settings.or(file::read(&path)?),
            None => settings,
        };
        let first_admin = environment::first_admin(environment)?;
        let words = args.iter().map(|word| word.to_string_lossy().into_owned());
        let words = command_line::without_secrets(words.collect());
        let config = resolve::config(&settings, first_admin, words)?;
        Ok(Start::Run(Box::new(config)))
    }
}
