//! Who is it: sign-in by password, and the hashing behind it.
//!
//! [`scram`] is the server side of SCRAM without any I/O; [`hash_pool`] keeps slow hashing off the
//! threads that serve connections.

pub mod hash_pool;
pub mod scram;
