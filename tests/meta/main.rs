//! Keeps the tree honest: reads the sources and documents as text and compares them with each other.
//!
//! Nothing here runs the server. `UPDATE_DOCS=1 cargo test --test meta` renews the printed documents.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod commands;
mod dependencies;
mod documents;
mod events;
mod generated;
mod layering;
mod source;
mod style;
