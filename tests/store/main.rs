//! The stores, what every one of them must do, and the directory over them.

// Helpers of a test binary stand outside `#[test]` functions, so clippy takes them for program code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod audited;
mod conformance;
mod damage;
mod directory;
mod disk;
mod faults;
mod faulty;
mod fixture;
mod folder;
mod model;
mod support;
