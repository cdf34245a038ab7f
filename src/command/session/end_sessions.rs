//! `endSessions` (MongoDB manual, "endSessions").

use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::session::session_id::{SessionId, check_user};
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `endSessions`.
    #[derive(Debug)]
    pub struct EndSessions {
        /// The sessions' ids.
        "endSessions" => sessions: Vec<SessionId>,
    }
}

impl Command for EndSessions {
    const SPEC: Spec = Spec {
        api_version_1: true,
        ..Spec::new(
            "endSessions",
            "Ends logical sessions; unknown ones are passed over.",
        )
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        check_user(&context.connection.session)?;
        Ok(Reply::new())
    }
}
