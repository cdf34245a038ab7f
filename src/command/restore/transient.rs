//! `admin.tempusers` and `admin.temproles`, in memory.
//!
//! They exist from the first insert until they are dropped or nothing was done with them for
//! `TRANSIENT_IDLE_MAX`. Their documents hold the keys of users, so they are secrets and are read by
//! the merge only.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bson::raw::{RawDocument, RawDocumentBuf, cstr};
use tokio::time::Instant;

use super::retries::{Retries, RetryableWrite};
use crate::error::{CommandError, ErrorCode};
use crate::model::names::DbName;
use crate::secret::Secret;

/// Documents in one of them.
const TRANSIENT_DOCUMENTS_MAX: usize = 100_000;
/// Bytes of the documents in one of them.
const TRANSIENT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How long one is kept without being used.
pub(super) const TRANSIENT_IDLE_MAX: Duration = Duration::from_mins(10);
/// How often those that are not used are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransientCollection {
    /// `admin.temproles`.
    Roles,
    /// `admin.tempusers`.
    Users,
}

impl TransientCollection {
    /// Both, sorted by name.
    pub const ALL: [Self; 2] = [Self::Roles, Self::Users];

    /// The collection of that name, if it is one of these.
    pub fn find(db: &DbName, name: &str) -> Option<Self> {
        let is_it = |one: &Self| db.is_admin() && one.name() == name;
        Self::ALL.into_iter().find(is_it)
    }

    /// Its name on `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "temproles",
            Self::Users => "tempusers",
        }
    }
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
    documents: Vec<Document>,
    /// Of each document that has one, in BSON.
    ids: HashSet<Vec<u8>>,
    bytes: usize,
    /// Something did not fit: what is here is a part, and merging a part would drop the rest.
    is_partial: bool,
    last_used: Instant,
}

impl TransientCollections {
    /// Adds a document; `Duplicate` if one with its `_id` is there, `Retried` if the same place of the
    /// same write brought it before. Values of `_id` are the same if their bytes are.
    ///
    /// # Errors
    /// 146 beyond [`TRANSIENT_DOCUMENTS_MAX`] or [`TRANSIENT_BYTES_MAX`]. What was inserted before is
    /// forgotten then, and the collection takes and gives nothing more until it is dropped. 225 if a
    /// later write of the session has begun.
    pub(super) fn insert(
        self: &Arc<Self>,
        collection: TransientCollection,
        document: &RawDocument,
        write: Option<(&RetryableWrite, usize)>,
    ) -> Result<Inserted, CommandError> {
        let mut slots = self.lock();
        if let Some((write, place)) = write
            && slots.retries.is_done(write, place)?
        {
            return Ok(Inserted::Retried);
        }
        let kept = slots.of(collection).get_or_insert_with(Kept::new);
        let inserted = kept.insert(document);
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

    /// Forgets a collection; whether it was there.
    pub(super) fn drop_collection(&self, collection: TransientCollection) -> bool {
        self.lock().of(collection).take().is_some()
    }

    /// Whether something was inserted into it.
    pub fn exists(&self, collection: TransientCollection) -> bool {
        self.lock().of(collection).is_some()
    }

    /// All its documents in the order in which they came; `None` if it does not exist.
    ///
    /// # Errors
    /// 146 if some of them did not fit.
    pub(super) fn documents(
        &self,
        collection: TransientCollection,
    ) -> Result<Option<Vec<Document>>, CommandError> {
        let mut slots = self.lock();
        let Some(kept) = slots.of(collection) else {
            return Ok(None);
        };
        if kept.is_partial {
            return Err(too_much());
        }
        kept.last_used = Instant::now();
        Ok(Some(kept.documents.clone()))
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
    fn new() -> Self {
        Self {
            documents: Vec::new(),
            ids: HashSet::new(),
            bytes: 0,
            is_partial: false,
            last_used: Instant::now(),
        }
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
                ..Self::new()
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
mod tests {
    use bson::rawdoc;

    use super::super::retries::SessionKey;
    use super::*;

    const USERS: TransientCollection = TransientCollection::Users;

    fn insert(
        collections: &Arc<TransientCollections>,
        document: &RawDocument,
    ) -> Result<Inserted, i32> {
        let inserted = collections.insert(USERS, document, None);
        inserted.map_err(|error| error.code.0)
    }

    #[tokio::test]
    async fn an_id_comes_once() {
        let collections = Arc::default();
        assert_eq!(
            insert(&collections, &rawdoc! { "_id": "a" }),
            Ok(Inserted::New)
        );
        assert_eq!(
            insert(&collections, &rawdoc! { "_id": "a", "b": 1 }),
            Ok(Inserted::Duplicate)
        );
        assert_eq!(insert(&collections, &rawdoc! { "b": 1 }), Ok(Inserted::New));
        assert_eq!(insert(&collections, &rawdoc! { "b": 1 }), Ok(Inserted::New));
        let documents = collections.documents(USERS).unwrap().unwrap();
        assert_eq!(documents.len(), 3);
        assert!(!collections.exists(TransientCollection::Roles));
        assert!(collections.drop_collection(USERS));
        assert!(!collections.drop_collection(USERS));
        assert!(collections.documents(USERS).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_retry_is_no_duplicate() {
        let collections: Arc<TransientCollections> = Arc::default();
        let document = rawdoc! { "_id": "a" };
        let insert = |number, place| {
            let session = SessionKey {
                user: None,
                id: uuid::Uuid::nil(),
            };
            let write = RetryableWrite { session, number };
            let inserted = collections.insert(USERS, &document, Some((&write, place)));
            inserted.map_err(|error| error.code.0)
        };
        assert_eq!(insert(1, 0), Ok(Inserted::New));
        assert_eq!(insert(1, 0), Ok(Inserted::Retried));
        assert_eq!(insert(1, 1), Ok(Inserted::Duplicate));
        assert_eq!(insert(2, 0), Ok(Inserted::Duplicate));
        assert_eq!(insert(1, 0), Err(225));
    }

    #[tokio::test]
    async fn a_part_is_not_given() {
        let collections = Arc::default();
        let text = "x".repeat(TRANSIENT_BYTES_MAX / 2);
        assert_eq!(
            insert(&collections, &rawdoc! { "a": text.as_str() }),
            Ok(Inserted::New)
        );
        assert_eq!(insert(&collections, &rawdoc! { "a": text }), Err(146));
        assert_eq!(insert(&collections, &rawdoc! {}), Err(146));
        assert_eq!(collections.documents(USERS).unwrap_err().code.0, 146);
        assert!(collections.drop_collection(USERS));
        assert_eq!(insert(&collections, &rawdoc! {}), Ok(Inserted::New));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_is_forgotten() {
        let collections: Arc<TransientCollections> = Arc::default();
        assert_eq!(insert(&collections, &rawdoc! {}), Ok(Inserted::New));
        let almost = TRANSIENT_IDLE_MAX.saturating_sub(Duration::from_secs(1));
        tokio::time::sleep(almost).await;
        assert!(collections.documents(USERS).unwrap().is_some());
        tokio::time::sleep(almost).await;
        assert!(collections.exists(USERS), "it was used meanwhile");
        tokio::time::sleep(SWEEP_INTERVAL * 2).await;
        let slots = collections.0.lock().unwrap();
        assert!(slots.users.is_none(), "also if nobody asks");
        assert!(!slots.is_swept);
    }
}
