//! The two SCRAM mechanisms there are.

use crate::model::mechanism::Mechanism;

/// A [`Mechanism`] that is SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramMechanism {
    /// RFC 7677.
    Sha256,
    /// RFC 5802.
    Sha1,
}

impl ScramMechanism {
    /// The mechanism, if it is SCRAM.
    pub fn of(mechanism: Mechanism) -> Option<Self> {
        match mechanism {
            Mechanism::ScramSha256 => Some(Self::Sha256),
            Mechanism::ScramSha1 => Some(Self::Sha1),
            Mechanism::X509 | Mechanism::Plain => None,
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => Mechanism::ScramSha256.name(),
            Self::Sha1 => Mechanism::ScramSha1.name(),
        }
    }
}
