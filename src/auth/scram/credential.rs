//! From a password to what is stored of it (RFC 5802 section 3, as MongoDB prepares passwords).
//!
//! Preparing a password is cheap and may be refused; deriving a credential from it is slow on
//! purpose and belongs on a [`HashPool`](crate::auth::hash_pool::HashPool). Prepare first, then move
//! what is wanted into one job.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::hash::HashFunction;
use crate::auth::password::{PasswordError, saslprep};
use crate::model::user::{ScramCredential, ScramSha1Credential, ScramSha256Credential};
use crate::secret::Secret;

/// A password as SCRAM-SHA-1 hashes it. Wiped on drop.
#[derive(Debug)]
pub struct Sha1Password(Secret<String>);

impl Sha1Password {
    /// Lower-case hex MD5 of `user:mongo:password` (`digestPassword: true`).
    pub fn digest(user: &str, password: &Secret<String>) -> Self {
        let digest: Secret<[u8; 16]> = Secret::new(
            Md5::new()
                .chain_update(user)
                .chain_update(":mongo:")
                .chain_update(password.expose())
                .finalize()
                .into(),
        );
        // The capacity is exact: growing would leave a copy behind.
        let mut hex = String::with_capacity(2 * digest.expose().len());
        for byte in digest.expose() {
            hex.extend([byte >> 4, byte & 0xf].map(hex_digit));
        }
        Self(Secret::new(hex))
    }

    /// The text the client sent, which has digested the password (`digestPassword: false`).
    pub fn digested_by_client(password: Secret<String>) -> Self {
        Self(password)
    }

    /// A credential with a fresh salt. Slow: `iteration_count` rounds of PBKDF2-HMAC-SHA-1.
    ///
    /// Fails only if the operating system has no random bytes to give.
    pub fn derive(&self, iteration_count: u32) -> Result<ScramSha1Credential, getrandom::Error> {
        Ok(self.derive_with_salt(random_salt()?, iteration_count))
    }

    /// Whether `credential` was made from this password. As slow as [`derive`](Self::derive).
    pub fn matches(&self, credential: &ScramSha1Credential) -> bool {
        let derived = self.derive_with_salt(credential.salt, credential.iteration_count);
        Secret::new(derived.stored_key).matches(&credential.stored_key)
    }

    pub(super) fn derive_with_salt<const SALT: usize>(
        &self,
        salt: [u8; SALT],
        iteration_count: u32,
    ) -> ScramCredential<SALT, 20> {
        derive::<Sha1, SALT, 20>(&self.0, salt, iteration_count)
    }
}

/// A password as SCRAM-SHA-256 hashes it. Wiped on drop.
#[derive(Debug)]
pub struct Sha256Password(Secret<String>);

impl Sha256Password {
    /// SASLprep for stored strings: unassigned code points are refused.
    pub fn prepare(password: &Secret<String>) -> Result<Self, PasswordError> {
        saslprep(password).map(Self)
    }

    /// A credential with a fresh salt. Slow: `iteration_count` rounds of PBKDF2-HMAC-SHA-256.
    ///
    /// Fails only if the operating system has no random bytes to give.
    pub fn derive(&self, iteration_count: u32) -> Result<ScramSha256Credential, getrandom::Error> {
        Ok(self.derive_with_salt(random_salt()?, iteration_count))
    }

    /// Whether `credential` was made from this password. As slow as [`derive`](Self::derive).
    pub fn matches(&self, credential: &ScramSha256Credential) -> bool {
        let derived = self.derive_with_salt(credential.salt, credential.iteration_count);
        Secret::new(derived.stored_key).matches(&credential.stored_key)
    }

    /// `SaltedPassword` of RFC 5802 section 3, for a client.
    pub(super) fn salted(&self, salt: &[u8], iteration_count: u32) -> Secret<[u8; 32]> {
        Sha256::hi(self.0.expose().as_bytes(), salt, iteration_count)
    }

    pub(super) fn derive_with_salt<const SALT: usize>(
        &self,
        salt: [u8; SALT],
        iteration_count: u32,
    ) -> ScramCredential<SALT, 32> {
        derive::<Sha256, SALT, 32>(&self.0, salt, iteration_count)
    }
}

fn derive<Hash: HashFunction<KEY>, const SALT: usize, const KEY: usize>(
    password: &Secret<String>,
    salt: [u8; SALT],
    iteration_count: u32,
) -> ScramCredential<SALT, KEY> {
    let salted_password = Hash::hi(password.expose().as_bytes(), &salt, iteration_count);
    let client_key = Secret::new(Hash::hmac(salted_password.expose(), b"Client Key"));
    ScramCredential {
        iteration_count,
        salt,
        stored_key: Hash::h(client_key.expose()),
        server_key: Hash::hmac(salted_password.expose(), b"Server Key"),
    }
}

fn random_salt<const SALT: usize>() -> Result<[u8; SALT], getrandom::Error> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt)?;
    Ok(salt)
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::auth::scram::Keys;

    const SASLPREP: &str = include_str!("../../../fixtures/scram/saslprep.json");
    /// Few, for tests that do not care.
    const ROUNDS: u32 = 2;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn passwords_are_prepared_as_the_standard_says() {
        let rows: Vec<Value> = serde_json::from_str(SASLPREP).unwrap();
        assert!(rows.len() > 10);
        for row in rows {
            let password = row["password"].as_str().unwrap();
            match row["prepared"].as_str() {
                Some(prepared) => {
                    let salted = |text| {
                        let password = Sha256Password::prepare(&secret(text)).unwrap();
                        password.derive_with_salt([7; 28], ROUNDS)
                    };
                    assert!(salted(password) == salted(prepared), "{password:?}");
                }
                None => assert!(
                    Sha256Password::prepare(&secret(password)).is_err(),
                    "{password:?}"
                ),
            }
        }
        let nothing = Sha256Password::prepare(&secret("\u{ad}")).unwrap_err();
        assert_eq!(nothing, PasswordError::EmptyOncePrepared);
    }

    #[test]
    fn a_credential_knows_its_password_and_no_other() {
        let ann = Sha1Password::digest("ann", &secret("pencil"));
        let credential = ann.derive(ROUNDS).unwrap();
        assert_eq!(credential.iteration_count, ROUNDS);
        assert!(ann.matches(&credential));
        assert!(!Sha1Password::digest("bob", &secret("pencil")).matches(&credential));
        assert!(!Sha1Password::digested_by_client(secret("pencil")).matches(&credential));

        let pencil = Sha256Password::prepare(&secret("pencil")).unwrap();
        let credential = pencil.derive(ROUNDS).unwrap();
        assert_eq!(credential.iteration_count, ROUNDS);
        assert!(pencil.matches(&credential));
        let pen = Sha256Password::prepare(&secret("pen")).unwrap();
        assert!(!pen.matches(&credential));
    }

    #[test]
    fn salts_are_not_used_twice() {
        let password = Sha256Password::prepare(&secret("pencil")).unwrap();
        let (one, two) = (
            password.derive(ROUNDS).unwrap(),
            password.derive(ROUNDS).unwrap(),
        );
        assert_ne!(one.salt, two.salt);
        let password = Sha1Password::digest("ann", &secret("pencil"));
        let (one, two) = (
            password.derive(ROUNDS).unwrap(),
            password.derive(ROUNDS).unwrap(),
        );
        assert_ne!(one.salt, two.salt);
    }

    #[test]
    fn nothing_of_a_password_is_printed() {
        let password = Sha256Password::prepare(&secret("pencil")).unwrap();
        let keys = Keys::from(&password.derive(ROUNDS).unwrap());
        assert_eq!(format!("{password:?}"), "Sha256Password(<redacted>)");
        assert_eq!(format!("{keys:?}"), "<redacted>");
        let forbidden = Sha256Password::prepare(&secret("pen\u{7}cil")).unwrap_err();
        assert!(!forbidden.to_string().contains('\u{7}'));
    }
}
