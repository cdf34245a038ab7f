//! SCRAM (RFC 5802, RFC 7677) as MongoDB uses it: messages, exchange and stored credentials.
//!
//! Nothing here reads a socket, a clock or the catalog. A sign-in is:
//!
//! 1. [`ClientFirst::parse`] tells the user's name;
//! 2. the caller looks the user up and makes [`Keys`], doomed ones if there is nothing to find;
//! 3. [`ClientFirst::respond`] gives the server's first message and an [`AwaitingFinal`];
//! 4. [`AwaitingFinal::finish`] checks the proof and gives the server's final message.
//!
//! The other side, for programs of ours that sign in somewhere, is [`ClientExchange`].
//!
//! Each state is used up by its step, so no step can be taken twice.

mod client;
mod credential;
mod error;
mod exchange;
mod hash;
mod keys;
mod mechanism;
mod messages;
#[cfg(test)]
mod tests;

pub use client::{ClientError, ClientExchange, ServerProof};
pub use credential::{Sha1Password, Sha256Password};
pub use error::ScramError;
pub use exchange::{AwaitingFinal, ServerNonce};
pub use keys::Keys;
pub use mechanism::ScramMechanism;
pub use messages::{ClientFirst, MESSAGE_BYTES_MAX, NONCE_BYTES_MAX};
