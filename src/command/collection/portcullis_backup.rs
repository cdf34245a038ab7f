//! `portcullisBackup`, which mongod does not have: all users, roles and settings, keys included, as one
//! stream of bytes in the batches of a cursor. `portcullis backup` makes a data folder of it.

use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, RawBson, RawDocumentBuf, rawdoc};
use tokio::sync::OwnedSemaphorePermit;

use super::batch::{owner, session};
use super::cursors::Origin;
use super::rows::Rows;
use crate::audit::Event;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::Reply;
use crate::command::services::{Interrupt, internal_error, ops_error_code};
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;
use crate::ops::Order;
use crate::store::{BackupWriter, Change};
use crate::telemetry::events;

/// How long a backup is kept that nobody reads from, if `cursorTimeoutMillis` is longer: others wait.
pub(super) const BACKUP_IDLE_MAX: Duration = Duration::from_mins(1);
/// Bytes of the stream in one document: an answer holds several.
const PIECE_BYTES_MAX: usize = 1024 * 1024;
/// What the cursor is of, in the form that `listCollections` has for cursors of no collection.
pub(super) const BACKUP_NAMESPACE: &str = "admin.$cmd.portcullisBackup";
/// What a backup shows besides the deployment secret.
const COLLECTIONS: [&str; 3] = ["system.users", "system.roles", "system.version"];

arguments! {
    /// The fields of `portcullisBackup`.
    #[derive(Debug)]
    pub struct PortcullisBackup {
        /// Any value.
        "portcullisBackup" => value: Anything,
    }
}

impl Command for PortcullisBackup {
    const SPEC: Spec = Spec {
        admin_only: true,
        // The writer is asked for the moment between two commits.
        runs_on: RunsOn::Primary,
        ..Spec::new(
            "portcullisBackup",
            "Opens a cursor over a copy of all users, roles and settings as of one moment, for \
             `portcullis backup`. mongod does not have it.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&needs())
    }

    /// What follows the checks is audited before it is done, as a change is.
    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let permit = match (check_privacy(context), services.backups.clone()) {
            (Ok(()), places) => places.try_acquire_owned().map_err(|_| under_way()),
            (Err(refusal), _) => Err(refusal),
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(refusal) => return Err(refused(context, refusal).await),
        };
        let snapshot = services.directory.snapshot(order(context, pass)).await;
        let snapshot = snapshot.map_err(|error| services.ops_error(error))?;
        let sequence = snapshot.sequence;
        let count = |is: fn(&Change) -> bool| snapshot.value.iter().filter(|one| is(one)).count();
        let users = count(|change| matches!(change, Change::PutUser(_)));
        let roles = count(|change| matches!(change, Change::PutRole(_)));
        let sort = move |_: &_, _: &_| BackupWriter::new(sequence, snapshot.value);
        let backup = Backup {
            writer: services.scan(sort).await?,
            _place: permit,
        };
        let origin = Origin {
            namespace: BACKUP_NAMESPACE.to_owned(),
            owner: owner(context),
            session: session(context.body),
            needs: needs(),
        };
        let id = services.cursors.open(origin, Rows::of_backup(backup))?;
        let signed_in = context.connection.session.signed_in();
        let by = signed_in.map(|signed_in| &signed_in.user.name);
        events::backup_begun(sequence.0, (users, roles), by, context.connection.client());
        let cursor = rawdoc! { "firstBatch": [], "id": id, "ns": BACKUP_NAMESPACE };
        Ok(Reply::new().with("cursor", cursor))
    }
}

/// The rest of a backup.
#[derive(Debug)]
pub(super) struct Backup {
    writer: BackupWriter,
    /// Given back when the cursor is closed.
    _place: OwnedSemaphorePermit,
}

impl Backup {
    /// `{data: <bytes>}`, the bytes that come next.
    ///
    /// # Errors
    /// 11601 when interrupted.
    pub(super) fn next(
        &mut self,
        interrupt: &Interrupt,
    ) -> Result<Option<RawDocumentBuf>, CommandError> {
        interrupt.check()?;
        let bytes = self.writer.next_bytes(PIECE_BYTES_MAX);
        let bytes = bytes.map_err(|error| internal_error("a backup", &error))?;
        Ok(bytes.map(|bytes| {
            let data = RawBson::Binary(Binary {
                subtype: BinarySubtype::Generic,
                bytes,
            });
            rawdoc! { "data": data }
        }))
    }

    /// The bytes it keeps, without what the catalog has anyway.
    pub(super) fn byte_count(&self) -> usize {
        PIECE_BYTES_MAX + self.writer.records_left() * size_of::<Change>()
    }
}

/// What only holders of `backup`, `root` and `__system` have, of the roles that are built in:
/// `appendOplogNote` sets `backup` apart from roles that may read users, and reading roles from
/// `clusterManager` and `restore`.
fn needs() -> Vec<Need> {
    let find = COLLECTIONS.map(|name| {
        let collection = Resource::Namespace(DbName::ADMIN, name.into());
        Need::one(Action::Find, collection)
    });
    let note = Need::on_cluster(Action::AppendOplogNote);
    find.into_iter().chain([note]).collect()
}

/// Who can read it on the way can sign in as anybody, or make up for it later.
pub(super) fn check_privacy(context: &Context<'_>) -> Result<(), CommandError> {
    let connection = &context.connection;
    let is_allowed = context.services.parameters.allow_backup_without_tls();
    if is_allowed || connection.is_private() || connection.peer.is_local() {
        return Ok(());
    }
    Err(CommandError::new(
        ErrorCode::ILLEGAL_OPERATION,
        "A backup holds the keys of all users and needs a TLS connection, or a client on the same \
         machine",
    ))
}

fn under_way() -> CommandError {
    CommandError::new(
        ErrorCode::CONFLICTING_OPERATION_IN_PROGRESS,
        format!(
            "Another backup is under way; one that nobody reads from ends after {} seconds",
            BACKUP_IDLE_MAX.as_secs()
        ),
    )
}

/// Leave to take the backup, which is audited before.
fn order(context: &Context<'_>, pass: Pass) -> Order {
    match context.connection.audit_origin() {
        None => Order::new(pass),
        Some(origin) => Order::new(pass).audited(context.services.audit.clone(), move |refusal| {
            let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
            Event::backup(origin.clone(), code)
        }),
    }
}

/// Audits that it is refused. The answer is the refusal, or the reason why it could not be audited.
async fn refused(context: &Context<'_>, refusal: CommandError) -> CommandError {
    let Some(origin) = context.connection.audit_origin() else {
        return refusal;
    };
    let event = Event::backup(origin, refusal.code.0);
    match context.services.audit.record(event).await {
        Ok(()) => refusal,
        Err(failure) => failure.to_command_error(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::command::collection::cursors::Cursors;
    use crate::config::parameters::Parameters;
    use crate::store::Sequence;

    #[tokio::test(start_paused = true)]
    async fn a_backup_that_nobody_reads_makes_place_before_other_cursors_end() {
        let parameters = Arc::new(Parameters::default());
        assert!(parameters.cursor_timeout() > 2 * BACKUP_IDLE_MAX);
        let cursors = Arc::new(Cursors::new(parameters));
        let places = Arc::new(Semaphore::new(1));
        let origin = || Origin {
            namespace: BACKUP_NAMESPACE.to_owned(),
            owner: None,
            session: None,
            needs: needs(),
        };
        let backup = Backup {
            writer: BackupWriter::new(Sequence(1), Vec::new()),
            _place: Arc::clone(&places).try_acquire_owned().unwrap(),
        };
        let id = cursors.open(origin(), Rows::of_backup(backup)).unwrap();
        let other = cursors.open(origin(), Rows::of_documents([])).unwrap();
        // Reading from it counts.
        tokio::time::sleep(BACKUP_IDLE_MAX / 2).await;
        let (pinned, rows) = cursors.pin(id, |_| Ok(())).unwrap();
        pinned.put_back(rows).unwrap();
        tokio::time::sleep(BACKUP_IDLE_MAX / 2 + BACKUP_IDLE_MAX / 4).await;
        assert_eq!(places.available_permits(), 0);
        tokio::time::sleep(BACKUP_IDLE_MAX).await;
        assert_eq!(places.available_permits(), 1);
        assert!(cursors.origin(id).is_none());
        assert!(cursors.origin(other).is_some());
    }
}
