//! Checking a password that arrived in clear, and remembering which were right.
//!
//! An Argon2 run takes milliseconds and megabytes; a client that sends its password with each request
//! or each connection would pay it every time. What is remembered is a keyed hash over the user's id,
//! its credential and the password: useless without the key, which never leaves the process, and worth
//! nothing once the password is set again or the user made anew.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::Instant;

use super::failed_sign_ins::Guess;
use super::hash_pool::{Overloaded, Share};
use super::plain::{Argon2Cost, PlainPassword};
use crate::model::names::UserName;
use crate::model::plain_credential::PlainCredential;
use crate::model::user::User;
use crate::secret::Secret;

/// Users whose right password is remembered.
const VERIFIED_SECRETS_MAX: usize = 10_000;
/// How long one is remembered.
const VERIFIED_SECRET_AGE_MAX: Duration = Duration::from_mins(10);
/// The block of SHA-256: the key needs no padding.
const KEY_BYTES: usize = 64;

/// Where a password is checked and what that costs.
#[derive(Debug)]
pub struct Check<'a> {
    /// Where it is hashed.
    pub pool: Share<'a>,
    /// What checking the password of nobody costs.
    pub cost: Argon2Cost,
    /// What is told of the outcome, unless failures do not count.
    pub guess: Option<Arc<Guess>>,
}

/// Why a password was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unchecked {
    /// Too many wait.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// Others failed while it waited for a thread; it needs another turn.
    #[error("others failed before the password was looked at")]
    NotItsTurn,
}

/// Remembers which passwords were right. Holds no password.
pub struct VerifiedSecrets {
    key: Secret<[u8; KEY_BYTES]>,
    remembered: Mutex<HashMap<UserName, Remembered>>,
}

struct Remembered {
    mac: Secret<[u8; 32]>,
    since: Instant,
}

impl VerifiedSecrets {
    /// Remembers nothing yet. Fails only if the operating system has no random bytes to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key: Secret::new(key),
            remembered: Mutex::default(),
        })
    }

    /// Whether this very password of `user` was right a short while ago. Answers at once, which tells
    /// whoever measures it: only for users who will be let in.
    pub fn remembers(&self, user: Option<&User>, password: &Secret<String>) -> bool {
        let known = with_hash(user);
        // In any case: its time would tell who exists.
        let mac = self.mac(known, password);
        known.is_some_and(|(user, _)| self.has(&user.name, &mac))
    }

    /// Whether `password` is that of `user`, who may be nobody: then, and for a user without a hash,
    /// the answer is no after as much work. A right one is remembered; a wrong one is counted before
    /// another is looked at by the same thread.
    pub async fn verify(
        &self,
        user: Option<&User>,
        password: Secret<String>,
        check: Check<'_>,
    ) -> Result<bool, Unchecked> {
        let known = with_hash(user);
        let mac = self.mac(known, &password);
        let credential = known.map(|(_, credential)| credential.clone());
        let Check { pool, cost, guess } = check;
        let job = move || {
            if guess.as_ref().is_some_and(|guess| !guess.may_start()) {
                return Err(Unchecked::NotItsTurn);
            }
            let is_right = is_right(&password, credential.as_ref(), cost);
            if let Some(guess) = guess.filter(|_| !is_right) {
                guess.failed();
            }
            Ok(is_right)
        };
        let is_right = pool.run(job).await??;
        if let Some((user, _)) = known.filter(|_| is_right) {
            self.remember(user.name.clone(), mac);
        }
        Ok(is_right)
    }

    /// Remembers a password that was just set, as if it had been checked. `user` as it was stored.
    pub fn remember_set(&self, user: &User, password: &Secret<String>) {
        if let Some(credential) = user.credentials.plain() {
            let mac = self.mac(Some((user, credential)), password);
            self.remember(user.name.clone(), mac);
        }
    }

    /// Over id, hash and password. An id has a fixed length and a hash no NUL, so no two sets of parts
    /// have the same encoding.
    fn mac(
        &self,
        known: Option<(&User, &PlainCredential)>,
        password: &Secret<String>,
    ) -> Secret<[u8; 32]> {
        let id = known.map_or(uuid::Uuid::nil(), |(user, _)| user.user_id);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(self.key.expose().into());
        mac.update(id.as_bytes());
        mac.update(
            known
                .map_or("", |(_, credential)| credential.phc())
                .as_bytes(),
        );
        mac.update(b"\0");
        mac.update(password.expose().as_bytes());
        Secret::new(mac.finalize().into_bytes().into())
    }

    fn has(&self, user: &UserName, mac: &Secret<[u8; 32]>) -> bool {
        self.lock().get(user).is_some_and(|found| {
            found.since.elapsed() < VERIFIED_SECRET_AGE_MAX && found.mac.matches(mac.expose())
        })
    }

    fn remember(&self, user: UserName, mac: Secret<[u8; 32]>) {
        let since = Instant::now();
        let mut remembered = self.lock();
        if remembered.len() >= VERIFIED_SECRETS_MAX && !remembered.contains_key(&user) {
            make_room(&mut remembered);
        }
        remembered.insert(user, Remembered { mac, since });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserName, Remembered>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_hash(user: Option<&User>) -> Option<(&User, &PlainCredential)> {
    user.and_then(|user| Some((user, user.credentials.plain()?)))
}

/// Forgets who is past its time, or else the oldest.
fn make_room(remembered: &mut HashMap<UserName, Remembered>) {
    remembered.retain(|_, found| found.since.elapsed() < VERIFIED_SECRET_AGE_MAX);
    if remembered.len() < VERIFIED_SECRETS_MAX {
        return;
    }
    let oldest = remembered.iter().min_by_key(|(_, found)| found.since);
    if let Some(oldest) = oldest.map(|(user, _)| user.clone()) {
        remembered.remove(&oldest);
    }
}

fn is_right(
    password: &Secret<String>,
    credential: Option<&PlainCredential>,
    cost: Argon2Cost,
) -> bool {
    // What cannot be prepared was never set, for anybody.
    let Ok(password) = PlainPassword::prepare(password) else {
        return false;
    };
    match credential {
        Some(credential) => password.matches(credential),
        None => password.matches_nobody(cost),
    }
}

impl fmt::Debug for VerifiedSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::auth::hash_pool::{HashPool, Owner};
    use crate::auth::origin::Origin;
    use crate::model::names::DbName;
    use crate::model::restriction::Restrictions;
    use crate::model::user::Credentials;

    fn share(pool: &HashPool) -> Share<'_> {
        pool.share_of(Owner::Stranger(Origin::of(None)))
    }

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
    };

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn user(name: &str, password: &str) -> User {
        let plain = PlainPassword::prepare(&secret(password))
            .unwrap()
            .derive(CHEAP)
            .unwrap();
        User {
            name: UserName::new(name, DbName::ADMIN).unwrap(),
            user_id: uuid::Uuid::new_v4(),
            credentials: Credentials::Stored {
                sha_1: None,
                sha_256: None,
                plain: Some(Box::new(plain)),
            },
            restrictions: Restrictions::NONE,
            custom_data: None,
            roles: [].into(),
        }
    }

    struct Fixture {
        verified: VerifiedSecrets,
        pool: HashPool,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                verified: VerifiedSecrets::new().unwrap(),
                pool: HashPool::new(NonZeroUsize::MIN, 8, 8).unwrap(),
            }
        }

        async fn verify(&self, user: Option<&User>, password: &str) -> bool {
            let check = Check {
                pool: share(&self.pool),
                cost: CHEAP,
                guess: None,
            };
            let verified = self.verified.verify(user, secret(password), check);
            verified.await.unwrap()
        }

        fn remembers(&self, user: &User, password: &str) -> bool {
            self.verified.remembers(Some(user), &secret(password))
        }
    }

    #[tokio::test]
    async fn only_the_right_password_is_right_and_remembered() {
        let fixture = Fixture::new();
        let ann = user("ann", "pencil");
        assert!(!fixture.verify(Some(&ann), "pen").await);
        assert!(!fixture.remembers(&ann, "pen"));
        assert!(!fixture.remembers(&ann, "pencil"));
        assert!(fixture.verify(Some(&ann), "pencil").await);
        assert!(fixture.remembers(&ann, "pencil"));
        assert!(fixture.verify(Some(&ann), "pencil").await);
        assert!(!fixture.verify(Some(&ann), "pen").await);
        assert!(!fixture.verify(None, "pencil").await);
        assert!(!fixture.verify(Some(&ann), "pen\u{7}cil").await);
    }

    #[tokio::test]
    async fn who_has_no_hash_is_never_right() {
        let fixture = Fixture::new();
        let external = User {
            credentials: Credentials::External,
            ..user("ann", "pencil")
        };
        assert!(!fixture.verify(Some(&external), "pencil").await);
        assert!(!fixture.verify(Some(&external), "").await);
    }

    #[tokio::test]
    async fn a_new_hash_or_a_new_user_is_not_remembered() {
        let fixture = Fixture::new();
        let ann = user("ann", "pencil");
        assert!(fixture.verify(Some(&ann), "pencil").await);
        // The same password set again, and the same hash under another id.
        let set_again = User {
            credentials: user("ann", "pencil").credentials,
            ..ann.clone()
        };
        assert!(!fixture.remembers(&set_again, "pencil"));
        let made_anew = User {
            user_id: uuid::Uuid::new_v4(),
            ..ann.clone()
        };
        assert!(!fixture.remembers(&made_anew, "pencil"));
        let other = user("ann", "pen");
        assert!(!fixture.verify(Some(&other), "pencil").await);
        assert!(fixture.verify(Some(&other), "pen").await);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_ends() {
        let fixture = Fixture::new();
        let ann = user("ann", "pencil");
        assert!(fixture.verify(Some(&ann), "pencil").await);
        tokio::time::advance(VERIFIED_SECRET_AGE_MAX).await;
        assert!(!fixture.remembers(&ann, "pencil"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room() {
        let fixture = Fixture::new();
        let mac = || Secret::new([0; 32]);
        let name = |number: usize| UserName::new(&number.to_string(), DbName::ADMIN).unwrap();
        for number in 0..=VERIFIED_SECRETS_MAX {
            fixture.verified.remember(name(number), mac());
            if number == 0 {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        }
        assert_eq!(
            fixture.verified.remembered.lock().unwrap().len(),
            VERIFIED_SECRETS_MAX
        );
        assert!(!fixture.verified.has(&name(0), &mac()));
        assert!(fixture.verified.has(&name(VERIFIED_SECRETS_MAX), &mac()));
    }
}
