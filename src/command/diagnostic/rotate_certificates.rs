//! `rotateCertificates` (MongoDB manual, "rotateCertificates").

use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::telemetry::events;

arguments! {
    /// The fields of `rotateCertificates`.
    #[derive(Debug)]
    pub struct RotateCertificates {
        /// Any value.
        "rotateCertificates" => value: Anything,
        /// A text for the log.
        "message" => message: Option<String>,
    }
}

impl Command for RotateCertificates {
    const SPEC: Spec = Spec {
        admin_only: true,
        is_interruptible: false,
        ..Spec::new(
            "rotateCertificates",
            "Reads the files of certificates again, for connections to come.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::RotateCertificates)])
    }

    /// Without TLS there is nothing to rotate, which is fine with mongod too.
    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        if let Some(tls) = &context.services.tls
            && let Err(error) = tls.rotate().await
        {
            events::certificates_kept(&error);
            // The file and the reason are for the operator.
            return Err(CommandError::new(
                ErrorCode::INVALID_SSL_CONFIGURATION,
                format!(
                    "{} cannot be used, the certificates in use stay; the server's log has the reason",
                    error.option()
                ),
            ));
        }
        events::certificates_rotated(self.message.as_deref());
        Ok(Reply::new())
    }
}
