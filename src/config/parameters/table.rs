//! The table of server parameters.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bson::{RawBson, rawdoc};

use super::{Mechanism, Parameters, sign_in_limits};
use crate::model::plain_credential::{
    ARGON2_ITERATIONS_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_MEMORY_KIB_MIN, ARGON2_PARALLELISM_MAX,
};

/// When a parameter may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAt {
    /// By option only.
    Startup,
    /// By option, and by `setParameter` while the server runs.
    StartupAndRuntime,
    /// Never.
    Never,
}

/// What a parameter is declared as.
#[derive(Debug)]
pub struct ParameterSpec {
    /// Its name.
    pub name: &'static str,
    /// When it may be set.
    pub set_at: SetAt,
    /// Its default, in the form of the command line.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether mongod has no such parameter.
    pub ours: bool,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A whole number in this range, both ends included.
    Integer {
        min: u32,
        max: u32,
        cell: fn(&Parameters) -> &AtomicU32,
    },
    Boolean(fn(&Parameters) -> &AtomicBool),
    Mechanisms,
    Constant(fn() -> RawBson),
}

impl ParameterSpec {
    /// Sets the parameter from the text of an option; the error says what is expected.
    pub(super) fn set_from_text(
        &self,
        parameters: &mut Parameters,
        text: &str,
    ) -> Result<(), String> {
        match &self.kind {
            Kind::Integer { min, max, cell } => match text.parse() {
                Ok(number) if (*min..=*max).contains(&number) => {
                    cell(parameters).store(number, Ordering::Relaxed);
                }
                _ => return Err(self.accepts()),
            },
            Kind::Boolean(cell) => match text {
                "true" | "1" => cell(parameters).store(true, Ordering::Relaxed),
                "false" | "0" => cell(parameters).store(false, Ordering::Relaxed),
                _ => return Err(self.accepts()),
            },
            Kind::Mechanisms => {
                let named = |word: &str| Mechanism::ALL.into_iter().find(|one| one.name() == word);
                let words = text.split(',').map(|word| named(word.trim()));
                let mut chosen = words
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| self.accepts())?;
                chosen.sort_by_key(|mechanism| mechanism.name());
                chosen.dedup();
                parameters.authentication_mechanisms = chosen;
            }
            Kind::Constant(_) => return Err(self.accepts()),
        }
        Ok(())
    }

    /// What the parameter accepts, to follow "expected".
    pub fn accepts(&self) -> String {
        match &self.kind {
            Kind::Integer { min, max, .. } => format!("an integer from {min} to {max}"),
            Kind::Boolean(_) => "true or false".to_owned(),
            Kind::Mechanisms => {
                let names = Mechanism::ALL.map(Mechanism::name);
                format!("a list of {}", names.join(", "))
            }
            Kind::Constant(_) => "nothing, it cannot be set".to_owned(),
        }
    }
}

/// The parameter of this name.
pub(super) fn find(name: &str) -> Option<&'static ParameterSpec> {
    PARAMETERS.iter().find(|spec| spec.name == name)
}

/// Every parameter, in alphabetical order.
pub(in crate::config) static PARAMETERS: &[ParameterSpec] = &[
    ParameterSpec {
        name: "allowBackupWithoutTLS",
        set_at: SetAt::Startup,
        default: "false",
        help: "Whether a backup may be sent to other machines without TLS, where others can read all keys \
               of users.",
        ours: true,
        kind: Kind::Boolean(|parameters| &parameters.allow_backup_without_tls),
    },
    ParameterSpec {
        name: "allowPlainWithoutTLS",
        set_at: SetAt::Startup,
        default: "false",
        help: "Whether PLAIN may be used over TCP without TLS, where others can read the password.",
        ours: true,
        kind: Kind::Boolean(|parameters| &parameters.allow_plain_without_tls),
    },
    ParameterSpec {
        name: "allowRolesFromX509Certificates",
        set_at: SetAt::Startup,
        default: "true",
        help: "Whether certificates may grant roles to whom they belong.",
        ours: false,
        kind: Kind::Boolean(|parameters| &parameters.allow_roles_from_x509_certificates),
    },
    ParameterSpec {
        name: "argon2Iterations",
        set_at: SetAt::StartupAndRuntime,
        default: "2",
        help: "Passes of Argon2id for the PLAIN credentials of passwords set from now on.",
        ours: true,
        kind: Kind::Integer {
            min: 1,
            max: ARGON2_ITERATIONS_MAX,
            cell: |parameters| &parameters.argon2_iterations,
        },
    },
    ParameterSpec {
        name: "argon2MemoryKiB",
        set_at: SetAt::StartupAndRuntime,
        default: "19456",
        help: "Memory in KiB that hashing or checking one password for PLAIN takes, for passwords set \
               from now on. Each hashing thread may take it at the same time.",
        ours: true,
        kind: Kind::Integer {
            min: ARGON2_MEMORY_KIB_MIN,
            max: ARGON2_MEMORY_KIB_MAX,
            cell: |parameters| &parameters.argon2_memory_kib,
        },
    },
    ParameterSpec {
        name: "argon2Parallelism",
        set_at: SetAt::StartupAndRuntime,
        default: "1",
        help: "Lanes of Argon2id for the PLAIN credentials of passwords set from now on.",
        ours: true,
        kind: Kind::Integer {
            min: 1,
            max: ARGON2_PARALLELISM_MAX,
            cell: |parameters| &parameters.argon2_parallelism,
        },
    },
    ParameterSpec {
        name: "auditAuthorizationSuccess",
        set_at: SetAt::StartupAndRuntime,
        default: "false",
        help: "Whether commands that are allowed are audited too; those that are refused always are.",
        ours: false,
        kind: Kind::Boolean(|parameters| &parameters.audit_authorization_success),
    },
    ParameterSpec {
        name: "authFailedDelayMs",
        set_at: SetAt::StartupAndRuntime,
        default: "0",
        help: "Milliseconds to hold back the answer to a failed sign-in.",
        ours: false,
        kind: Kind::Integer {
            min: 0,
            max: 5000,
            cell: |parameters| &parameters.auth_failed_delay_ms,
        },
    },
    ParameterSpec {
        name: "authSchemaVersion",
        set_at: SetAt::Never,
        default: "5",
        help: "Version of the layout of users and roles; mongodump and mongorestore ask for it.",
        ours: false,
        kind: Kind::Constant(|| RawBson::Int32(5)),
    },
    ParameterSpec {
        name: "authenticationMechanisms",
        set_at: SetAt::Startup,
        default: "MONGODB-X509,SCRAM-SHA-1,SCRAM-SHA-256",
        help: "Mechanisms that users may sign in with, separated by commas. PLAIN is there if it is \
               named; mongod's others are not supported.",
        ours: false,
        kind: Kind::Mechanisms,
    },
    ParameterSpec {
        name: "cursorTimeoutMillis",
        set_at: SetAt::StartupAndRuntime,
        default: "600000",
        help: "Milliseconds after which a cursor that nobody reads from is closed.",
        ours: false,
        kind: Kind::Integer {
            min: 1,
            max: 2_147_483_647,
            cell: |parameters| &parameters.cursor_timeout_millis,
        },
    },
    ParameterSpec {
        name: "enableLocalhostAuthBypass",
        set_at: SetAt::Startup,
        default: "true",
        help: "Whether clients on this machine may create the first user without signing in.",
        ours: false,
        kind: Kind::Boolean(|parameters| &parameters.enable_localhost_auth_bypass),
    },
    ParameterSpec {
        name: "enforceUserClusterSeparation",
        set_at: SetAt::Startup,
        default: "true",
        help: "Whether users are refused whose certificate would be that of a cluster member.",
        ours: false,
        kind: Kind::Boolean(|parameters| &parameters.enforce_user_cluster_separation),
    },
    sign_in_limits::FAILED_DELAY_LONGEST,
    sign_in_limits::FAILED_DELAY,
    sign_in_limits::FAILED_HALF_LIFE,
    sign_in_limits::FAILED_LIMITS_ON_LOOPBACK,
    sign_in_limits::FAILED_EVERYWHERE_FREE,
    sign_in_limits::FAILED_PER_ADDRESS_FREE,
    sign_in_limits::FAILED_PER_USER_FREE,
    ParameterSpec {
        name: "featureCompatibilityVersion",
        set_at: SetAt::Never,
        default: "8.0",
        help: "Always {version: \"8.0\"}, the version whose behaviour is offered.",
        ours: false,
        kind: Kind::Constant(|| RawBson::Document(rawdoc! { "version": "8.0" })),
    },
    sign_in_limits::HALF_OPEN_LIMIT,
    sign_in_limits::HALF_OPEN_PER_ADDRESS_LIMIT,
    ParameterSpec {
        name: "handshakeTimeoutMs",
        set_at: SetAt::Startup,
        default: "10000",
        help: "Milliseconds a new connection has to send its first complete message.",
        ours: true,
        kind: Kind::Integer {
            min: 1,
            max: 3_600_000,
            cell: |parameters| &parameters.handshake_timeout_ms,
        },
    },
    ParameterSpec {
        name: "hashingQueueMax",
        set_at: SetAt::Startup,
        default: "1024",
        help: "Password hashings that may wait for a thread; further ones are refused.",
        ours: true,
        kind: Kind::Integer {
            min: 1,
            max: 65_536,
            cell: |parameters| &parameters.hashing_queue_max,
        },
    },
    sign_in_limits::HASHING_QUEUE_PER_USER_LIMIT,
    ParameterSpec {
        name: "hashingThreads",
        set_at: SetAt::Startup,
        default: "0",
        help: "Threads that hash passwords; 0 means one for each processor.",
        ours: true,
        kind: Kind::Integer {
            min: 0,
            max: 256,
            cell: |parameters| &parameters.hashing_threads,
        },
    },
    ParameterSpec {
        name: "idleTimeoutMs",
        set_at: SetAt::Startup,
        default: "0",
        help: "Milliseconds after which an idle connection is closed; 0 means never.",
        ours: true,
        kind: Kind::Integer {
            min: 0,
            max: 604_800_000,
            cell: |parameters| &parameters.idle_timeout_ms,
        },
    },
    ParameterSpec {
        name: "scramIterationCount",
        set_at: SetAt::StartupAndRuntime,
        default: "10000",
        help: "Iterations for the SCRAM-SHA-1 credentials of passwords set from now on.",
        ours: false,
        kind: Kind::Integer {
            min: 5000,
            max: 10_000_000,
            cell: |parameters| &parameters.scram_sha1_iteration_count,
        },
    },
    ParameterSpec {
        name: "scramSHA256IterationCount",
        set_at: SetAt::StartupAndRuntime,
        default: "15000",
        help: "Iterations for the SCRAM-SHA-256 credentials of passwords set from now on.",
        ours: false,
        kind: Kind::Integer {
            min: 5000,
            max: 10_000_000,
            cell: |parameters| &parameters.scram_sha256_iteration_count,
        },
    },
    ParameterSpec {
        name: "shutdownTimeoutMillisForSignaledShutdown",
        set_at: SetAt::StartupAndRuntime,
        default: "15000",
        help: "Milliseconds at most that a member of a replica set goes on serving after SIGTERM while \
               clients turn to other members.",
        ours: false,
        kind: Kind::Integer {
            min: 0,
            max: 600_000,
            cell: |parameters| &parameters.quiesce_timeout_ms,
        },
    },
    ParameterSpec {
        name: "shutdownTimeoutMs",
        set_at: SetAt::Startup,
        default: "5000",
        help: "Milliseconds a stopping server waits for requests under way.",
        ours: true,
        kind: Kind::Integer {
            min: 0,
            max: 600_000,
            cell: |parameters| &parameters.shutdown_timeout_ms,
        },
    },
    sign_in_limits::SIGN_IN_TIMEOUT,
    sign_in_limits::UNAUTHENTICATED_PER_ADDRESS_LIMIT,
    sign_in_limits::UNAUTHENTICATED_TIMEOUT,
];
