//! `buildInfo`, also as `buildinfo` (MongoDB manual, "buildInfo").
//!
//! Answered in full before signing in, as MongoDB up to 7.0 does: drivers and mongosh ask then.

use bson::{RawArrayBuf, rawdoc};

use super::hello::BSON_OBJECT_BYTES_MAX;
use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Access, Command, Spec};
use crate::error::CommandError;

/// The release whose behaviour this server has.
pub const MONGODB_VERSION: &str = "8.0.0";

arguments! {
    /// The fields of `buildInfo`.
    #[derive(Debug)]
    pub struct BuildInfo {
        /// Any value.
        "buildInfo" => value: Anything,
    }
}

impl Command for BuildInfo {
    const SPEC: Spec = Spec {
        aliases: &["buildinfo"],
        access: Access::Anyone,
        by_op_query: true,
        ..Spec::new(
            "buildInfo",
            "Answers which server this is and how it was built.",
        )
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let engines: RawArrayBuf = ["redb", "ephemeralForTest"].into_iter().collect();
        let version: RawArrayBuf = [8, 0, 0, 0].into_iter().collect();
        Ok(Reply::new()
            .with("version", MONGODB_VERSION)
            .with(
                "gitVersion",
                concat!("portcullis-", env!("CARGO_PKG_VERSION")),
            )
            .with("modules", RawArrayBuf::new())
            .with("allocator", "system")
            .with("javascriptEngine", "none")
            .with("sysInfo", "deprecated")
            .with("versionArray", version)
            .with("bits", 64)
            .with("debug", cfg!(debug_assertions))
            .with("maxBsonObjectSize", BSON_OBJECT_BYTES_MAX)
            .with("storageEngines", engines)
            .with(
                "portcullis",
                rawdoc! {
                    "version": env!("CARGO_PKG_VERSION"),
                    "storageEngine": context.services.directory.store_name(),
                },
            ))
    }
}
