//! From settings as text to the typed [`Config`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::audit::audit;
use super::error::ConfigError;
use super::milvus;
use super::options as option;
use super::options::OptionSpec;
use super::parameters::Parameters;
use super::settings::{Setting, Settings};
use super::{
    Compressor, Config, FirstAdmin, LogConfig, LogDestination, LogFormat, NetConfig,
    SecurityConfig, StorageConfig, StorageEngine, UnixSocketConfig, replication, tls,
};
use crate::model::restriction::Cidr;

/// Bytes the path of a Unix domain socket may have: `sun_path` less its final NUL.
const UNIX_SOCKET_PATH_BYTES_MAX: usize = 107;

/// Makes a configuration of what was set.
pub(super) fn config(
    settings: &Settings,
    first_admin: Option<FirstAdmin>,
    argv: Vec<String>,
) -> Result<Config, ConfigError> {
    let storage = storage(settings)?;
    let is_engine_etcd = storage.engine == StorageEngine::Etcd;
    Ok(Config {
        net: net(settings)?,
        replication: replication::config(settings, is_engine_etcd)?,
        storage,
        security: SecurityConfig {
            authorization: settings.choice(&option::AUTHORIZATION, |word| match word {
                "enabled" => Some(true),
                "disabled" => Some(false),
                _ => None,
            })?,
        },
        log: log(settings)?,
        audit: audit(settings)?,
        milvus: milvus::config(settings)?.map(Arc::new),
        milvus_database: milvus::database(settings)?,
        parameters: Parameters::from_settings(settings.parameters())?.into(),
        first_admin,
        argv,
        parsed: settings.to_document(),
    })
}

fn net(settings: &Settings) -> Result<NetConfig, ConfigError> {
    let port = settings.integer(&option::PORT)?;
    Ok(NetConfig {
        port: u16::try_from(port).map_err(|_| {
            let expected = option::PORT.kind.expectation();
            settings.setting(&option::PORT).refuse(expected)
        })?,
        port_file: path(settings, &option::PORT_FILE)?,
        bind_addresses: bind_addresses(settings)?,
        connections_max: settings.integer(&option::MAX_CONNECTIONS)? as usize,
        allowlist: ranges(settings, &option::IP_SOURCE_ALLOWLIST)?,
        trusted_proxies: ranges(settings, &option::TRUSTED_PROXIES)?,
        unix_socket: unix_socket(settings)?,
        compressors: compressors(&settings.setting(&option::COMPRESSORS))?,
        tls: tls::config(settings)?,
    })
}

fn bind_addresses(settings: &Settings) -> Result<Vec<IpAddr>, ConfigError> {
    let ipv6 = settings.switch(&option::IPV6)?;
    let unspecified = both_families(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, ipv6);
    if settings.switch(&option::BIND_IP_ALL)? {
        return match settings.explicit(&option::BIND_IP) {
            None => Ok(unspecified),
            Some(list) => Err(ConfigError::Conflict {
                first: list.name.clone(),
                second: settings.setting(&option::BIND_IP_ALL).name,
            }),
        };
    }
    let setting = settings.setting(&option::BIND_IP);
    let mut addresses = Vec::new();
    for word in words(&setting)? {
        match word {
            "*" => addresses.extend(&unspecified),
            "localhost" => {
                let localhost = both_families(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, ipv6);
                addresses.extend(localhost);
            }
            _ => addresses.push(bind_address(&setting, word, ipv6)?),
        }
    }
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    Ok(seen)
}

fn bind_address(setting: &Setting, word: &str, ipv6: bool) -> Result<IpAddr, ConfigError> {
    let address = word
        .parse()
        .map_err(|_| setting.refuse("IP addresses, 'localhost' or '*', separated by commas"))?;
    match address {
        IpAddr::V6(_) if !ipv6 => {
            Err(setting.refuse("no IPv6 address without --ipv6 (net.ipv6: true)"))
        }
        address => Ok(address),
    }
}

fn both_families(v4: Ipv4Addr, v6: Ipv6Addr, ipv6: bool) -> Vec<IpAddr> {
    let mut addresses = vec![IpAddr::V4(v4)];
    if ipv6 {
        addresses.push(IpAddr::V6(v6));
    }
    addresses
}

/// Ranges of addresses; none if the option is not set.
fn ranges(settings: &Settings, option: &OptionSpec) -> Result<Vec<Cidr>, ConfigError> {
    let Some(setting) = settings.explicit(option) else {
        return Ok(Vec::new());
    };
    let range = |word: &str| {
        word.parse().map_err(|_| {
            setting.refuse("IP addresses and ranges such as 10.0.0.0/8, separated by commas")
        })
    };
    words(setting)?.into_iter().map(range).collect()
}

fn unix_socket(settings: &Settings) -> Result<Option<UnixSocketConfig>, ConfigError> {
    let path_prefix = path(settings, &option::UNIX_SOCKET_PREFIX)?.unwrap_or_default();
    let longest = path_prefix.join("mongodb-65535.sock");
    if longest.as_os_str().len() > UNIX_SOCKET_PATH_BYTES_MAX {
        let setting = settings.setting(&option::UNIX_SOCKET_PREFIX);
        let expected =
            format!("a folder whose socket's path has at most {UNIX_SOCKET_PATH_BYTES_MAX} bytes");
        return Err(setting.refuse(expected));
    }
    let file_permissions = settings.integer(&option::UNIX_SOCKET_PERMISSIONS)?;
    let enabled = settings.switch(&option::UNIX_SOCKET)?;
    Ok(enabled.then_some(UnixSocketConfig {
        path_prefix,
        file_permissions,
    }))
}

fn compressors(setting: &Setting) -> Result<Vec<Compressor>, ConfigError> {
    if setting.text == "disabled" {
        return Ok(Vec::new());
    }
    let mut compressors = Vec::new();
    for word in words(setting)? {
        let known = Compressor::from_name(word);
        match known {
            Some(compressor) if !compressors.contains(&compressor) => compressors.push(compressor),
            _ => {
                let expected = "'disabled' or a list of 'snappy', 'zstd' and 'zlib', each once";
                return Err(setting.refuse(expected));
            }
        }
    }
    Ok(compressors)
}

fn storage(settings: &Settings) -> Result<StorageConfig, ConfigError> {
    let engines = StorageEngine::ALL;
    Ok(StorageConfig {
        engine: settings.choice(&option::STORAGE_ENGINE, |word| {
            engines.into_iter().find(|engine| engine.name() == word)
        })?,
        db_path: path(settings, &option::DB_PATH)?.unwrap_or_default(),
    })
}

fn log(settings: &Settings) -> Result<LogConfig, ConfigError> {
    let append = settings.switch(&option::LOG_APPEND)?;
    let destination = match path(settings, &option::LOG_PATH)? {
        Some(path) => LogDestination::File { path, append },
        None => match settings.explicit(&option::LOG_DESTINATION) {
            Some(setting) => return Err(setting.refuse("systemLog.path beside it")),
            None => LogDestination::Stderr,
        },
    };
    if settings.explicit(&option::LOG_DESTINATION).is_some() {
        settings.choice(&option::LOG_DESTINATION, |word| {
            (word == "file").then_some(())
        })?;
    }
    Ok(LogConfig {
        destination,
        format: settings.choice(&option::LOG_FORMAT, |word| match word {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })?,
        verbosity: u8::try_from(settings.integer(&option::VERBOSITY)?).unwrap_or(u8::MAX),
        quiet: settings.switch(&option::QUIET)?,
    })
}

pub(super) fn path(
    settings: &Settings,
    option: &OptionSpec,
) -> Result<Option<PathBuf>, ConfigError> {
    let text = settings.text(option)?;
    Ok(text.map(|text| Path::new(&text).to_owned()))
}

/// The words of a list, at least one and none empty.
pub(super) fn words(setting: &Setting) -> Result<Vec<&str>, ConfigError> {
    let words: Vec<&str> = setting.text.split(',').map(str::trim).collect();
    if words.iter().any(|word| word.is_empty()) {
        return Err(setting.refuse("words separated by commas"));
    }
    Ok(words)
}
