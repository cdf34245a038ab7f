//! The messages of etcd's API, generated from the excerpt beside this file.

pub(in crate::cluster) use etcd::*;

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, dead_code, clippy::pedantic, clippy::all)]
mod etcd;
