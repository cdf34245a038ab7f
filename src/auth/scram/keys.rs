//! What the server checks a proof against, taken from a credential or made up.

use std::fmt;

use sha2::Sha256;

use super::hash::HashFunction;
use super::mechanism::ScramMechanism;
use crate::model::names::UserName;
use crate::model::user::{Credentials, ScramCredential};
use crate::secret::Secret;

/// Bytes of salt a SCRAM-SHA-1 credential has.
const SHA_1_SALT_BYTES: usize = 16;
/// Bytes of salt a SCRAM-SHA-256 credential has.
const SHA_256_SALT_BYTES: usize = 28;

/// The keys of one exchange.
pub struct Keys {
    pub(super) iteration_count: u32,
    pub(super) salt: Box<[u8]>,
    pub(super) pair: KeyPair,
    /// Whether the exchange fails whatever the proof is.
    pub(super) doomed: bool,
}

/// `StoredKey` and `ServerKey`, by the length of the mechanism's hash.
pub(super) enum KeyPair {
    Sha1(StoredKeys<20>),
    Sha256(StoredKeys<32>),
}

/// What RFC 5802 section 3 lets a server keep.
pub(super) struct StoredKeys<const KEY: usize> {
    pub(super) stored_key: Secret<[u8; KEY]>,
    pub(super) server_key: Secret<[u8; KEY]>,
}

impl Keys {
    /// Keys for whoever calls itself `user`, with the same work whether it exists or not.
    ///
    /// `credentials` are the user's, `None` if there is no such user. Without a credential for
    /// `mechanism` the keys are [doomed](Self::doomed). The HMACs for those are computed in any
    /// case: their time would tell who exists.
    pub fn for_sign_in(
        mechanism: ScramMechanism,
        credentials: Option<&Credentials>,
        secret: &Secret<[u8; 32]>,
        user: &UserName,
        iteration_count: u32,
    ) -> Self {
        let doomed = std::hint::black_box(Self::doomed(mechanism, secret, user, iteration_count));
        let found = match (mechanism, credentials) {
            (_, None | Some(Credentials::External)) => None,
            (ScramMechanism::Sha1, Some(Credentials::Stored { sha_1, .. })) => {
                sha_1.as_deref().map(Self::from)
            }
            (ScramMechanism::Sha256, Some(Credentials::Stored { sha_256, .. })) => {
                sha_256.as_deref().map(Self::from)
            }
        };
        found.unwrap_or(doomed)
    }

    /// Whether the exchange will fail, for want of a credential.
    pub fn is_doomed(&self) -> bool {
        self.doomed
    }

    /// Keys for a user who is unknown or has no credential for `mechanism`.
    ///
    /// The salt is an HMAC of mechanism and name, so the same user meets the same salt each time,
    /// and on each node that shares `secret`. The exchange takes all its steps and then fails with
    /// [`ScramError::Doomed`](super::ScramError::Doomed), whatever the proof is. `iteration_count`
    /// is the one new credentials get.
    pub fn doomed(
        mechanism: ScramMechanism,
        secret: &Secret<[u8; 32]>,
        user: &UserName,
        iteration_count: u32,
    ) -> Self {
        let salt = made_up(secret, "salt", mechanism, user);
        let key = made_up(secret, "key", mechanism, user);
        let (salt_bytes, pair) = match mechanism {
            ScramMechanism::Sha1 => {
                let mut short = [0; 20];
                short.copy_from_slice(&key[..20]);
                (
                    SHA_1_SALT_BYTES,
                    KeyPair::Sha1(StoredKeys::new(short, short)),
                )
            }
            ScramMechanism::Sha256 => (
                SHA_256_SALT_BYTES,
                KeyPair::Sha256(StoredKeys::new(key, key)),
            ),
        };
        Self {
            iteration_count,
            salt: salt[..salt_bytes].into(),
            pair,
            doomed: true,
        }
    }
}

impl<const SALT: usize> From<&ScramCredential<SALT, 20>> for Keys {
    fn from(credential: &ScramCredential<SALT, 20>) -> Self {
        Self {
            iteration_count: credential.iteration_count,
            salt: credential.salt.into(),
            pair: KeyPair::Sha1(StoredKeys::new(
                credential.stored_key,
                credential.server_key,
            )),
            doomed: false,
        }
    }
}

impl<const SALT: usize> From<&ScramCredential<SALT, 32>> for Keys {
    fn from(credential: &ScramCredential<SALT, 32>) -> Self {
        Self {
            iteration_count: credential.iteration_count,
            salt: credential.salt.into(),
            pair: KeyPair::Sha256(StoredKeys::new(
                credential.stored_key,
                credential.server_key,
            )),
            doomed: false,
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

impl<const KEY: usize> StoredKeys<KEY> {
    fn new(stored_key: [u8; KEY], server_key: [u8; KEY]) -> Self {
        Self {
            stored_key: Secret::new(stored_key),
            server_key: Secret::new(server_key),
        }
    }
}

/// HMAC-SHA-256 over `purpose`, mechanism, database and user.
///
/// Only the user's name may be of any form, and it comes last; the others hold no NUL. So no two
/// sets of parts have the same encoding.
fn made_up(
    secret: &Secret<[u8; 32]>,
    purpose: &str,
    mechanism: ScramMechanism,
    user: &UserName,
) -> [u8; 32] {
    let parts = [purpose, mechanism.name(), user.db().as_str(), user.user()];
    Sha256::hmac(secret.expose(), parts.join("\0").as_bytes())
}
