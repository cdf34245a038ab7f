//! All users and roles in memory, and the rules about what may change.

pub mod builtin;
