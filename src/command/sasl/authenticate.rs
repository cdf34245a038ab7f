//! `authenticate` (driver authentication specification, "MONGODB-X509").

use bson::raw::RawDocument;

use super::shared::{failed, succeeded};
use crate::auth::sasl::{Attempt, SignInError};
use crate::auth::x509::{self, CertificatePolicy};
use crate::authz::Pass;
use crate::command::arguments::{Arguments, Path, Rules, arguments};
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::spec::{Access, Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::mechanism::Mechanism;
use crate::model::names::DbName;

arguments! {
    /// The fields of `authenticate`.
    #[derive(Debug)]
    pub struct Authenticate {
        /// Any value.
        "authenticate" => value: Anything,
        /// `MONGODB-X509`.
        "mechanism" => mechanism: String,
        /// The user's name; the subject of its certificate unless given.
        "user" => user: Option<String>,
    }
}

impl Command for Authenticate {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        api_version_1: true,
        is_interruptible: false,
        by_op_query: true,
        runs_on: RunsOn::InTouch,
        ..Spec::new(
            "authenticate",
            "Signs in by the certificate of the TLS connection.",
        )
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let db = context.generic.db.clone();
        self.sign_in(context, &db, false).await
    }
}

impl Authenticate {
    /// Reads one inside a hello: the database stands beside the fields and is `$external` unless
    /// given.
    pub fn parse_speculative(document: &RawDocument, path: &Path<'_>) -> Option<(Self, DbName)> {
        let rules = Rules {
            strict: false,
            is_command: true,
        };
        let db = match document.get("db").ok()? {
            None => DbName::EXTERNAL,
            Some(db) => DbName::parse(db.as_str()?).ok()?,
        };
        Some((Self::parse(document, path, rules).ok()?, db))
    }

    /// Signs in the user of the certificate.
    pub async fn sign_in(
        self,
        context: &mut Context<'_>,
        db: &DbName,
        is_speculative: bool,
    ) -> Result<Reply, CommandError> {
        if self.mechanism == Mechanism::X509.name() {
            let counters = &context.services.metrics.authentication;
            counters.received(Mechanism::X509, is_speculative);
        }
        match self.check(context, db, is_speculative) {
            Ok(attempt) => {
                succeeded(context, &attempt).await?;
                Ok(Reply::new()
                    .with("dbname", attempt.user.db().as_str())
                    .with("user", attempt.user.user()))
            }
            Err(failure) => Err(failed(context, failure).await),
        }
    }

    fn check(
        &self,
        context: &mut Context<'_>,
        db: &DbName,
        is_speculative: bool,
    ) -> Result<Attempt, Box<SignInError>> {
        let services = context.services;
        let request = x509::Authenticate {
            db,
            mechanism: &self.mechanism,
            user: self.user.as_deref(),
            is_speculative,
            is_api_strict: context.generic.api_strict,
        };
        let server = services.server_subject();
        let tls = context.connection.peer.tls.as_deref();
        let policy = CertificatePolicy {
            is_enabled: services.mechanisms().contains(&Mechanism::X509),
            has_tls: tls.is_some(),
            certificate: tls.and_then(|tls| tls.client_certificate.as_deref()),
            server: server.as_ref(),
            allows_roles: services.parameters.allow_roles_from_x509_certificates(),
        };
        let catalog = services.directory.catalog();
        context
            .connection
            .session
            .authenticate(&request, &policy, catalog)
    }
}
