//! Signing in: who gets in, who does not, and what each of them is told.

mod common;
#[path = "../support/mod.rs"]
mod support;

mod drivers;
mod failures;
mod first_admin;
mod live_sessions;
mod localhost_exception;
mod one_user;
mod races;
mod restrictions;
