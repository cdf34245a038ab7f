//! Who is it: sign-in by password or certificate, and the hashing behind it.
//!
//! [`scram`] is the server side of SCRAM without any I/O and [`plain`] that of PLAIN; [`sasl`] puts them
//! into `saslStart` and `saslContinue`. [`x509`] is `authenticate`. [`session`] keeps who is signed in on
//! a connection up to date; [`hash_pool`] keeps slow hashing off the threads that serve connections, and
//! [`verified`] remembers which passwords in clear were right. [`failed_sign_ins`], [`half_open`],
//! [`unauthenticated`] and [`stranger_lines`] limit what strangers cost.

pub mod failed_sign_ins;
pub mod half_open;
pub mod hash_pool;
pub mod origin;
pub mod password;
pub mod plain;
pub mod sasl;
pub mod scram;
pub mod session;
pub mod stranger_lines;
pub mod unauthenticated;
pub mod verified;
pub mod x509;
