//! Where audit events go, and what happens when they cannot.

use std::fmt;
use std::path::PathBuf;

use super::error::ConfigError;
use super::options as option;
use super::options::OptionSpec;
use super::settings::Settings;

/// Which events are written where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// Where they go.
    pub destination: AuditDestination,
    /// A filter in JSON, not read yet; `None` for all events.
    pub filter: Option<String>,
    /// What becomes of what should be audited and cannot be.
    pub on_failure: OnAuditFailure,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditDestination {
    /// A file, always appended to.
    File {
        /// Its path.
        path: PathBuf,
        /// What events look like in it.
        format: AuditFormat,
        /// Whether an event counts as written only once it is on the disk.
        sync: bool,
    },
    /// Standard output, in JSON.
    Console,
    /// The syslog of this machine, in JSON.
    Syslog,
}

/// What events look like in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFormat {
    /// A line each.
    Json,
    /// A document each.
    Bson,
}

/// What becomes of what should be audited and cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAuditFailure {
    /// It is refused and not done.
    Refuse,
    /// It is done without an event.
    Continue,
}

impl fmt::Display for AuditDestination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(formatter),
            Self::Console => formatter.write_str("console"),
            Self::Syslog => formatter.write_str("syslog"),
        }
    }
}

/// `None` without a destination; then nothing else about auditing may be set.
pub(super) fn audit(settings: &Settings) -> Result<Option<AuditConfig>, ConfigError> {
    let destination = &option::AUDIT_DESTINATION;
    if settings.explicit(destination).is_none() {
        let needs = format!("{} beside it", destination.yaml);
        let others = [&option::AUDIT_FILTER, &option::AUDIT_ON_FAILURE];
        settings.refuse_explicit(&others, &needs)?;
        settings.refuse_explicit(FILE_OPTIONS, &needs)?;
        return Ok(None);
    }
    let destination = match settings.setting(destination).text.as_str() {
        "file" => file(settings)?,
        word => {
            let destination = settings.choice(destination, |_| match word {
                "console" => Some(AuditDestination::Console),
                "syslog" => Some(AuditDestination::Syslog),
                _ => None,
            })?;
            settings.refuse_explicit(FILE_OPTIONS, "auditLog.destination 'file'")?;
            destination
        }
    };
    Ok(Some(AuditConfig {
        destination,
        filter: settings.text(&option::AUDIT_FILTER)?,
        on_failure: settings.choice(&option::AUDIT_ON_FAILURE, |word| match word {
            "refuse" => Some(OnAuditFailure::Refuse),
            "continue" => Some(OnAuditFailure::Continue),
            _ => None,
        })?,
    }))
}

/// What means nothing unless events go to a file.
const FILE_OPTIONS: &[&OptionSpec] = &[
    &option::AUDIT_FORMAT,
    &option::AUDIT_PATH,
    &option::AUDIT_SYNC,
];

fn file(settings: &Settings) -> Result<AuditDestination, ConfigError> {
    let path = settings.text(&option::AUDIT_PATH)?.ok_or_else(|| {
        let destination = settings.setting(&option::AUDIT_DESTINATION);
        destination.refuse("auditLog.path beside it")
    })?;
    Ok(AuditDestination::File {
        path: path.into(),
        format: settings.choice(&option::AUDIT_FORMAT, |word| match word {
            "JSON" => Some(AuditFormat::Json),
            "BSON" => Some(AuditFormat::Bson),
            _ => None,
        })?,
        sync: settings.switch(&option::AUDIT_SYNC)?,
    })
}
