//! A write concern between the command that asks for it and its answer.

use std::time::Duration;

use bson::RawDocumentBuf;
use bson::raw::cstr;
use tokio::time::Instant;

use super::wait::{Change, Limits, Replication};
use super::{Provenance, RwConcernDefaults, WriteConcern, WriteConcernError};
use crate::cluster::ReplicaSet;
use crate::command::context::Context;
use crate::command::handshake::topology::TopologyVersion;
use crate::command::metrics::WriteConcernCounters;
use crate::command::reply::Reply;
use crate::command::services::Services;
use crate::error::{CommandError, ErrorCode};
use crate::ops::CommitNote;
use crate::store::Sequence;

/// What a command has to wait for once it has run, if it has tried to write.
///
/// Every order that its [`Context`] makes carries the note, so no command can forget it.
#[derive(Debug)]
pub struct Pending {
    concern: WriteConcern,
    note: CommitNote,
    /// The last change before the command.
    before: Sequence,
    /// The term the command came in.
    term: i64,
}

impl Pending {
    /// What a command that asked for `given` has to wait for on this member; `None` if its own
    /// commit is enough.
    pub fn new(given: Option<WriteConcern>, services: &Services, set: &ReplicaSet) -> Option<Self> {
        let default = RwConcernDefaults::of(services.directory.catalog()).write_concern();
        let concern = WriteConcern::or_default(given, default);
        concern.needs_others().then(|| Self {
            concern,
            note: CommitNote::default(),
            before: set.last_write().sequence,
            term: set.topology().term,
        })
    }

    /// Where the commit is to be noted.
    pub fn note(&self) -> CommitNote {
        self.note.clone()
    }

    /// Waits, and adds to the answer what the wait was in vain for. A refusal is waited for as well
    /// if the state it rests on was looked at in order to write: it may be news to the others.
    pub async fn finish(
        self,
        context: &Context<'_>,
        set: &ReplicaSet,
        result: Result<Reply, CommandError>,
    ) -> Result<Reply, CommandError> {
        let waited = tokio::select! {
            biased;
            waited = self.wait(set, context.services, context.deadline) => waited,
            () = context.connection.left() => Err(WriteConcernError::abandoned()),
        };
        let Err(miss) = waited else {
            return result;
        };
        let version = miss.is_change_of_state();
        let version = version.then(|| context.services.topology_version());
        add(result, miss.to_document(&self.concern), version)
    }

    /// Waits until the write concern is fulfilled, not beyond `deadline`. At once if nothing was tried.
    pub async fn wait(
        &self,
        set: &ReplicaSet,
        services: &Services,
        deadline: Option<Instant>,
    ) -> Result<(), WriteConcernError> {
        let Some(noted) = self.note.sequence() else {
            return Ok(());
        };
        // Nothing to change: what made it so may be the last change of somebody else.
        let sequence = if noted > self.before {
            noted
        } else {
            set.last_visible().sequence
        };
        let change = Change {
            sequence,
            term: self.term,
        };
        let limits = Limits {
            deadline,
            stop: &services.stop,
        };
        let begun = Instant::now();
        let mut replication = Replication::from(set);
        let waited = replication.wait(change, &self.concern, limits).await;
        let counters = &services.metrics.write_concern;
        count(counters, begun.elapsed(), &self.concern, waited.as_ref());
        waited
    }
}

/// Counts a wait, as `serverStatus` tells of it.
fn count(
    counters: &WriteConcernCounters,
    took: Duration,
    concern: &WriteConcern,
    waited: Result<&(), &WriteConcernError>,
) {
    counters.waits.increment();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    counters.wait_ms.add(took_ms);
    let is_default = concern.provenance != Some(Provenance::ClientSupplied);
    match waited.map_err(|miss| miss.code) {
        Err(ErrorCode::WRITE_CONCERN_FAILED) => {
            counters.timeouts.increment();
            if is_default {
                counters.default_timeouts.increment();
            }
        }
        Err(ErrorCode::UNSATISFIABLE_WRITE_CONCERN) if is_default => {
            counters.default_unsatisfiable.increment();
        }
        _ => {}
    }
}

/// Puts `writeConcernError` beside what came of the command.
fn add(
    result: Result<Reply, CommandError>,
    miss: RawDocumentBuf,
    version: Option<TopologyVersion>,
) -> Result<Reply, CommandError> {
    match result {
        Ok(mut reply) => {
            reply.append("writeConcernError", miss);
            if let Some(version) = version {
                reply.append("topologyVersion", version.to_document());
            }
            Ok(reply)
        }
        Err(mut error) => {
            let extra = error.extra.get_or_insert_default();
            extra.append(cstr!("writeConcernError"), miss);
            if let (Some(version), Ok(None)) = (version, extra.get("topologyVersion")) {
                extra.append(cstr!("topologyVersion"), version.to_document());
            }
            Err(error)
        }
    }
}
