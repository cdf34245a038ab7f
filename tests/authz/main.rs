//! Who may do what, and what of it is written where.

#[path = "../support/mod.rs"]
mod support;

mod log_leaks;
mod matrix;
mod own_account;
mod privileges;
