//! From a password to an Argon2id hash (RFC 9106), and the check against one.
//!
//! Both are slow and take memory on purpose; they belong on a
//! [`HashPool`](crate::auth::hash_pool::HashPool).

use std::hint::black_box;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use super::memory;
use crate::auth::password::{PasswordError, saslprep};
use crate::model::plain_credential::PlainCredential;
use crate::secret::Secret;

/// Bytes of salt, as RFC 9106 section 3.1 recommends.
const SALT_BYTES: usize = 16;
/// Bytes of a hash.
const HASH_BYTES: usize = Params::DEFAULT_OUTPUT_LEN;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB; at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes, worked on one after the other.
    pub parallelism: u32,
}

/// A password as it is hashed for PLAIN. Wiped on drop.
#[derive(Debug)]
pub struct PlainPassword(Secret<String>);

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// The operating system has no random bytes to give.
    #[error("no random salt: {0}")]
    NoSalt(#[from] getrandom::Error),
    /// The memory is not there, or the cost is none that Argon2 knows.
    #[error("Argon2 failed: {0}")]
    Argon2(String),
}

impl PlainPassword {
    /// Prepares it by SASLprep, as for SCRAM-SHA-256.
    pub fn prepare(password: &Secret<String>) -> Result<Self, PasswordError> {
        saslprep(password).map(Self)
    }

    /// A hash with a fresh salt. Slow.
    pub fn derive(&self, cost: Argon2Cost) -> Result<PlainCredential, DeriveError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        let failed = |error: &dyn std::fmt::Display| DeriveError::Argon2(error.to_string());
        let phc = self.hash(&salt, cost).map_err(|error| failed(&error))?;
        PlainCredential::parse(&phc.to_string()).map_err(|error| failed(&error))
    }

    /// Whether `credential` was made from this password, whatever it cost then. Slow.
    pub fn matches(&self, credential: &PlainCredential) -> bool {
        let parsed = PasswordHash::new(credential.phc()).ok();
        let parts = parsed.and_then(|parsed| {
            let params = Params::try_from(&parsed).ok()?;
            Some((params, parsed.salt?, parsed.hash?))
        });
        // A credential was parsed before, so there are parts.
        parts.is_some_and(|(params, salt, wanted)| {
            let mut hash = vec![0; wanted.len()];
            let done = self.hash_into(params, &salt, &mut hash);
            done.is_ok() && bool::from(hash.ct_eq(wanted.as_bytes()))
        })
    }

    /// Takes as long as [`matches`](Self::matches) does with a credential of this cost, and matches
    /// nothing.
    pub fn matches_nobody(&self, cost: Argon2Cost) -> bool {
        let mut hash = [0; HASH_BYTES];
        let done = cost
            .params()
            .and_then(|params| self.hash_into(params, &[0; SALT_BYTES], &mut hash));
        let _ = black_box((done, hash));
        false
    }

    fn hash(
        &self,
        salt: &[u8; SALT_BYTES],
        cost: Argon2Cost,
    ) -> argon2::password_hash::Result<PasswordHash> {
        let params = cost.params()?;
        let mut hash = [0; HASH_BYTES];
        self.hash_into(params.clone(), salt, &mut hash)?;
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(&hash)?),
        })
    }

    fn hash_into(&self, params: Params, salt: &[u8], hash: &mut [u8]) -> argon2::Result<()> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        memory::run(&argon2, self.0.expose().as_bytes(), salt, hash)
    }
}

impl Argon2Cost {
    fn params(self) -> argon2::Result<Params> {
        Params::new(self.memory_kib, self.iterations, self.parallelism, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
    };

    fn password(text: &str) -> PlainPassword {
        PlainPassword::prepare(&Secret::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let pencil = password("pencil");
        let credential = pencil.derive(CHEAP).unwrap();
        assert!(credential.phc().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(pencil.matches(&credential));
        assert!(!password("pen").matches(&credential));
        assert!(!pencil.matches_nobody(CHEAP));
        // SASLprep maps a soft hyphen to nothing.
        assert!(password("pen\u{ad}cil").matches(&credential));
    }

    #[test]
    fn a_hash_of_any_cost_is_checked() {
        let pencil = password("pencil");
        for cost in [
            CHEAP,
            Argon2Cost {
                memory_kib: 128,
                iterations: 3,
                parallelism: 4,
            },
        ] {
            assert!(pencil.matches(&pencil.derive(cost).unwrap()));
        }
    }

    #[test]
    fn hashes_are_those_of_other_programs() {
        // Made by the reference implementation's command line tool.
        let known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
                     $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let credential = PlainCredential::parse(known).unwrap();
        assert!(password("password").matches(&credential));
        assert!(!password("differentpassword").matches(&credential));
    }

    #[test]
    fn salts_are_not_used_twice() {
        let pencil = password("pencil");
        assert_ne!(
            pencil.derive(CHEAP).unwrap().phc(),
            pencil.derive(CHEAP).unwrap().phc()
        );
    }

    #[test]
    fn a_cost_that_cannot_be_is_an_error() {
        let none = Argon2Cost {
            iterations: 0,
            ..CHEAP
        };
        let failed = password("pencil").derive(none).unwrap_err();
        assert!(matches!(failed, DeriveError::Argon2(_)));
    }
}
