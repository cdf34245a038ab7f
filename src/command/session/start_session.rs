//! `startSession` (MongoDB manual, "startSession").

use bson::spec::BinarySubtype;
use bson::{Binary, rawdoc};

use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::handshake::hello::SESSION_TIMEOUT_MINUTES;
use crate::command::reply::Reply;
use crate::command::session::session_id::check_user;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `startSession`.
    #[derive(Debug)]
    pub struct StartSession {
        /// Any value.
        "startSession" => value: Anything,
    }
}

impl Command for StartSession {
    const SPEC: Spec = Spec::new("startSession", "Answers the id of a new logical session.");

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        check_user(&context.connection.session)?;
        let id = uuid::Uuid::new_v4();
        let id = Binary {
            subtype: BinarySubtype::Uuid,
            bytes: id.as_bytes().to_vec(),
        };
        Ok(Reply::new()
            .with("id", rawdoc! { "id": id })
            .with("timeoutMinutes", SESSION_TIMEOUT_MINUTES))
    }
}
