//! `getDefaultRWConcern` (MongoDB manual, "getDefaultRWConcern"): not on a standalone.

use std::time::SystemTime;

use bson::DateTime;

use super::set_default_rw_concern::not_on_standalone;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::services::Services;
use crate::command::spec::{Command, Spec};
use crate::command::write_concern::RwConcernDefaults;
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `getDefaultRWConcern`.
    #[derive(Debug)]
    pub struct GetDefaultRwConcern {
        /// Any value.
        "getDefaultRWConcern" => value: Anything,
        /// Repeated in the answer; everything is answered from memory.
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

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        if context.services.replica_set.is_none() {
            return Err(not_on_standalone(Self::SPEC.name));
        }
        let reply = in_force(context.services);
        Ok(if self.in_memory.0 {
            reply.with("inMemory", true)
        } else {
            reply
        })
    }
}

/// The defaults in force, and since when this member has them.
pub(super) fn in_force(services: &Services) -> Reply {
    let defaults = RwConcernDefaults::of(services.directory.catalog());
    let started = SystemTime::now().checked_sub(services.started.elapsed());
    let local = match defaults.updated {
        Some((_, date)) => date,
        None => started.map_or(DateTime::now(), DateTime::from_system_time),
    };
    Reply::from(defaults.to_reply()).with("localUpdateWallClockTime", local)
}
