//! The parameters that guard signing in. mongod has none of them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::milliseconds;
use super::table::{Kind, ParameterSpec, SetAt};

/// The values in force.
#[derive(Debug, Default)]
pub struct SignInLimits {
    failed_delay_max_ms: AtomicU32,
    failed_delay_ms: AtomicU32,
    failed_everywhere_free: AtomicU32,
    failed_half_life_secs: AtomicU32,
    failed_limits_on_loopback: AtomicBool,
    failed_per_address_free: AtomicU32,
    failed_per_user_free: AtomicU32,
    half_open_max: AtomicU32,
    half_open_per_address_max: AtomicU32,
    hashing_queue_per_user_max: AtomicU32,
    timeout_ms: AtomicU32,
    unauthenticated_per_address_max: AtomicU32,
    unauthenticated_timeout_ms: AtomicU32,
}

impl SignInLimits {
    /// `failedSignInDelayMs`.
    pub fn failed_delay(&self) -> Duration {
        milliseconds(&self.failed_delay_ms)
    }

    /// `failedSignInDelayMaxMs`.
    pub fn failed_delay_max(&self) -> Duration {
        milliseconds(&self.failed_delay_max_ms)
    }

    /// `failedSignInHalfLifeSecs`, at least one second.
    pub fn failed_half_life(&self) -> Duration {
        Duration::from_secs(self.failed_half_life_secs.load(Ordering::Relaxed).into())
    }

    /// `failedSignInsPerAddressFree`; 0 is no limit.
    pub fn failed_per_address_free(&self) -> u32 {
        self.failed_per_address_free.load(Ordering::Relaxed)
    }

    /// `failedSignInsPerUserFree`; 0 is no limit.
    pub fn failed_per_user_free(&self) -> u32 {
        self.failed_per_user_free.load(Ordering::Relaxed)
    }

    /// `failedSignInsEverywhereFree`; 0 is no limit.
    pub fn failed_everywhere_free(&self) -> u32 {
        self.failed_everywhere_free.load(Ordering::Relaxed)
    }

    /// `failedSignInLimitsOnLoopback`: whether clients on this machine are limited like others.
    pub fn failed_limits_on_loopback(&self) -> bool {
        self.failed_limits_on_loopback.load(Ordering::Relaxed)
    }

    /// `halfOpenSignInsMax`.
    pub fn half_open_max(&self) -> usize {
        self.half_open_max.load(Ordering::Relaxed) as usize
    }

    /// `halfOpenSignInsPerAddressMax`.
    pub fn half_open_per_address_max(&self) -> usize {
        self.half_open_per_address_max.load(Ordering::Relaxed) as usize
    }

    /// `hashingQueuePerUserMax`.
    pub fn hashing_queue_per_user_max(&self) -> usize {
        self.hashing_queue_per_user_max.load(Ordering::Relaxed) as usize
    }

    /// `signInTimeoutMs`: from the first message of a sign-in to the last.
    pub fn timeout(&self) -> Duration {
        milliseconds(&self.timeout_ms)
    }

    /// `unauthenticatedConnectionsPerAddressMax`; `None` is no limit.
    pub fn unauthenticated_per_address_max(&self) -> Option<usize> {
        match self.unauthenticated_per_address_max.load(Ordering::Relaxed) {
            0 => None,
            max => Some(max as usize),
        }
    }

    /// `unauthenticatedTimeoutMs`; `None` is no limit.
    pub fn unauthenticated_timeout(&self) -> Option<Duration> {
        Some(milliseconds(&self.unauthenticated_timeout_ms)).filter(|timeout| !timeout.is_zero())
    }
}

pub(super) const FAILED_DELAY_LONGEST: ParameterSpec = ParameterSpec {
    name: "failedSignInDelayMaxMs",
    set_at: SetAt::StartupAndRuntime,
    default: "10000",
    help: "The longest wait after failed sign-ins, in milliseconds.",
    ours: true,
    kind: Kind::Integer {
        min: 0,
        max: 600_000,
        cell: |parameters| &parameters.sign_in_limits.failed_delay_max_ms,
    },
};

pub(super) const FAILED_DELAY: ParameterSpec = ParameterSpec {
    name: "failedSignInDelayMs",
    set_at: SetAt::StartupAndRuntime,
    default: "500",
    help: "The first wait once the free failures are used up, in milliseconds; each further failure \
           doubles it.",
    ours: true,
    kind: Kind::Integer {
        min: 1,
        max: 600_000,
        cell: |parameters| &parameters.sign_in_limits.failed_delay_ms,
    },
};

pub(super) const FAILED_HALF_LIFE: ParameterSpec = ParameterSpec {
    name: "failedSignInHalfLifeSecs",
    set_at: SetAt::StartupAndRuntime,
    default: "900",
    help: "Seconds after which half of the failures are forgotten.",
    ours: true,
    kind: Kind::Integer {
        min: 1,
        max: 604_800,
        cell: |parameters| &parameters.sign_in_limits.failed_half_life_secs,
    },
};

pub(super) const FAILED_LIMITS_ON_LOOPBACK: ParameterSpec = ParameterSpec {
    name: "failedSignInLimitsOnLoopback",
    set_at: SetAt::Startup,
    default: "false",
    help: "Whether the limits of failed, half-open and missing sign-ins of one address count for \
           clients on this machine, too. Set it where a proxy on this machine says nothing of its \
           clients.",
    ours: true,
    kind: Kind::Boolean(|parameters| &parameters.sign_in_limits.failed_limits_on_loopback),
};

pub(super) const FAILED_EVERYWHERE_FREE: ParameterSpec = ParameterSpec {
    name: "failedSignInsEverywhereFree",
    set_at: SetAt::StartupAndRuntime,
    default: "100",
    help: "Failed sign-ins of one user from any address before each further attempt is held back a \
           little; 0 turns that off.",
    ours: true,
    kind: Kind::Integer {
        min: 0,
        max: 1_000_000,
        cell: |parameters| &parameters.sign_in_limits.failed_everywhere_free,
    },
};

pub(super) const FAILED_PER_ADDRESS_FREE: ParameterSpec = ParameterSpec {
    name: "failedSignInsPerAddressFree",
    set_at: SetAt::StartupAndRuntime,
    default: "50",
    help: "Failed sign-ins from one address (IPv6: from one /64) before each further attempt waits; \
           0 turns that off.",
    ours: true,
    kind: Kind::Integer {
        min: 0,
        max: 1_000_000,
        cell: |parameters| &parameters.sign_in_limits.failed_per_address_free,
    },
};

pub(super) const FAILED_PER_USER_FREE: ParameterSpec = ParameterSpec {
    name: "failedSignInsPerUserFree",
    set_at: SetAt::StartupAndRuntime,
    default: "5",
    help: "Failed sign-ins of one user from one address before each further attempt waits; 0 turns \
           that off.",
    ours: true,
    kind: Kind::Integer {
        min: 0,
        max: 1_000_000,
        cell: |parameters| &parameters.sign_in_limits.failed_per_user_free,
    },
};

pub(super) const HALF_OPEN_LIMIT: ParameterSpec = ParameterSpec {
    name: "halfOpenSignInsMax",
    set_at: SetAt::StartupAndRuntime,
    default: "16384",
    help: "Sign-ins under way at one time; the oldest makes way for the next.",
    ours: true,
    kind: Kind::Integer {
        min: 1,
        max: 1_000_000,
        cell: |parameters| &parameters.sign_in_limits.half_open_max,
    },
};

pub(super) const HALF_OPEN_PER_ADDRESS_LIMIT: ParameterSpec = ParameterSpec {
    name: "halfOpenSignInsPerAddressMax",
    set_at: SetAt::StartupAndRuntime,
    default: "1024",
    help: "Of them, those of one address (IPv6: of one /64).",
    ours: true,
    kind: Kind::Integer {
        min: 1,
        max: 1_000_000,
        cell: |parameters| &parameters.sign_in_limits.half_open_per_address_max,
    },
};

pub(super) const HASHING_QUEUE_PER_USER_LIMIT: ParameterSpec = ParameterSpec {
    name: "hashingQueuePerUserMax",
    set_at: SetAt::Startup,
    default: "256",
    help: "Of the hashings that may wait, those of one user; further ones are refused.",
    ours: true,
    kind: Kind::Integer {
        min: 1,
        max: 65_536,
        cell: |parameters| &parameters.sign_in_limits.hashing_queue_per_user_max,
    },
};

pub(super) const SIGN_IN_TIMEOUT: ParameterSpec = ParameterSpec {
    name: "signInTimeoutMs",
    set_at: SetAt::StartupAndRuntime,
    default: "60000",
    help: "Milliseconds a sign-in may take from its first message to its last.",
    ours: true,
    kind: Kind::Integer {
        min: 1,
        max: 3_600_000,
        cell: |parameters| &parameters.sign_in_limits.timeout_ms,
    },
};

pub(super) const UNAUTHENTICATED_PER_ADDRESS_LIMIT: ParameterSpec = ParameterSpec {
    name: "unauthenticatedConnectionsPerAddressMax",
    set_at: SetAt::Startup,
    default: "0",
    help: "Connections of one address (IPv6: of one /64) on which nobody has signed in yet; further \
           ones are closed. 0 is no limit. Drivers watch the server by connections that never sign \
           in, up to three for each client.",
    ours: true,
    kind: Kind::Integer {
        min: 0,
        max: 1_000_000,
        cell: |parameters| &parameters.sign_in_limits.unauthenticated_per_address_max,
    },
};

pub(super) const UNAUTHENTICATED_TIMEOUT: ParameterSpec = ParameterSpec {
    name: "unauthenticatedTimeoutMs",
    set_at: SetAt::Startup,
    default: "0",
    help: "Milliseconds after which a connection is closed that waits for a message and on which \
           nobody has signed in; 0 means never. Drivers watch the server by connections that never \
           sign in: those that stream are left alone, others connect anew.",
    ours: true,
    kind: Kind::Integer {
        min: 0,
        max: 604_800_000,
        cell: |parameters| &parameters.sign_in_limits.unauthenticated_timeout_ms,
    },
};
