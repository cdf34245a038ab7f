//! Signing in and out.

pub mod authenticate;
pub mod guard;
pub mod logout;
pub mod sasl_continue;
pub mod sasl_start;
mod shared;
