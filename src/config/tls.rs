//! `net.tls`: which options need or exclude each other, as in mongod.

use std::path::PathBuf;

use super::error::ConfigError;
use super::options as option;
use super::options::OptionSpec;
use super::resolve::{path, words};
use super::settings::{Setting, Settings};
use super::{TlsConfig, TlsMode, TlsProtocol};

/// Options that mean nothing without TLS. To ignore them would be to run without what they promise.
static NEED_TLS: [&OptionSpec; 5] = [
    &option::TLS_CERTIFICATE_KEY_FILE,
    &option::TLS_CA_FILE,
    &option::TLS_CRL_FILE,
    &option::TLS_ALLOW_CONNECTIONS_WITHOUT_CERTIFICATES,
    &option::TLS_DISABLED_PROTOCOLS,
];

/// `None` when TLS is disabled.
pub(super) fn config(settings: &Settings) -> Result<Option<TlsConfig>, ConfigError> {
    let mode = settings.choice(&option::TLS_MODE, |word| {
        if word == "disabled" {
            return Some(None);
        }
        let mut modes = TlsMode::ALL.into_iter();
        modes.find(|mode| mode.name() == word).map(Some)
    })?;
    let Some(mode) = mode else {
        settings.refuse_explicit(&NEED_TLS, "net.tls.mode beside it that is not disabled")?;
        return Ok(None);
    };
    Ok(Some(TlsConfig {
        mode,
        certificate_key_file: needed_path(settings, &option::TLS_CERTIFICATE_KEY_FILE)?,
        ca_file: needed_path(settings, &option::TLS_CA_FILE)?,
        crl_file: path(settings, &option::TLS_CRL_FILE)?,
        allow_connections_without_certificates: settings
            .switch(&option::TLS_ALLOW_CONNECTIONS_WITHOUT_CERTIFICATES)?,
        protocols: protocols(&settings.setting(&option::TLS_DISABLED_PROTOCOLS))?,
    }))
}

fn needed_path(settings: &Settings, needed: &'static OptionSpec) -> Result<PathBuf, ConfigError> {
    path(settings, needed)?.ok_or_else(|| {
        let mode = settings.setting(&option::TLS_MODE);
        mode.refuse(format!("{} beside it", needed.yaml))
    })
}

/// What is left when these are disabled.
fn protocols(disabled: &Setting) -> Result<Vec<TlsProtocol>, ConfigError> {
    let mut protocols = vec![TlsProtocol::Tls1_2, TlsProtocol::Tls1_3];
    for word in words(disabled)? {
        match word {
            "none" | "TLS1_0" | "TLS1_1" => {}
            "TLS1_2" => protocols.retain(|protocol| *protocol != TlsProtocol::Tls1_2),
            "TLS1_3" => protocols.retain(|protocol| *protocol != TlsProtocol::Tls1_3),
            _ => {
                let expected = "'none' or a list of 'TLS1_0', 'TLS1_1', 'TLS1_2' and 'TLS1_3'";
                return Err(disabled.refuse(expected));
            }
        }
    }
    if protocols.is_empty() {
        return Err(disabled.refuse("TLS1_2 or TLS1_3 to be left"));
    }
    Ok(protocols)
}
