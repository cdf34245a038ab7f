//! PLAIN (RFC 4616): the client sends the password itself, on a connection nobody else can read.
//!
//! One message, [`ClientMessage`], and an empty answer. What is stored of the password is an Argon2id
//! hash; [`PlainPassword`] makes it and checks against it.

mod credential;
mod memory;
mod message;
mod sign_in;
mod users;

pub use credential::{Argon2Cost, PlainPassword};
pub use message::{ClientMessage, PlainError};
pub use users::PlainUsers;
