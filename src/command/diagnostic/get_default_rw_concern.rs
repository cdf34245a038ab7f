//! `getDefaultRWConcern` (MongoDB manual, "getDefaultRWConcern"): not on a standalone.

use super::set_default_rw_concern::not_on_standalone;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `getDefaultRWConcern`.
    #[derive(Debug)]
    pub struct GetDefaultRwConcern {
        /// Any value.
        "getDefaultRWConcern" => value: Anything,
        /// Whether to answer from memory; it means nothing here.
        "inMemory" => in_memory: SafeBool = SafeBool(false),
    }
}

impl Command for GetDefaultRwConcern {
    const SPEC: Spec = Spec {
        admin_only: true,
        ..Spec::new(
            "getDefaultRWConcern",
            "Answers the deployment's default read and write concern.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::GetDefaultRWConcern)])
    }

    async fn run(self, _: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        Err(not_on_standalone(Self::SPEC.name))
    }
}
