//! From a password in a command to what is stored: which mechanisms, and their keys.

use std::fmt::Display;

use crate::auth::hash_pool::Share;
use crate::auth::password::PasswordError;
use crate::auth::plain::{Argon2Cost, PlainPassword};
use crate::auth::scram::{Sha1Password, Sha256Password};
use crate::command::services::internal_error;
use crate::config::parameters::Parameters;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::user::Credentials;
use crate::secret::Secret;

/// Longest password in bytes: preparing one takes time, and is not worth a thread of its own.
const PASSWORD_BYTES_MAX: usize = 64 * 1024;

/// A password that has passed every check, ready for the costly part.
#[derive(Debug)]
pub struct NewPassword {
    sha_1: Option<Sha1Password>,
    sha_256: Option<Sha256Password>,
    plain: Option<PlainPassword>,
}

/// What a command says about a user's password.
#[derive(Debug)]
pub struct PasswordRequest<'a> {
    /// The user's name without its database: SCRAM-SHA-1 digests it with the password.
    pub user: &'a str,
    /// The password, or its digest.
    pub password: Secret<String>,
    /// Whether the server digests it for SCRAM-SHA-1.
    pub digest: bool,
    /// The mechanisms asked for; `None`: every enabled one that never sends the password, or PLAIN
    /// where there is none of these.
    pub mechanisms: Option<&'a [String]>,
    /// Whether Milvus clients sign in as this user too: then PLAIN, which they need, can be asked for
    /// though it is not enabled, and is among the mechanisms that nobody asked for.
    pub is_of_milvus: bool,
}

impl PasswordRequest<'_> {
    fn wanted(&self, enabled: &[Mechanism]) -> Result<Vec<Mechanism>, CommandError> {
        let Some(names) = self.mechanisms else {
            // PLAIN is nothing for a password that its owner has digested.
            let plain = (self.is_of_milvus && self.digest).then_some(Mechanism::Plain);
            return usual_mechanisms(enabled, plain);
        };
        let mut possible = enabled.to_vec();
        possible.extend(self.is_of_milvus.then_some(Mechanism::Plain));
        let wanted = names.iter().map(|name| enabled_mechanism(name, &possible));
        wanted.collect()
    }
}

/// What hashing a password for PLAIN costs now.
pub fn argon2_cost(parameters: &Parameters) -> Argon2Cost {
    Argon2Cost {
        memory_kib: parameters.argon2_memory_kib(),
        iterations: parameters.argon2_iterations(),
        parallelism: parameters.argon2_parallelism(),
    }
}

impl NewPassword {
    /// The checks of `createUser` and `updateUser`, in mongod's order.
    pub fn check(
        request: PasswordRequest<'_>,
        parameters: &Parameters,
    ) -> Result<Self, CommandError> {
        let wanted = request.wanted(parameters.authentication_mechanisms())?;
        let is_wanted = |mechanism: Mechanism| wanted.contains(&mechanism);
        let password = request.password;
        if password.expose().is_empty() {
            return Err(CommandError::bad_value("User passwords must not be empty"));
        }
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(CommandError::bad_value(format!(
                "User passwords must not be longer than {PASSWORD_BYTES_MAX} bytes"
            )));
        }
        for mechanism in [Mechanism::ScramSha256, Mechanism::Plain] {
            if is_wanted(mechanism) && !request.digest {
                return Err(CommandError::bad_value(format!(
                    "Use of {mechanism} requires undigested passwords"
                )));
            }
        }
        let sha_256 = is_wanted(Mechanism::ScramSha256)
            .then(|| Sha256Password::prepare(&password))
            .transpose()
            .map_err(|error| unusable(Mechanism::ScramSha256, error))?;
        let plain = is_wanted(Mechanism::Plain)
            .then(|| PlainPassword::prepare(&password))
            .transpose()
            .map_err(|error| unusable(Mechanism::Plain, error))?;
        let sha_1 = is_wanted(Mechanism::ScramSha1).then(|| {
            if request.digest {
                Sha1Password::digest(request.user, &password)
            } else {
                Sha1Password::digested_by_client(password)
            }
        });
        Ok(Self {
            sha_1,
            sha_256,
            plain,
        })
    }

    /// A password for exactly these mechanisms, also for ones that are not enabled.
    pub fn prepare(
        user: &str,
        password: &Secret<String>,
        mechanisms: &[Mechanism],
    ) -> Result<Self, CommandError> {
        let is_wanted = |mechanism: Mechanism| mechanisms.contains(&mechanism);
        let sha_256 = is_wanted(Mechanism::ScramSha256)
            .then(|| Sha256Password::prepare(password))
            .transpose()
            .map_err(|error| unusable(Mechanism::ScramSha256, error))?;
        let plain = is_wanted(Mechanism::Plain)
            .then(|| PlainPassword::prepare(password))
            .transpose()
            .map_err(|error| unusable(Mechanism::Plain, error))?;
        let sha_1 = is_wanted(Mechanism::ScramSha1).then(|| Sha1Password::digest(user, password));
        Ok(Self {
            sha_1,
            sha_256,
            plain,
        })
    }

    /// Derives the keys on the hashing pool, each mechanism's on a thread of its own if one is free;
    /// the password is wiped when it is done.
    pub async fn derive(
        self,
        parameters: &Parameters,
        pool: Share<'_>,
    ) -> Result<Credentials, CommandError> {
        let rounds_1 = parameters.scram_sha1_iteration_count();
        let rounds_256 = parameters.scram_sha256_iteration_count();
        let cost = argon2_cost(parameters);
        let job_1 = self.sha_1.map(|password| move || password.derive(rounds_1));
        let job_256 = self
            .sha_256
            .map(|password| move || password.derive(rounds_256));
        let job_plain = self.plain.map(|password| move || password.derive(cost));
        let (sha_1, sha_256, plain) = tokio::try_join!(
            run(&pool, job_1),
            run(&pool, job_256),
            run(&pool, job_plain)
        )?;
        Ok(Credentials::Stored {
            sha_1,
            sha_256,
            plain,
        })
    }
}

/// Runs the derivation of one mechanism, if it is wanted.
async fn run<T: Send + 'static, E: Display + Send + 'static>(
    pool: &Share<'_>,
    job: Option<impl FnOnce() -> Result<T, E> + Send + 'static>,
) -> Result<Option<Box<T>>, CommandError> {
    let Some(job) = job else {
        return Ok(None);
    };
    match pool.run(job).await {
        Ok(Ok(credential)) => Ok(Some(Box::new(credential))),
        Ok(Err(error)) => Err(internal_error("a credential", &error)),
        Err(overloaded) => Err(CommandError::new(
            ErrorCode::OPERATION_FAILED,
            overloaded.to_string(),
        )),
    }
}

/// What a password is for unless mechanisms are named, `besides` in any case.
fn usual_mechanisms(
    enabled: &[Mechanism],
    besides: Option<Mechanism>,
) -> Result<Vec<Mechanism>, CommandError> {
    let is_enabled = |mechanism: &Mechanism| enabled.contains(mechanism);
    let scrams = Mechanism::SCRAMS.into_iter().filter(is_enabled);
    let usual: Vec<_> = scrams.chain(besides).collect();
    if !usual.is_empty() {
        return Ok(usual);
    }
    if is_enabled(&Mechanism::Plain) {
        return Ok(vec![Mechanism::Plain]);
    }
    Err(CommandError::bad_value(
        "User document needs 'credentials' field to be a non-empty object",
    ))
}

fn enabled_mechanism(name: &str, enabled: &[Mechanism]) -> Result<Mechanism, CommandError> {
    let mechanism = Mechanism::from_name(name)
        .filter(|mechanism| *mechanism != Mechanism::X509)
        .ok_or_else(|| CommandError::bad_value(format!("Unknown auth mechanism '{name}'")))?;
    if enabled.contains(&mechanism) {
        Ok(mechanism)
    } else {
        Err(CommandError::bad_value(format!(
            "{name} not supported in authMechanisms"
        )))
    }
}

fn unusable(mechanism: Mechanism, error: PasswordError) -> CommandError {
    CommandError::bad_value(format!(
        "Unable to use the password for {mechanism}: {error}"
    ))
}
