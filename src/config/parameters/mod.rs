//! Server parameters: what `setParameter` sets and `getParameter` shows.
//!
//! One table declares them all. Numbers are atomics read with relaxed loads: a reader may see a
//! change a moment late, never a torn value, and no lock is taken on the way of a request.
//! Parameters of mongod's without effect here are left out rather than stored; `docs/options.md`
//! names them.

mod sign_in_limits;
mod table;
#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use bson::{RawArrayBuf, RawBson, RawBsonRef};

pub use crate::model::mechanism::Mechanism;

use crate::error::{CommandError, ErrorCode};

use super::error::{ConfigError, nearest};
use super::settings::Setting;

pub use sign_in_limits::SignInLimits;
pub(super) use table::PARAMETERS;
use table::{Kind, find};
pub use table::{ParameterSpec, SetAt};

/// Why a parameter is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Nobody knows the name.
    #[error("attempted to set unrecognized parameter [{0}], use help:true to see options ")]
    Unknown(String),
    /// It is only set when the server starts, or never.
    #[error("not allowed to change [{0}] at runtime")]
    NotAtRuntime(&'static str),
    /// The value is not one that the parameter takes.
    #[error("Invalid value for parameter {name}: {found} is not {expected}")]
    BadValue {
        /// The parameter.
        name: &'static str,
        /// The value or its type.
        found: String,
        /// The bound it breaks, or the type that would do.
        expected: String,
    },
}

impl ParameterError {
    /// The answer of `setParameter`: codes 72, 20 and 2.
    pub fn to_command_error(&self) -> CommandError {
        let code = match self {
            Self::Unknown(_) => ErrorCode::INVALID_OPTIONS,
            Self::NotAtRuntime(_) => ErrorCode::ILLEGAL_OPERATION,
            Self::BadValue { .. } => ErrorCode::BAD_VALUE,
        };
        CommandError::new(code, self.to_string())
    }
}

/// The values in force.
#[derive(Debug)]
pub struct Parameters {
    authentication_mechanisms: Vec<Mechanism>,
    scram_sha1_iteration_count: AtomicU32,
    scram_sha256_iteration_count: AtomicU32,
    argon2_memory_kib: AtomicU32,
    argon2_iterations: AtomicU32,
    argon2_parallelism: AtomicU32,
    allow_backup_without_tls: AtomicBool,
    allow_plain_without_tls: AtomicBool,
    allow_roles_from_x509_certificates: AtomicBool,
    enforce_user_cluster_separation: AtomicBool,
    auth_failed_delay_ms: AtomicU32,
    cursor_timeout_millis: AtomicU32,
    audit_authorization_success: AtomicBool,
    enable_localhost_auth_bypass: AtomicBool,
    hashing_threads: AtomicU32,
    hashing_queue_max: AtomicU32,
    handshake_timeout_ms: AtomicU32,
    idle_timeout_ms: AtomicU32,
    quiesce_timeout_ms: AtomicU32,
    shutdown_timeout_ms: AtomicU32,
    sign_in_limits: SignInLimits,
}

impl Default for Parameters {
    /// The defaults of the table.
    fn default() -> Self {
        let mut parameters = Self {
            authentication_mechanisms: Vec::new(),
            scram_sha1_iteration_count: AtomicU32::default(),
            scram_sha256_iteration_count: AtomicU32::default(),
            argon2_memory_kib: AtomicU32::default(),
            argon2_iterations: AtomicU32::default(),
            argon2_parallelism: AtomicU32::default(),
            allow_backup_without_tls: AtomicBool::default(),
            allow_plain_without_tls: AtomicBool::default(),
            allow_roles_from_x509_certificates: AtomicBool::default(),
            enforce_user_cluster_separation: AtomicBool::default(),
            auth_failed_delay_ms: AtomicU32::default(),
            cursor_timeout_millis: AtomicU32::default(),
            audit_authorization_success: AtomicBool::default(),
            enable_localhost_auth_bypass: AtomicBool::default(),
            hashing_threads: AtomicU32::default(),
            hashing_queue_max: AtomicU32::default(),
            handshake_timeout_ms: AtomicU32::default(),
            idle_timeout_ms: AtomicU32::default(),
            quiesce_timeout_ms: AtomicU32::default(),
            shutdown_timeout_ms: AtomicU32::default(),
            sign_in_limits: SignInLimits::default(),
        };
        let settable = |spec: &&ParameterSpec| spec.set_at != SetAt::Never;
        for spec in PARAMETERS.iter().filter(settable) {
            let accepted = spec.set_from_text(&mut parameters, spec.default);
            debug_assert!(accepted.is_ok(), "the default of {} is bad", spec.name);
        }
        parameters
    }
}

impl Parameters {
    /// The defaults with what was set over them.
    pub(super) fn from_settings<'a>(
        settings: impl Iterator<Item = (&'a str, &'a Setting)>,
    ) -> Result<Self, ConfigError> {
        let mut parameters = Self::default();
        for (name, setting) in settings {
            let Some(spec) = find(name) else {
                return Err(ConfigError::UnknownParameter {
                    name: name.to_owned(),
                    place: setting.place.clone(),
                    nearest: nearest(name, PARAMETERS.iter().map(|spec| spec.name)),
                });
            };
            spec.set_from_text(&mut parameters, &setting.text)
                .map_err(|expected| setting.refuse(expected))?;
        }
        Ok(parameters)
    }

    /// Names of all parameters, in alphabetical order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PARAMETERS.iter().map(|spec| spec.name)
    }

    /// What the parameter is declared as, for `showDetails`.
    pub fn spec(name: &str) -> Option<&'static ParameterSpec> {
        find(name)
    }

    /// The value in force, as `getParameter` shows it; `None` for an unknown name.
    pub fn get(&self, name: &str) -> Option<RawBson> {
        let value = match &find(name)?.kind {
            Kind::Integer { cell, .. } => to_int32(cell(self).load(Ordering::Relaxed)),
            Kind::Boolean(cell) => RawBson::Boolean(cell(self).load(Ordering::Relaxed)),
            Kind::Mechanisms => {
                let names = self.authentication_mechanisms.iter().map(|one| one.name());
                RawBson::Array(names.collect::<RawArrayBuf>())
            }
            Kind::Constant(value) => value(),
        };
        Some(value)
    }

    /// Sets a parameter while the server runs and returns the value it had.
    pub fn set_at_runtime(
        &self,
        name: &str,
        value: RawBsonRef<'_>,
    ) -> Result<RawBson, ParameterError> {
        let spec = find(name).ok_or_else(|| ParameterError::Unknown(name.to_owned()))?;
        match (spec.set_at, &spec.kind) {
            (SetAt::StartupAndRuntime, Kind::Integer { min, max, cell }) => {
                let number = in_range(spec.name, value, *min, *max)?;
                Ok(to_int32(cell(self).swap(number, Ordering::Relaxed)))
            }
            (SetAt::StartupAndRuntime, Kind::Boolean(cell)) => {
                let new = truth(spec.name, value)?;
                Ok(RawBson::Boolean(cell(self).swap(new, Ordering::Relaxed)))
            }
            _ => Err(ParameterError::NotAtRuntime(spec.name)),
        }
    }

    /// `authenticationMechanisms`, at least one.
    pub fn authentication_mechanisms(&self) -> &[Mechanism] {
        &self.authentication_mechanisms
    }

    /// `scramIterationCount`: PBKDF2 rounds of new SCRAM-SHA-1 credentials, at least 5000.
    pub fn scram_sha1_iteration_count(&self) -> u32 {
        self.scram_sha1_iteration_count.load(Ordering::Relaxed)
    }

    /// `scramSHA256IterationCount`: PBKDF2 rounds of new SCRAM-SHA-256 credentials, at least 5000.
    pub fn scram_sha256_iteration_count(&self) -> u32 {
        self.scram_sha256_iteration_count.load(Ordering::Relaxed)
    }

    /// `argon2MemoryKiB`: memory that hashing a password for PLAIN takes, in KiB.
    pub fn argon2_memory_kib(&self) -> u32 {
        self.argon2_memory_kib.load(Ordering::Relaxed)
    }

    /// `argon2Iterations`: passes over that memory.
    pub fn argon2_iterations(&self) -> u32 {
        self.argon2_iterations.load(Ordering::Relaxed)
    }

    /// `argon2Parallelism`: lanes of that memory.
    pub fn argon2_parallelism(&self) -> u32 {
        self.argon2_parallelism.load(Ordering::Relaxed)
    }

    /// `allowBackupWithoutTLS`: whether a backup may be sent where others can read it.
    pub fn allow_backup_without_tls(&self) -> bool {
        self.allow_backup_without_tls.load(Ordering::Relaxed)
    }

    /// `allowPlainWithoutTLS`: whether PLAIN may be used where others can read it.
    pub fn allow_plain_without_tls(&self) -> bool {
        self.allow_plain_without_tls.load(Ordering::Relaxed)
    }

    /// `allowRolesFromX509Certificates`: whether certificates may grant roles.
    pub fn allow_roles_from_x509_certificates(&self) -> bool {
        self.allow_roles_from_x509_certificates
            .load(Ordering::Relaxed)
    }

    /// `enforceUserClusterSeparation`: whether no user may be created whose certificate would be that
    /// of a cluster member.
    pub fn enforce_user_cluster_separation(&self) -> bool {
        self.enforce_user_cluster_separation.load(Ordering::Relaxed)
    }

    /// `authFailedDelayMs`: how long the answer to a failed sign-in is held back.
    pub fn auth_failed_delay(&self) -> Duration {
        milliseconds(&self.auth_failed_delay_ms)
    }

    /// `cursorTimeoutMillis`: how long a cursor waits for who reads from it.
    pub fn cursor_timeout(&self) -> Duration {
        milliseconds(&self.cursor_timeout_millis)
    }

    /// `auditAuthorizationSuccess`: whether allowed commands are audited, not only refused ones.
    pub fn audit_authorization_success(&self) -> bool {
        self.audit_authorization_success.load(Ordering::Relaxed)
    }

    /// `enableLocalhostAuthBypass`: whether there is a localhost exception.
    pub fn enable_localhost_auth_bypass(&self) -> bool {
        self.enable_localhost_auth_bypass.load(Ordering::Relaxed)
    }

    /// `hashingThreads`, 0 already turned into the number of processors.
    pub fn hashing_threads(&self) -> usize {
        match self.hashing_threads.load(Ordering::Relaxed) {
            0 => available_parallelism().map_or(1, NonZero::get),
            threads => threads as usize,
        }
    }

    /// `hashingQueueMax`: requests that may wait for a hashing thread.
    pub fn hashing_queue_max(&self) -> usize {
        self.hashing_queue_max.load(Ordering::Relaxed) as usize
    }

    /// `handshakeTimeoutMs`: how long a new connection may stay silent.
    pub fn handshake_timeout(&self) -> Duration {
        milliseconds(&self.handshake_timeout_ms)
    }

    /// `idleTimeoutMs`: how long a connection may be idle; `None` for ever.
    pub fn idle_timeout(&self) -> Option<Duration> {
        Some(milliseconds(&self.idle_timeout_ms)).filter(|timeout| !timeout.is_zero())
    }

    /// What guards signing in.
    pub fn sign_in_limits(&self) -> &SignInLimits {
        &self.sign_in_limits
    }

    /// `shutdownTimeoutMillisForSignaledShutdown`: how long a member that is told to stop serves on while
    /// clients turn to others.
    pub fn quiesce_timeout(&self) -> Duration {
        milliseconds(&self.quiesce_timeout_ms)
    }

    /// `shutdownTimeoutMs`: how long a stopping server waits for requests under way.
    pub fn shutdown_timeout(&self) -> Duration {
        milliseconds(&self.shutdown_timeout_ms)
    }
}

fn to_int32(number: u32) -> RawBson {
    RawBson::Int32(i32::try_from(number).unwrap_or(i32::MAX))
}

fn milliseconds(cell: &AtomicU32) -> Duration {
    Duration::from_millis(cell.load(Ordering::Relaxed).into())
}

/// A truth value, or a number that stands for one.
fn truth(name: &'static str, value: RawBsonRef<'_>) -> Result<bool, ParameterError> {
    match value {
        RawBsonRef::Boolean(value) => Ok(value),
        RawBsonRef::Int32(number) => Ok(number != 0),
        RawBsonRef::Int64(number) => Ok(number != 0),
        RawBsonRef::Double(number) => Ok(number != 0.0),
        other => Err(ParameterError::BadValue {
            name,
            found: format!("a value of type {:?}", other.element_type()),
            expected: "true or false".to_owned(),
        }),
    }
}

/// Any BSON number without fraction, in the range.
fn in_range(
    name: &'static str,
    value: RawBsonRef<'_>,
    min: u32,
    max: u32,
) -> Result<u32, ParameterError> {
    let refuse = |found: String, expected: String| ParameterError::BadValue {
        name,
        found,
        expected,
    };
    let number = match value {
        RawBsonRef::Int32(number) => number.into(),
        RawBsonRef::Int64(number) => number,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast to i64 saturates, then the range decides"
        )]
        RawBsonRef::Double(number) if number.fract() == 0.0 => number as i64,
        RawBsonRef::Double(number) => {
            return Err(refuse(number.to_string(), "a whole number".to_owned()));
        }
        other => {
            let found = format!("a value of type {:?}", other.element_type());
            return Err(refuse(found, "a number".to_owned()));
        }
    };
    if number < min.into() {
        let expected = format!("greater than or equal to {min}");
        return Err(refuse(number.to_string(), expected));
    }
    match u32::try_from(number) {
        Ok(number) if number <= max => Ok(number),
        _ => {
            let expected = format!("less than or equal to {max}");
            Err(refuse(number.to_string(), expected))
        }
    }
}
