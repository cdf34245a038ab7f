//! `replication` and `etcd`: the replica set this server is a member of.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::ConfigError;
use super::host_and_port::HostAndPort;
use super::options as option;
use super::options::OptionSpec;
use super::resolve::{path, words};
use super::settings::Settings;
use crate::secret::Secret;

/// Bytes the file with etcd's password may have.
const PASSWORD_FILE_BYTES_MAX: usize = 4096;

/// A member of a replica set, and the etcd that holds the set together.
#[derive(Debug, Clone)]
pub struct ReplicationConfig {
    /// The name of the set.
    pub set_name: String,
    /// `host:port` under which clients and members find this one; by default the first address that
    /// is listened on.
    pub host: Option<HostAndPort>,
    /// Where this member is, for tagged write concerns and read preferences.
    pub tags: BTreeMap<String, String>,
    /// How to reach etcd.
    pub etcd: EtcdConfig,
}

/// How to reach etcd.
#[derive(Debug, Clone)]
pub struct EtcdConfig {
    /// URLs, at least one.
    pub endpoints: Vec<String>,
    /// What every key begins with.
    pub prefix: String,
    /// How long etcd waits for a member before it counts as gone.
    pub lease_ttl: Duration,
    /// For how long this member is read from without hearing of etcd; `None` for as long as it takes.
    pub staleness_max: Option<Duration>,
    /// The authority of etcd's certificates.
    pub ca_file: Option<PathBuf>,
    /// This member's certificate and key towards etcd.
    pub certificate_key_file: Option<PathBuf>,
    /// Name and password of an etcd user.
    pub credentials: Option<(String, Secret<String>)>,
}

/// Options that mean nothing without a replica set.
static NEED_REPLICA_SET: [&OptionSpec; 9] = [
    &option::REPLICATION_HOST,
    &option::REPLICATION_TAGS,
    &option::ETCD_ENDPOINTS,
    &option::ETCD_PREFIX,
    &option::ETCD_LEASE_TTL,
    &option::ETCD_STALENESS,
    &option::ETCD_CA_FILE,
    &option::ETCD_CERTIFICATE_KEY_FILE,
    &option::ETCD_USERNAME,
];

/// `None` for a standalone.
pub(super) fn config(
    settings: &Settings,
    is_engine_etcd: bool,
) -> Result<Option<ReplicationConfig>, ConfigError> {
    let set_name = settings.text(&option::REPL_SET)?;
    let Some(set_name) = set_name else {
        if is_engine_etcd {
            let engine = settings.setting(&option::STORAGE_ENGINE);
            return Err(engine.refuse("replication.replSetName beside it"));
        }
        settings.refuse_explicit(&NEED_REPLICA_SET, "replication.replSetName beside it")?;
        return Ok(None);
    };
    let set = settings.setting(&option::REPL_SET);
    if !is_engine_etcd {
        return Err(set.refuse("storage.engine: etcd beside it"));
    }
    if set_name.contains('/') {
        return Err(set.refuse("a name without '/'"));
    }
    Ok(Some(ReplicationConfig {
        set_name,
        host: host(settings)?,
        tags: tags(settings)?,
        etcd: etcd(settings)?,
    }))
}

fn host(settings: &Settings) -> Result<Option<HostAndPort>, ConfigError> {
    let host = settings.text(&option::REPLICATION_HOST)?;
    let parsed = host.map(|host| HostAndPort::parse(&host)).transpose();
    parsed.map_err(|_| {
        let setting = settings.setting(&option::REPLICATION_HOST);
        setting.refuse("host:port")
    })
}

fn tags(settings: &Settings) -> Result<BTreeMap<String, String>, ConfigError> {
    let Some(setting) = settings.explicit(&option::REPLICATION_TAGS) else {
        return Ok(BTreeMap::new());
    };
    let mut tags = BTreeMap::new();
    for word in words(setting)? {
        let (tag, value) = word
            .split_once(':')
            .filter(|(tag, value)| !tag.is_empty() && !value.is_empty() && !word.contains('\0'))
            .ok_or_else(|| setting.refuse("tags such as dc:east,rack:1"))?;
        if tags.insert(tag.to_owned(), value.to_owned()).is_some() {
            return Err(setting.refuse("each tag once"));
        }
    }
    Ok(tags)
}

fn etcd(settings: &Settings) -> Result<EtcdConfig, ConfigError> {
    let set = settings.setting(&option::REPL_SET);
    let endpoints = settings
        .explicit(&option::ETCD_ENDPOINTS)
        .ok_or_else(|| set.refuse("etcd.endpoints beside it"))?;
    let is_url = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
    let urls = words(endpoints)?;
    if !urls.iter().all(is_url) {
        return Err(endpoints.refuse("URLs such as http://127.0.0.1:2379, separated by commas"));
    }
    let prefix = settings.setting(&option::ETCD_PREFIX);
    if !prefix.text.starts_with('/') || prefix.text.ends_with('/') {
        return Err(prefix.refuse("a path that begins with '/' and does not end with it"));
    }
    let staleness = settings.integer(&option::ETCD_STALENESS)?;
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Ok(EtcdConfig {
        endpoints: urls.into_iter().map(str::to_owned).collect(),
        prefix: prefix.text,
        lease_ttl: seconds(settings.integer(&option::ETCD_LEASE_TTL)?),
        staleness_max: (staleness > 0).then(|| seconds(staleness)),
        ca_file: path(settings, &option::ETCD_CA_FILE)?,
        certificate_key_file: path(settings, &option::ETCD_CERTIFICATE_KEY_FILE)?,
        credentials: credentials(settings)?,
    })
}

fn credentials(settings: &Settings) -> Result<Option<(String, Secret<String>)>, ConfigError> {
    let name = settings.text(&option::ETCD_USERNAME)?;
    let file = path(settings, &option::ETCD_PASSWORD_FILE)?;
    match (name, file) {
        (None, None) => Ok(None),
        (Some(name), Some(file)) => {
            let refuse = |expected: &str| {
                let setting = settings.setting(&option::ETCD_PASSWORD_FILE);
                setting.refuse(expected)
            };
            let text = fs::read_to_string(&file).map(Zeroizing::new);
            let text =
                text.map_err(|error| refuse(&format!("a file that can be read ({error})")))?;
            let password = text.trim_end_matches(['\r', '\n']);
            if password.is_empty() || text.len() > PASSWORD_FILE_BYTES_MAX {
                return Err(refuse("a file with one password in it"));
            }
            Ok(Some((name, Secret::new(password.to_owned()))))
        }
        (Some(_), None) => {
            let setting = settings.setting(&option::ETCD_USERNAME);
            Err(setting.refuse("etcd.passwordFile beside it"))
        }
        (None, Some(_)) => {
            let setting = settings.setting(&option::ETCD_PASSWORD_FILE);
            Err(setting.refuse("etcd.username beside it"))
        }
    }
}
