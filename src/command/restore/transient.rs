//! The documents of `admin.tempusers` and `admin.temproles`, in memory.
//!
//! That a collection exists is in the catalog, from its first insert until it is dropped. Its documents
//! are in the process that took the first one, as long as it runs and something is done with them every
//! `TRANSIENT_IDLE_MAX`. They count only while the catalog has the id that they came under: else they
//! are of a collection that is no more, or another process has those of the one that is.
//!
//! Documents hold the keys of users, so they are secrets and are read by the merge only.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bson::raw::{RawDocument, RawDocumentBuf, cstr};
use tokio::time::Instant;
use uuid::Uuid;

use super::retries::{Retries, RetryableWrite};
use crate::catalog::{Catalog, PlanError};
use crate::command::services::plan_error;
use crate::error::{CommandError, ErrorCode};
use crate::model::transient::TransientCollection;
use crate::secret::Secret;

/// Documents in one of them.
const TRANSIENT_DOCUMENTS_MAX: usize = 100_000;
/// Bytes of the documents in one of them.
const TRANSIENT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How long one is kept without being used.
pub(super) const TRANSIENT_IDLE_MAX: Duration = Duration::from_mins(10);
/// How often those that are not used are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The id under which documents are inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The collection exists under this id.
    Begun(Uuid),
    /// It does not exist: the catalog has to say first that it does, under this id.
    New(Uuid),
}

/// What came of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is there now.
    New,
    /// It was there from an earlier try of the same write.
    Retried,
    /// Another one with its `_id` is there.
    Duplicate,
}

/// A document as it was inserted.
pub(super) type Document = Arc<Secret<Vec<u8>>>;

/// What is in them.
#[derive(Debug, Default)]
pub struct TransientCollections(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    roles: Option<Kept>,
    users: Option<Kept>,
    retries: Retries,
    is_swept: bool,
}

#[derive(Debug)]
struct Kept {
    /// Of the collection.
    id: Uuid,
    documents: Vec<Document>,
    /// `_id` of each document that has one, in BSON.
    ids: HashSet<Vec<u8>>,
    bytes: usize,
    /// Something did not fit: what is here is a part, and merging a part would drop the rest.
    is_partial: bool,
    last_used: Instant,
}

impl TransientCollections {
    /// What a collection is, or is to be begun under.
    ///
    /// # Errors
    /// 96 if it exists and its documents are not here.
    pub(super) fn claim(
        &self,
        collection: TransientCollection,
        catalog: &Catalog,
    ) -> Result<Claim, CommandError> {
        let mut slots = self.lock();
        let slot = slots.of(collection);
        // Asked under the lock: whoever has put a document there has seen the catalog say so before.
        match (catalog.transient_ids().of(collection), &*slot) {
            (Some(id), Some(kept)) if kept.id == id => Ok(Claim::Begun(id)),
            (Some(_), _) => Err(not_here(collection)),
            // Somebody else is about to begin it, or was and does not know what came of it.
            (None, Some(kept)) if kept.is_untouched() => Ok(Claim::New(kept.id)),
            // What is kept was dropped elsewhere.
            (None, _) => {
                let id = Uuid::new_v4();
                *slot = Some(Kept::new(id));
                Ok(Claim::New(id))
            }
        }
    }

    /// Adds a document to the collection of that id, which the catalog has; `Duplicate` if one with its
    /// `_id` is there, `Retried` if the same place of the same write brought it before. Values of `_id`
    /// are the same if their bytes are.
    ///
    /// # Errors
    /// 146 beyond [`TRANSIENT_DOCUMENTS_MAX`] or [`TRANSIENT_BYTES_MAX`]. What was inserted before is
    /// forgotten then, and the collection takes and gives nothing more until it is dropped. 225 if a
    /// later write of the session has begun. 96 if the collection is kept no more.
    pub(super) fn insert(
        self: &Arc<Self>,
        (collection, id): (TransientCollection, Uuid),
        document: &RawDocument,
        write: Option<(&RetryableWrite, usize)>,
    ) -> Result<Inserted, CommandError> {
        let mut slots = self.lock();
        if let Some((write, place)) = write
            && slots.retries.is_done(write, place)?
        {
            return Ok(Inserted::Retried);
        }
        let kept = slots.of(collection).as_mut();
        let kept = kept.filter(|kept| kept.id == id);
        let inserted = kept.ok_or_else(|| not_here(collection))?.insert(document);
        if !std::mem::replace(&mut slots.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        if !inserted? {
            return Ok(Inserted::Duplicate);
        }
        if let Some((write, place)) = write {
            slots.retries.done(write, place)?;
        }
        Ok(Inserted::New)
    }

    /// Forgets the documents of the collection of that id.
    pub(super) fn forget(&self, collection: TransientCollection, id: Uuid) {
        let mut slots = self.lock();
        slots.of(collection).take_if(|kept| kept.id == id);
    }

    /// The id of a collection and all its documents in the order in which they came; `None` if it does
    /// not exist, or has none: a merge of nothing removes everybody.
    ///
    /// # Errors
    /// 146 if some of them did not fit, 96 if they are not here.
    pub(super) fn documents(
        &self,
        collection: TransientCollection,
        catalog: &Catalog,
    ) -> Result<Option<(Uuid, Vec<Document>)>, CommandError> {
        let mut slots = self.lock();
        let Some(id) = catalog.transient_ids().of(collection) else {
            return Ok(None);
        };
        let kept = slots.of(collection).as_mut();
        let kept = kept.filter(|kept| kept.id == id);
        let kept = kept.ok_or_else(|| not_here(collection))?;
        if kept.is_partial {
            return Err(too_much());
        }
        kept.last_used = Instant::now();
        let documents = (!kept.documents.is_empty()).then(|| kept.documents.clone());
        Ok(documents.map(|documents| (id, documents)))
    }

    /// Forgets what has not been used for long; whether anything is left.
    fn forget_idle(&self) -> bool {
        let mut slots = self.lock();
        let remembers = slots.retries.forget_idle(Instant::now());
        let is_left = TransientCollection::ALL
            .map(|collection| slots.of(collection).is_some())
            .contains(&true)
            || remembers;
        slots.is_swept = is_left;
        is_left
    }

    /// The collections as they are now.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_idle = |kept: &mut Kept| now.duration_since(kept.last_used) >= TRANSIENT_IDLE_MAX;
        slots.roles.take_if(is_idle);
        slots.users.take_if(is_idle);
        slots
    }
}

/// Looks for what is idle until nothing is left, or the server is gone.
async fn sweep(collections: Weak<TransientCollections>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let is_left = |collections: Arc<TransientCollections>| collections.forget_idle();
        if !collections.upgrade().is_some_and(is_left) {
            return;
        }
    }
}

impl Slots {
    fn of(&mut self, collection: TransientCollection) -> &mut Option<Kept> {
        match collection {
            TransientCollection::Roles => &mut self.roles,
            TransientCollection::Users => &mut self.users,
        }
    }
}

impl Kept {
    fn new(id: Uuid) -> Self {
        Self {
            id,
            documents: Vec::new(),
            ids: HashSet::new(),
            bytes: 0,
            is_partial: false,
            last_used: Instant::now(),
        }
    }

    /// Whether nobody has been told that anything is in it.
    fn is_untouched(&self) -> bool {
        self.documents.is_empty() && !self.is_partial
    }

    fn insert(&mut self, document: &RawDocument) -> Result<bool, CommandError> {
        self.last_used = Instant::now();
        let id = document.get("_id").ok().flatten().map(|id| {
            let mut alone = RawDocumentBuf::new();
            alone.append(cstr!("_id"), id);
            alone.into_bytes()
        });
        if id.as_ref().is_some_and(|id| self.ids.contains(id)) {
            return Ok(false);
        }
        let id_bytes = id.as_ref().map_or(0, Vec::len);
        let bytes = self.bytes + document.as_bytes().len() + id_bytes;
        if self.is_partial
            || self.documents.len() >= TRANSIENT_DOCUMENTS_MAX
            || bytes > TRANSIENT_BYTES_MAX
        {
            *self = Self {
                is_partial: true,
                ..Self::new(self.id)
            };
            return Err(too_much());
        }
        self.bytes = bytes;
        self.ids.extend(id);
        let document = Secret::new(document.as_bytes().to_vec());
        self.documents.push(Arc::new(document));
        Ok(true)
    }
}

fn not_here(collection: TransientCollection) -> CommandError {
    plan_error(&PlanError::TransientNotHere(collection))
}

fn too_much() -> CommandError {
    CommandError::new(
        ErrorCode::EXCEEDED_MEMORY_LIMIT,
        format!(
            "A temporary collection holds at most {TRANSIENT_DOCUMENTS_MAX} documents of \
             {TRANSIENT_BYTES_MAX} bytes together; drop it to begin again"
        ),
    )
}

#[cfg(test)]
mod tests;
