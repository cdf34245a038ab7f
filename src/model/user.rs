//! A user as the catalog keeps it.

use bson::RawDocumentBuf;
use zeroize::Zeroize;

use super::mechanism::Mechanism;
use super::names::{RoleName, UserName};
use super::plain_credential::PlainCredential;
use super::restriction::Restrictions;

/// One user. Immutable: a change makes a new one.
///
/// Laid out for a million of them in memory: what is rare is behind a pointer.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Name and authentication database; unique.
    pub name: UserName,
    /// UUID v4 made at creation; tells a re-created user from the one a session signed in as.
    pub user_id: uuid::Uuid,
    /// How the user proves who it is.
    pub credentials: Credentials,
    /// Where the user may sign in from; empty means anywhere.
    pub restrictions: Restrictions,
    /// The administrator's own document about the user.
    pub custom_data: Option<Box<RawDocumentBuf>>,
    /// Roles granted directly, without duplicates.
    pub roles: Box<[RoleName]>,
}

/// How a user proves who it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Credentials {
    /// Verified elsewhere (`$external`).
    External,
    /// Stored here; at least one is present.
    Stored {
        /// Keys for SCRAM-SHA-1.
        sha_1: Option<Box<ScramSha1Credential>>,
        /// Keys for SCRAM-SHA-256.
        sha_256: Option<Box<ScramSha256Credential>>,
        /// The hash for PLAIN.
        plain: Option<Box<PlainCredential>>,
    },
}

impl Credentials {
    /// Whether there is one for `mechanism`. A certificate is for users whose credentials are kept
    /// elsewhere.
    pub fn has(&self, mechanism: Mechanism) -> bool {
        match (self, mechanism) {
            (Self::External, mechanism) => mechanism == Mechanism::X509,
            (Self::Stored { sha_1, .. }, Mechanism::ScramSha1) => sha_1.is_some(),
            (Self::Stored { sha_256, .. }, Mechanism::ScramSha256) => sha_256.is_some(),
            (Self::Stored { plain, .. }, Mechanism::Plain) => plain.is_some(),
            (Self::Stored { .. }, Mechanism::X509) => false,
        }
    }

    /// The hash for PLAIN, if there is one.
    pub fn plain(&self) -> Option<&PlainCredential> {
        match self {
            Self::Stored { plain, .. } => plain.as_deref(),
            Self::External => None,
        }
    }
}

/// SCRAM-SHA-1 keys: 16 bytes of salt, keys of 20.
pub type ScramSha1Credential = ScramCredential<16, 20>;
/// SCRAM-SHA-256 keys: 28 bytes of salt, keys of 32.
pub type ScramSha256Credential = ScramCredential<28, 32>;

/// What RFC 5802 section 3 lets a server keep: enough to check a proof, not enough to sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential<const SALT: usize, const KEY: usize> {
    /// PBKDF2 rounds.
    pub iteration_count: u32,
    /// Random per user and mechanism.
    pub salt: [u8; SALT],
    /// H(ClientKey).
    pub stored_key: [u8; KEY],
    /// Lets the server prove itself; whoever has it can pose as the server.
    pub server_key: [u8; KEY],
}

impl<const SALT: usize, const KEY: usize> std::fmt::Debug for ScramCredential<SALT, KEY> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("<redacted>")
    }
}

impl<const SALT: usize, const KEY: usize> Drop for ScramCredential<SALT, KEY> {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}
