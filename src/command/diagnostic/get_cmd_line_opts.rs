//! `getCmdLineOpts` (MongoDB manual, "getCmdLineOpts").

use bson::{RawArrayBuf, RawDocumentBuf};

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::services::internal_error;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `getCmdLineOpts`.
    #[derive(Debug)]
    pub struct GetCmdLineOpts {
        /// Any value.
        "getCmdLineOpts" => value: Anything,
    }
}

impl Command for GetCmdLineOpts {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        ..Spec::new(
            "getCmdLineOpts",
            "Answers the command line and the options that were set explicitly.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::GetCmdLineOpts)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let config = &context.services.config;
        let words: RawArrayBuf = config.argv.iter().map(String::as_str).collect();
        let parsed = RawDocumentBuf::try_from(&config.parsed)
            .map_err(|error| internal_error("getCmdLineOpts", &error))?;
        Ok(Reply::new().with("argv", words).with("parsed", parsed))
    }
}
