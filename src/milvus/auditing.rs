//! What this face tells the audit log besides changes: who calls, and who was refused.

use bson::rawdoc;
use tonic::Status;

use super::call::Context;
use super::connection::Connection;
use crate::audit::{AuditError, Check, Event, Origin};
use crate::auth::stranger_lines::Refusal;
use crate::authz::{MilvusNeed, Resolved};
use crate::command::auditing::{are_allowed_audited, audit_ends};
use crate::error::ErrorCode;
use crate::model::milvus::ANY;
use crate::model::user::User;

/// What the log and the audit log call this way to sign in.
pub(super) const MECHANISM: &str = "MILVUS";

impl Connection {
    /// Where events of this connection come from, on behalf of `caller`; `None` while nothing is audited.
    pub(super) fn audit_origin(&self, caller: Option<&User>) -> Option<Origin> {
        let uuid = self.audit_id?;
        let (local, remote) = audit_ends(&self.peer);
        let catalog = self.milvus.services.directory.catalog();
        let roles = caller.map(|caller| {
            let resolved = Resolved::of(&caller.roles, catalog.as_ref());
            resolved.names().cloned().collect()
        });
        Some(Origin {
            uuid,
            local,
            remote,
            user: caller.map(|caller| caller.name.clone()),
            roles: roles.unwrap_or_default(),
        })
    }

    /// `authenticate` of who calls.
    pub(super) async fn audit_sign_in(&self, name: &str, caller: &User) -> Result<(), AuditError> {
        self.audit_authenticate(name, Some(caller), 0).await
    }

    /// `authenticate` of a name, as far as it is known, that has failed, if there is not too much of that.
    pub(super) async fn audit_no_sign_in(&self, name: &str, refusal: Refusal, code: ErrorCode) {
        if self.audit_id.is_some() && self.may_write(refusal) {
            // It has failed whether or not that can be written.
            let _ = self.audit_authenticate(name, None, code.0).await;
        }
    }

    async fn audit_authenticate(
        &self,
        name: &str,
        caller: Option<&User>,
        result: i32,
    ) -> Result<(), AuditError> {
        let Some(origin) = self.audit_origin(caller) else {
            return Ok(());
        };
        let db = &self.milvus.settings.database;
        let event = Event::authenticate(origin, name, db.as_str(), MECHANISM, result);
        self.milvus.services.audit.record(event).await
    }
}

impl Context<'_> {
    /// `authCheck` of a call that is refused for want of a privilege. It is refused also if that cannot
    /// be written.
    pub(super) async fn audit_refused(&self, method: &str, need: &MilvusNeed) {
        let _ = self
            .audit_check(method, Some(need), ErrorCode::UNAUTHORIZED.0)
            .await;
    }

    /// `authCheck` of a call that is allowed, where these are audited; an error must keep it from
    /// running.
    pub(super) async fn audit_allowed(
        &self,
        method: &str,
        need: Option<&MilvusNeed>,
    ) -> Result<(), Status> {
        if !are_allowed_audited(self.services()) {
            return Ok(());
        }
        let recorded = self.audit_check(method, need, 0).await;
        recorded.map_err(|failure| unaudited(&failure))
    }

    async fn audit_check(
        &self,
        method: &str,
        need: Option<&MilvusNeed>,
        result: i32,
    ) -> Result<(), AuditError> {
        let Some(origin) = self.connection.audit_origin(self.caller.as_deref()) else {
            return Ok(());
        };
        let arguments = need.map(|need| {
            rawdoc! { "milvusNeed": {
                "object": need.object.name(),
                "objectName": need.object_name.as_deref().unwrap_or(ANY),
                "db": need.db.as_str(),
                "privilege": need.privilege,
            } }
        });
        let check = Check {
            command: method,
            namespace: self.directory_db().as_str().to_owned(),
            arguments: &arguments.unwrap_or_default(),
            sensitive: Vec::new(),
        };
        let event = Event::check(origin, &check, result);
        self.services().audit.record(event).await
    }
}

/// Nothing was done, because it could not be audited. Of the statuses that clients do not repeat for
/// minutes, this one blames the server.
pub(super) fn unaudited(failure: &AuditError) -> Status {
    Status::resource_exhausted(failure.to_command_error().message)
}
