//! Who is it: sign-in by password, and the hashing behind it.
//!
//! [`scram`] is the server side of SCRAM without any I/O; [`sasl`] puts it into `saslStart` and
//! `saslContinue`; [`session`] keeps who is signed in on a connection up to date; [`hash_pool`] keeps
//! slow hashing off the threads that serve connections.

pub mod failed_sign_ins;
pub mod half_open;
pub mod hash_pool;
pub mod origin;
pub mod sasl;
pub mod scram;
pub mod session;
pub mod unauthenticated;
