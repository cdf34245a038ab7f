//! The SASL conversation of a connection: `saslStart`, `saslContinue` and their speculative form.
//!
//! An unknown user, a user without credentials for the mechanism and a wrong password look alike to
//! the client in every step (docs/security.md); the reason is only in [`SignInError::reason`], for
//! the log.

use std::fmt::Display;
use std::sync::Arc;

use super::failed_sign_ins::Guess;
use super::hash_pool::Share;
use super::plain::{Argon2Cost, PlainUsers};
use super::scram::{AwaitingFinal, ClientFirst, Keys, ScramMechanism, ServerNonce};
use super::session::{Session, SignedIn};
use super::verified::VerifiedSecrets;
use crate::authz::RolesFrom;
use crate::catalog::Catalog;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::names::{DbName, UserName};
use crate::model::user::User;
use crate::secret::Secret;

/// What the deployment says about signing in, as of now.
#[derive(Debug, Clone)]
pub struct Policy<'a> {
    /// Mechanisms that may be used.
    pub mechanisms: &'a [Mechanism],
    /// Who may use PLAIN.
    pub plain_users: PlainUsers<'a>,
    /// Rounds of PBKDF2 an unknown user seems to have, for SCRAM-SHA-1.
    pub sha_1_iterations: u32,
    /// The same for SCRAM-SHA-256.
    pub sha_256_iterations: u32,
    /// What the made-up salts of unknown users come from.
    pub secret: &'a Secret<[u8; 32]>,
    /// What checking the password of an unknown user costs.
    pub argon2_cost: Argon2Cost,
    /// Where passwords in clear are checked.
    pub hash_pool: Share<'a>,
    /// Which of them were right.
    pub verified: &'a VerifiedSecrets,
    /// What is told of one that was wrong, unless failures do not count.
    pub guess: Option<Arc<Guess>>,
}

impl Policy<'_> {
    fn iteration_count(&self, mechanism: ScramMechanism) -> u32 {
        match mechanism {
            ScramMechanism::Sha1 => self.sha_1_iterations,
            ScramMechanism::Sha256 => self.sha_256_iterations,
        }
    }
}

/// A `saslStart`.
#[allow(clippy::struct_excessive_bools)] // independent facts, each named where it is set
#[derive(Debug)]
pub struct Start<'a> {
    /// The database that authenticates the user.
    pub db: &'a DbName,
    /// The mechanism as the client names it.
    pub mechanism: &'a str,
    /// The client's first message, which may be a password.
    pub payload: &'a Secret<Vec<u8>>,
    /// Whether the client does without the empty third exchange.
    pub skip_empty_exchange: bool,
    /// Whether it came inside a hello.
    pub is_speculative: bool,
    /// Whether nobody else can read the connection: TLS, or a Unix domain socket.
    pub is_private: bool,
    /// Whether the client forbids everything that is not in the stable API.
    pub is_api_strict: bool,
}

/// A `saslContinue`.
#[derive(Debug)]
pub struct Continue<'a> {
    /// The number the server gave the conversation, which is always 1.
    pub conversation_id: i32,
    /// The client's next message.
    pub payload: &'a [u8],
    /// Whether the client forbids everything that is not in the stable API.
    pub is_api_strict: bool,
}

/// The server's next message.
#[derive(Debug)]
pub struct Challenge {
    /// Whether the user is signed in now.
    pub done: bool,
    /// What the mechanism says.
    pub payload: Vec<u8>,
}

/// A conversation between two messages of the client.
#[derive(Debug)]
pub struct Conversation {
    attempt: Attempt,
    step: Step,
    skip_empty_exchange: bool,
}

/// Who tries to sign in, and how; for logs and counters.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The name the client gave.
    pub user: UserName,
    /// The mechanism it uses.
    pub mechanism: Mechanism,
    /// Whether it began inside a hello.
    pub is_speculative: bool,
}

#[derive(Debug)]
enum Step {
    /// The challenge is out; the proof must come. `None`: there is nobody to sign in.
    Proof {
        exchange: AwaitingFinal,
        user: Option<Arc<User>>,
    },
    /// The proof held; the client still owes an empty message.
    Empty { user: Arc<User> },
}

/// A sign-in that did not work.
#[derive(Debug)]
pub struct SignInError {
    /// What the client is told.
    pub error: CommandError,
    /// What really happened, for the log only.
    pub reason: String,
    /// Who tried, as far as that is known.
    pub attempt: Option<Attempt>,
    /// Nothing was looked at: it needs another turn, and nobody is told.
    pub needs_another_turn: bool,
}

impl SignInError {
    /// The client is told nothing but that it failed.
    pub(super) fn failed(reason: &dyn Display, attempt: Option<Attempt>) -> Box<Self> {
        Box::new(Self {
            error: CommandError::authentication_failed(),
            reason: reason.to_string(),
            attempt,
            needs_another_turn: false,
        })
    }

    /// The user was dropped while it signed in, or there is none of this name.
    pub(super) fn user_is_gone(attempt: &Attempt) -> Box<Self> {
        let error = CommandError::user_not_found(attempt.user.user(), attempt.user.db());
        Self::told(error, Some(attempt.clone()))
    }

    /// The client is told the reason.
    pub(super) fn told(error: CommandError, attempt: Option<Attempt>) -> Box<Self> {
        Box::new(Self {
            reason: error.message.clone(),
            error,
            attempt,
            needs_another_turn: false,
        })
    }

    fn protocol(message: &str) -> Box<Self> {
        Self::told(CommandError::new(ErrorCode::PROTOCOL_ERROR, message), None)
    }
}

impl Session {
    /// Who has begun to sign in and not come to an end.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.conversation
            .as_ref()
            .map(|conversation| &conversation.attempt)
    }

    /// The attempt that a `saslStart` would put an end to. What began in a hello, or after one that
    /// asked for mechanisms, is taken up by it instead.
    pub fn attempt_to_replace(&self) -> Option<&Attempt> {
        self.open_attempt()
            .filter(|attempt| !attempt.is_speculative && !self.has_negotiated)
    }

    /// The user whose password the client's next message has to prove, if it is its turn to.
    pub fn user_to_prove(&self) -> Option<&UserName> {
        let conversation = self.conversation.as_ref()?;
        matches!(conversation.step, Step::Proof { .. }).then_some(&conversation.attempt.user)
    }

    /// Begins a conversation; one that was open is abandoned. Where one message is enough, the
    /// challenge is `done`.
    pub async fn sasl_start(
        &mut self,
        start: &Start<'_>,
        policy: &Policy<'_>,
        catalog: &Catalog,
    ) -> Result<(Challenge, Attempt), Box<SignInError>> {
        self.abandon_conversation();
        // On `$external` a name for PLAIN says its database.
        let mechanism = Mechanism::from_name(start.mechanism)
            .filter(|mechanism| *mechanism == Mechanism::Plain || !start.db.is_external());
        // Never in a hello: a client that lets the server choose must not send its password first.
        let may_be_plain = !start.is_speculative && policy.plain_users.may_be_from(start.db);
        match mechanism.map(|mechanism| (mechanism, ScramMechanism::of(mechanism))) {
            Some((mechanism, Some(scram))) => {
                self.scram_start(start, (mechanism, scram), policy, catalog)
            }
            Some((Mechanism::Plain, None)) if may_be_plain => {
                self.plain_start(start, policy, catalog).await
            }
            _ => Err(SignInError::told(mechanism_unavailable(start), None)),
        }
    }

    fn scram_start(
        &mut self,
        start: &Start<'_>,
        (mechanism, scram): (Mechanism, ScramMechanism),
        policy: &Policy<'_>,
        catalog: &Catalog,
    ) -> Result<(Challenge, Attempt), Box<SignInError>> {
        let first = ClientFirst::parse(start.payload.expose())
            .map_err(|error| SignInError::failed(&error, None))?;
        let name = UserName::new(first.user(), start.db.clone())
            .map_err(|error| SignInError::failed(&error, None))?;
        let attempt = Attempt {
            user: name,
            mechanism,
            is_speculative: start.is_speculative,
        };
        if !policy.mechanisms.contains(&mechanism) {
            return Err(SignInError::failed(
                &"the mechanism is not enabled",
                Some(attempt),
            ));
        }
        let user = catalog.user(&attempt.user);
        let keys = Keys::for_sign_in(
            scram,
            user.as_ref().map(|user| &user.credentials),
            policy.secret,
            &attempt.user,
            policy.iteration_count(scram),
        );
        // A driver goes on with what its hello began and looks at `saslSupportedMechs` only if
        // nothing was begun. That field tells who has no credential for the mechanism, so this does
        // not tell more; unknown users are listed with every mechanism and begin with each.
        if start.is_speculative && user.is_some() && keys.is_doomed() {
            let reason = "the user has no credential for the mechanism";
            return Err(SignInError::failed(&reason, Some(attempt)));
        }
        let nonce = ServerNonce::random()
            .map_err(|error| SignInError::failed(&error, Some(attempt.clone())))?;
        let (payload, exchange) = first.respond(keys, &nonce);
        self.conversation = Some(Conversation {
            attempt: attempt.clone(),
            step: Step::Proof { exchange, user },
            skip_empty_exchange: start.skip_empty_exchange,
        });
        let challenge = Challenge {
            done: false,
            payload,
        };
        Ok((challenge, attempt))
    }

    /// Takes the client's next message. After an error, or when it is done, the conversation is
    /// over.
    pub fn sasl_continue(
        &mut self,
        next: &Continue<'_>,
        catalog: &Catalog,
    ) -> Result<(Challenge, Attempt), Box<SignInError>> {
        let has_negotiated = std::mem::take(&mut self.has_negotiated);
        let conversation = self.conversation.take().ok_or_else(|| {
            SignInError::protocol(if has_negotiated {
                "saslContinue must follow saslStart"
            } else {
                "No SASL session state found"
            })
        })?;
        if next.conversation_id != 1 {
            return Err(SignInError::protocol("sasl: Mismatched conversation id"));
        }
        let Conversation {
            attempt,
            step,
            skip_empty_exchange,
        } = conversation;
        let failed = |reason: &dyn Display| SignInError::failed(reason, Some(attempt.clone()));
        match step {
            Step::Proof { exchange, user } => {
                let proved = exchange.finish(next.payload).map_err(|error| match &user {
                    Some(_) => failed(&error),
                    None => {
                        failed(&"there is no such user, or it has no credentials for the mechanism")
                    }
                })?;
                let user = user.ok_or_else(|| failed(&"there is no such user"))?;
                if skip_empty_exchange {
                    self.finish(&user, &attempt, next.is_api_strict, catalog)?;
                } else {
                    // The server's signature says that the password is right.
                    self.admit(&user, &attempt, catalog)?;
                    self.conversation = Some(Conversation {
                        attempt: attempt.clone(),
                        step: Step::Empty { user },
                        skip_empty_exchange,
                    });
                }
                Ok((
                    Challenge {
                        done: skip_empty_exchange,
                        payload: proved,
                    },
                    attempt,
                ))
            }
            Step::Empty { user } => {
                if !next.payload.is_empty() {
                    return Err(failed(&"the last message is not empty"));
                }
                self.finish(&user, &attempt, next.is_api_strict, catalog)?;
                Ok((
                    Challenge {
                        done: true,
                        payload: Vec::new(),
                    },
                    attempt,
                ))
            }
        }
    }

    /// The proof held against `proved`; the user may have changed while it was made.
    pub(super) fn finish(
        &mut self,
        proved: &User,
        attempt: &Attempt,
        is_api_strict: bool,
        catalog: &Catalog,
    ) -> Result<(), Box<SignInError>> {
        let signed_in = self.admit(proved, attempt, catalog)?;
        self.sign_in(signed_in, is_api_strict)
            .map_err(|error| SignInError::told(error, Some(attempt.clone())))
    }

    /// Whether the user is still who was proved, and may come from here.
    pub(super) fn admit(
        &self,
        proved: &User,
        attempt: &Attempt,
        catalog: &Catalog,
    ) -> Result<SignedIn, Box<SignInError>> {
        let generation = catalog.generation();
        let _hold = catalog.hold();
        let current = catalog
            .user(&attempt.user)
            .filter(|user| user.user_id == proved.user_id)
            .ok_or_else(|| SignInError::user_is_gone(attempt))?;
        if current.credentials != proved.credentials {
            let reason = "the credentials changed during the conversation";
            return Err(SignInError::failed(&reason, Some(attempt.clone())));
        }
        let from = RolesFrom::Catalog;
        SignedIn::resolve(current, from, catalog, generation, self.endpoints())
            .map_err(|unmet| SignInError::failed(&unmet, Some(attempt.clone())))
    }
}

pub(super) fn mechanism_unavailable(start: &Start<'_>) -> CommandError {
    CommandError::new(
        ErrorCode::MECHANISM_UNAVAILABLE,
        format!(
            "Unsupported mechanism '{}' on authentication database '{}'",
            start.mechanism, start.db
        ),
    )
}
