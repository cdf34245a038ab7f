//! Counters that `serverStatus` shows. Relaxed atomics: each is exact, a set of them read while
//! commands run is not a snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

use bson::{RawDocumentBuf, rawdoc};

use super::registry;
use crate::model::mechanism::Mechanism;

/// Counts commands and sign-ins.
#[derive(Debug)]
pub struct Metrics {
    /// By the place of the command in the registry.
    commands: Vec<CommandCounters>,
    /// Requests for commands nobody knows.
    pub unknown_commands: Counter,
    /// Sign-ins.
    pub authentication: AuthenticationCounters,
    /// Waits for write concerns.
    pub write_concern: WriteConcernCounters,
}

/// Waits until other members have a change, all and those of defaults.
#[derive(Debug, Default)]
pub struct WriteConcernCounters {
    /// All waits.
    pub waits: Counter,
    /// Milliseconds they took, together.
    pub wait_ms: Counter,
    /// `wtimeout` was over.
    pub timeouts: Counter,
    /// The same where the write concern was not given by the client.
    pub default_timeouts: Counter,
    /// Not even all members could fulfil a write concern that was not given by the client.
    pub default_unsatisfiable: Counter,
}

/// Runs of one command.
#[derive(Debug, Default)]
pub struct CommandCounters {
    /// Runs that answered an error.
    pub failed: Counter,
    /// All runs.
    pub total: Counter,
}

/// Sign-ins by mechanism.
#[derive(Debug, Default)]
pub struct AuthenticationCounters {
    /// Hellos that asked for a user's mechanisms.
    pub supported_mechanisms: Counter,
    scram_sha_1: MechanismCounters,
    scram_sha_256: MechanismCounters,
    x509: MechanismCounters,
    plain: MechanismCounters,
}

/// Sign-ins by one mechanism.
#[derive(Debug, Default)]
pub struct MechanismCounters {
    /// All that began.
    pub received: Counter,
    /// All that ended well.
    pub successful: Counter,
    /// Of them, those that began in a hello.
    pub speculative_received: Counter,
    /// Of them, those that ended well.
    pub speculative_successful: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// As many as fit in a BSON number.
    pub fn get(&self) -> i64 {
        i64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        Self {
            commands: registry::COMMANDS
                .iter()
                .map(|_| CommandCounters::default())
                .collect(),
            unknown_commands: Counter::default(),
            authentication: AuthenticationCounters::default(),
            write_concern: WriteConcernCounters::default(),
        }
    }

    /// Counts a run of the command at `place` in the registry.
    pub fn ran(&self, place: usize, failed: bool) {
        if let Some(counters) = self.commands.get(place) {
            counters.total.increment();
            if failed {
                counters.failed.increment();
            }
        }
    }

    /// Each command's name and counters.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &CommandCounters)> {
        registry::COMMANDS
            .iter()
            .map(|entry| entry.spec.name)
            .zip(&self.commands)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl WriteConcernCounters {
    /// As `metrics.getLastError`, which is called after a command that mongod has no more.
    pub fn to_document(&self) -> RawDocumentBuf {
        rawdoc! {
            "wtime": { "num": self.waits.get(), "totalMillis": self.wait_ms.get() },
            "wtimeouts": self.timeouts.get(),
            "default": {
                "unsatisfiable": self.default_unsatisfiable.get(),
                "wtimeouts": self.default_timeouts.get(),
            },
        }
    }
}

impl AuthenticationCounters {
    /// The counters of `mechanism`.
    pub fn of(&self, mechanism: Mechanism) -> &MechanismCounters {
        match mechanism {
            Mechanism::ScramSha1 => &self.scram_sha_1,
            Mechanism::ScramSha256 => &self.scram_sha_256,
            Mechanism::X509 => &self.x509,
            Mechanism::Plain => &self.plain,
        }
    }

    /// A sign-in began.
    pub fn received(&self, mechanism: Mechanism, is_speculative: bool) {
        let counters = self.of(mechanism);
        counters.received.increment();
        if is_speculative {
            counters.speculative_received.increment();
        }
    }

    /// A sign-in ended well.
    pub fn succeeded(&self, mechanism: Mechanism, is_speculative: bool) {
        let counters = self.of(mechanism);
        counters.successful.increment();
        if is_speculative {
            counters.speculative_successful.increment();
        }
    }
}
