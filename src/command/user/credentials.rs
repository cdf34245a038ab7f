//! From a password in a command to what is stored: which mechanisms, and their keys.

use crate::auth::hash_pool::Owner;
use crate::auth::scram::{Mechanism, PasswordError, Sha1Password, Sha256Password};
use crate::command::context::Context;
use crate::command::execute::until;
use crate::command::services::{Services, internal_error};
use crate::error::{CommandError, ErrorCode};
use crate::model::user::Credentials;
use crate::secret::Secret;

/// Longest password in bytes: preparing one takes time, and is not worth a thread of its own.
const PASSWORD_BYTES_MAX: usize = 64 * 1024;

/// A password that has passed every check, ready for the costly part.
pub(super) struct NewPassword {
    sha_1: Option<Sha1Password>,
    sha_256: Option<Sha256Password>,
}

/// What a command says about a user's password.
pub(super) struct PasswordRequest<'a> {
    /// The user's name without its database: SCRAM-SHA-1 digests it with the password.
    pub(super) user: &'a str,
    /// The password, or its digest.
    pub(super) password: Secret<String>,
    /// Whether the server digests it for SCRAM-SHA-1.
    pub(super) digest: bool,
    /// The mechanisms asked for; `None`: all that are enabled.
    pub(super) mechanisms: Option<&'a [String]>,
}

impl NewPassword {
    /// The checks of `createUser` and `updateUser`, in mongod's order.
    pub(super) fn check(
        request: PasswordRequest<'_>,
        services: &Services,
    ) -> Result<Self, CommandError> {
        let enabled = services.mechanisms();
        let wanted = match request.mechanisms {
            None => enabled.to_vec(),
            Some(names) => names
                .iter()
                .map(|name| enabled_mechanism(name, enabled))
                .collect::<Result<_, _>>()?,
        };
        let password = request.password;
        if password.expose().is_empty() {
            return Err(CommandError::bad_value("User passwords must not be empty"));
        }
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(CommandError::bad_value(format!(
                "User passwords must not be longer than {PASSWORD_BYTES_MAX} bytes"
            )));
        }
        let sha_256 = if wanted.contains(&Mechanism::ScramSha256) {
            if !request.digest {
                return Err(CommandError::bad_value(
                    "Use of SCRAM-SHA-256 requires undigested passwords",
                ));
            }
            Some(Sha256Password::prepare(&password).map_err(unusable)?)
        } else {
            None
        };
        let sha_1 = wanted.contains(&Mechanism::ScramSha1).then(|| {
            if request.digest {
                Sha1Password::digest(request.user, &password)
            } else {
                Sha1Password::digested_by_client(password)
            }
        });
        Ok(Self { sha_1, sha_256 })
    }

    /// Derives the keys on the hashing pool, each mechanism's on a thread of its own if one is free;
    /// the password is wiped when it is done.
    ///
    /// Ends with an error at the command's deadline: nothing is written yet.
    pub(super) async fn derive(self, context: &Context<'_>) -> Result<Credentials, CommandError> {
        let services = context.services;
        let rounds_1 = services.parameters.scram_sha1_iteration_count();
        let rounds_256 = services.parameters.scram_sha256_iteration_count();
        let job_1 = self.sha_1.map(|password| move || password.derive(rounds_1));
        let job_256 = self
            .sha_256
            .map(|password| move || password.derive(rounds_256));
        let owner = context.hash_owner();
        let both = async {
            tokio::try_join!(
                run(services, owner.clone(), job_1),
                run(services, owner.clone(), job_256)
            )
        };
        let (sha_1, sha_256) = until(context.deadline, both).await??;
        Ok(Credentials::Scram { sha_1, sha_256 })
    }
}

/// Runs the derivation of one mechanism, if it is wanted.
async fn run<T: Send + 'static>(
    services: &Services,
    owner: Owner,
    job: Option<impl FnOnce() -> Result<T, getrandom::Error> + Send + 'static>,
) -> Result<Option<Box<T>>, CommandError> {
    let Some(job) = job else {
        return Ok(None);
    };
    match services.hash_pool.run(owner, job).await {
        Ok(Ok(credential)) => Ok(Some(Box::new(credential))),
        Ok(Err(error)) => Err(internal_error("a random salt", &error)),
        Err(overloaded) => Err(CommandError::new(
            ErrorCode::OPERATION_FAILED,
            overloaded.to_string(),
        )),
    }
}

fn enabled_mechanism(name: &str, enabled: &[Mechanism]) -> Result<Mechanism, CommandError> {
    let mechanism = Mechanism::from_name(name)
        .ok_or_else(|| CommandError::bad_value(format!("Unknown auth mechanism '{name}'")))?;
    if enabled.contains(&mechanism) {
        Ok(mechanism)
    } else {
        Err(CommandError::bad_value(format!(
            "{name} not supported in authMechanisms"
        )))
    }
}

fn unusable(error: PasswordError) -> CommandError {
    CommandError::bad_value(format!(
        "Unable to use the password for SCRAM-SHA-256: {error}"
    ))
}
