//! `invalidateUserCache` (MongoDB manual, "invalidateUserCache").
//!
//! There is no cache to go stale: every session looks at the catalog again once it has changed.

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `invalidateUserCache`.
    #[derive(Debug)]
    pub struct InvalidateUserCache {
        /// Any value.
        "invalidateUserCache" => value: Anything,
    }
}

impl Command for InvalidateUserCache {
    const SPEC: Spec = Spec::new(
        "invalidateUserCache",
        "Does nothing: no user is ever remembered beyond a change of it.",
    );

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::InvalidateUserCache)])
    }

    async fn run(self, _: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        Ok(Reply::new())
    }
}
