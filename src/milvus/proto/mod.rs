//! The messages of the Milvus API, generated from the excerpts beside this file.

/// `common.proto`.
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::all)]
pub mod common;
/// `milvus.proto`.
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::all)]
pub mod milvus;
