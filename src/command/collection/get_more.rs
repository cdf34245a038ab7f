//! `getMore` (MongoDB manual, "getMore").

use bson::raw::RawDocument;

use super::batch::{Batch, owner, session};
use super::cursors::Origin;
use super::options::{CollectionName, CursorId, NonNegative};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeInt64};
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

arguments! {
    /// The fields of `getMore`.
    #[derive(Debug)]
    pub struct GetMore {
        /// The cursor's id.
        "getMore" => id: CursorId,
        /// The collection, or what stands for it in the answer that named the cursor.
        "collection" => collection: CollectionName,
        /// Documents in the batch; as many as an answer holds if it is 0 or left out.
        "batchSize" => batch_size: Option<NonNegative>,
        /// For servers among themselves; takes `internal` on the cluster.
        "term" => term: Option<SafeInt64>,
        /// For servers among themselves; changes nothing.
        "lastKnownCommittedOpTime" => last_known_committed_op_time: Anything,
    }
}

impl Command for GetMore {
    const SPEC: Spec = Spec {
        api_version_1: true,
        runs_on: RunsOn::PrimaryOrSecondary,
        ..Spec::new(
            "getMore",
            "Answers the next batch of a cursor to the user who opened it.",
        )
    };

    /// The cursor says the rest, and is asked when it is known.
    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        match self.term {
            Some(_) => authority.require(&[Need::on_cluster(Action::Internal)]),
            None => authority.require_sign_in(),
        }
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let namespace = format!("{}.{}", context.generic.db, self.collection.0);
        let CursorId(id) = self.id;
        let (pinned, mut rows) = services.cursors.pin(id, |origin| {
            check_owner(origin, id, context)?;
            check_namespace(origin, &namespace)?;
            check_session(origin, id, context.body)?;
            if context.generic.max_time_ms > 0 {
                return Err(CommandError::bad_value(
                    "cannot set maxTimeMS on getMore command for a non-awaitData cursor",
                ));
            }
            Ok(())
        })?;
        let size = match self.batch_size {
            Some(NonNegative(size @ 1..)) => size,
            _ => u64::MAX,
        };
        let read = move |_: &crate::catalog::Catalog, interrupt: &_| {
            let batch = Batch::take(&mut rows, size, interrupt)?;
            Ok::<_, CommandError>((rows, batch))
        };
        let (rows, batch) = services.scan(read).await??;
        if batch.is_last {
            return Ok(batch.reply("nextBatch", 0, &namespace));
        }
        pinned.put_back(rows)?;
        Ok(batch.reply("nextBatch", id, &namespace))
    }
}

/// Whoever opened it, as long as what that took is still held.
fn check_owner(origin: &Origin, id: i64, context: &Context<'_>) -> Result<(), CommandError> {
    let refuse = |text: String| Err(CommandError::new(ErrorCode::UNAUTHORIZED, text));
    let authority = context.authority();
    if matches!(authority, Authority::Unchecked) {
        return Ok(());
    }
    if origin.owner != owner(context) {
        return refuse(format!(
            "cursor id {id} was not created by the authenticated user"
        ));
    }
    match authority.require(&origin.needs) {
        Ok(_) => Ok(()),
        Err(_) => refuse(format!("not authorized for getMore with cursor id {id}")),
    }
}

fn check_namespace(origin: &Origin, namespace: &str) -> Result<(), CommandError> {
    if origin.namespace == namespace {
        return Ok(());
    }
    Err(CommandError::new(
        ErrorCode::UNAUTHORIZED,
        format!(
            "Requested getMore on namespace '{namespace}', but cursor belongs to a different \
             namespace {}",
            origin.namespace
        ),
    ))
}

fn check_session(origin: &Origin, id: i64, body: &RawDocument) -> Result<(), CommandError> {
    let refuse = |code, text: String| {
        let text = format!("Cannot run getMore on cursor {id}, which was {text}");
        Err(CommandError::new(ErrorCode(code), text))
    };
    let print =
        |id: &[u8]| uuid::Uuid::from_slice(id).map_or_else(|_| String::new(), |id| id.to_string());
    let present = session(body);
    match (&origin.session, &present) {
        (None, Some(present)) => {
            let present = print(present);
            refuse(
                50_736,
                format!("not created in a session, in session {present}"),
            )
        }
        (Some(opened), None) => {
            let opened = print(opened);
            refuse(
                50_737,
                format!("created in session {opened}, without an lsid"),
            )
        }
        (Some(opened), Some(present)) if opened != present => {
            let (opened, present) = (print(opened), print(present));
            refuse(
                50_738,
                format!("created in session {opened}, in session {present}"),
            )
        }
        _ => Ok(()),
    }
}
