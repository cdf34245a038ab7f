use bson::rawdoc;

use super::super::retries::SessionKey;
use super::*;
use crate::catalog::View;
use crate::catalog::plan::{begin_transient, drop_transient};

const USERS: TransientCollection = TransientCollection::Users;

/// One process, with its memory, over a catalog that others have as well.
struct Process<'a> {
    catalog: &'a Catalog,
    memory: Arc<TransientCollections>,
}

impl<'a> Process<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let memory = Arc::default();
        Self { catalog, memory }
    }

    /// What the command does; the code of the refusal.
    fn insert(&self, document: &RawDocument) -> Result<Inserted, i32> {
        self.try_insert(document, None)
    }

    fn try_insert(
        &self,
        document: &RawDocument,
        write: Option<(&RetryableWrite, usize)>,
    ) -> Result<Inserted, i32> {
        let claim = code(self.memory.claim(USERS, self.catalog))?;
        let id = match claim {
            Claim::Begun(id) => id,
            Claim::New(id) => self.begin(id)?,
        };
        code(self.memory.insert((USERS, id), document, write))
    }

    fn begin(&self, id: Uuid) -> Result<Uuid, i32> {
        let changes = begin_transient(&View::new(self.catalog), USERS, id);
        let changes = changes.map_err(|refusal| plan_error(&refusal).code.0)?;
        self.catalog.apply(changes);
        Ok(id)
    }

    /// How many documents there are to merge.
    fn count(&self) -> Result<Option<usize>, i32> {
        let documents = code(self.memory.documents(USERS, self.catalog))?;
        Ok(documents.map(|(_, documents)| documents.len()))
    }

    fn drop(&self) {
        let id = self.catalog.transient_ids().users.unwrap();
        let changes = drop_transient(&View::new(self.catalog), USERS, id).unwrap();
        self.catalog.apply(changes);
        self.memory.forget(USERS, id);
    }
}

/// The result with no more of the refusal than its code.
fn code<T>(result: Result<T, CommandError>) -> Result<T, i32> {
    result.map_err(|error| error.code.0)
}

#[tokio::test]
async fn an_id_comes_once() {
    let catalog = Catalog::new();
    let process = Process::new(&catalog);
    assert_eq!(process.count(), Ok(None));
    assert_eq!(process.insert(&rawdoc! { "_id": "a" }), Ok(Inserted::New));
    assert_eq!(
        process.insert(&rawdoc! { "_id": "a", "b": 1 }),
        Ok(Inserted::Duplicate)
    );
    assert_eq!(process.insert(&rawdoc! { "b": 1 }), Ok(Inserted::New));
    assert_eq!(process.insert(&rawdoc! { "b": 1 }), Ok(Inserted::New));
    assert_eq!(process.count(), Ok(Some(3)));
    assert_eq!(catalog.transient_ids().roles, None);
    process.drop();
    assert_eq!(process.count(), Ok(None));
    assert!(process.memory.0.lock().unwrap().users.is_none());
}

#[tokio::test]
async fn a_retry_is_no_duplicate() {
    let catalog = Catalog::new();
    let process = Process::new(&catalog);
    let document = rawdoc! { "_id": "a" };
    let insert = |number, place| {
        let session = SessionKey {
            user: None,
            id: Uuid::nil(),
        };
        let write = RetryableWrite { session, number };
        process.try_insert(&document, Some((&write, place)))
    };
    assert_eq!(insert(1, 0), Ok(Inserted::New));
    assert_eq!(insert(1, 0), Ok(Inserted::Retried));
    assert_eq!(insert(1, 1), Ok(Inserted::Duplicate));
    assert_eq!(insert(2, 0), Ok(Inserted::Duplicate));
    assert_eq!(insert(1, 0), Err(225));
}

#[tokio::test]
async fn a_part_is_not_given() {
    let catalog = Catalog::new();
    let process = Process::new(&catalog);
    let text = "x".repeat(TRANSIENT_BYTES_MAX / 2);
    assert_eq!(
        process.insert(&rawdoc! { "a": text.as_str() }),
        Ok(Inserted::New)
    );
    assert_eq!(process.insert(&rawdoc! { "a": text }), Err(146));
    assert_eq!(process.insert(&rawdoc! {}), Err(146));
    assert_eq!(process.count(), Err(146));
    process.drop();
    assert_eq!(process.insert(&rawdoc! {}), Ok(Inserted::New));
}

#[tokio::test]
async fn what_was_begun_elsewhere_is_neither_continued_nor_merged() {
    let catalog = Catalog::new();
    let (one, other) = (Process::new(&catalog), Process::new(&catalog));
    assert_eq!(one.insert(&rawdoc! { "a": 1 }), Ok(Inserted::New));
    assert_eq!(other.insert(&rawdoc! { "a": 2 }), Err(96));
    assert_eq!(other.count(), Err(96));
    // Where it was begun, everything is there.
    assert_eq!(one.insert(&rawdoc! { "a": 2 }), Ok(Inserted::New));
    assert_eq!(one.count(), Ok(Some(2)));
    other.drop();
    assert_eq!(one.count(), Ok(None));
    assert_eq!(other.insert(&rawdoc! { "a": 1 }), Ok(Inserted::New));
    assert_eq!(other.count(), Ok(Some(1)));
    assert_eq!(one.insert(&rawdoc! { "a": 2 }), Err(96));
    assert_eq!(one.count(), Err(96));
    // What the first one had is of a collection that is no more.
    other.drop();
    assert_eq!(one.insert(&rawdoc! { "a": 3 }), Ok(Inserted::New));
    assert_eq!(one.count(), Ok(Some(1)));
}

#[tokio::test]
async fn two_who_begin_at_once_begin_the_same() {
    let catalog = Catalog::new();
    let process = Process::new(&catalog);
    let claim = || process.memory.claim(USERS, &catalog).unwrap();
    let Claim::New(id) = claim() else {
        panic!("it is not there");
    };
    // Also who tries again because the answer to the commit was lost.
    assert_eq!(claim(), Claim::New(id));
    assert_eq!(process.count(), Ok(None));
    process.begin(id).unwrap();
    assert_eq!(claim(), Claim::Begun(id));
    assert_eq!(process.count(), Ok(None), "nothing is in it");
    let insert = |number: i32| {
        let document = rawdoc! { "a": number };
        code(process.memory.insert((USERS, id), &document, None))
    };
    assert_eq!(insert(1), Ok(Inserted::New));
    assert_eq!(insert(2), Ok(Inserted::New));
    assert_eq!(process.count(), Ok(Some(2)));
    process.drop();
    assert_eq!(insert(3), Err(96));
    // Dropped after somebody has begun it anew.
    let Claim::New(new) = claim() else {
        panic!("it was dropped");
    };
    process.memory.forget(USERS, id);
    assert_eq!(claim(), Claim::New(new));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_used_is_forgotten() {
    let catalog = Catalog::new();
    let process = Process::new(&catalog);
    assert_eq!(process.insert(&rawdoc! {}), Ok(Inserted::New));
    let almost = TRANSIENT_IDLE_MAX.saturating_sub(Duration::from_secs(1));
    tokio::time::sleep(almost).await;
    assert_eq!(process.count(), Ok(Some(1)));
    tokio::time::sleep(almost).await;
    assert_eq!(process.count(), Ok(Some(1)), "it was used meanwhile");
    tokio::time::sleep(TRANSIENT_IDLE_MAX + SWEEP_INTERVAL).await;
    {
        let slots = process.memory.0.lock().unwrap();
        assert!(slots.users.is_none(), "also if nobody asks");
        assert!(!slots.is_swept);
    }
    assert_eq!(
        process.insert(&rawdoc! {}),
        Err(96),
        "not begun anew silently"
    );
    assert_eq!(process.count(), Err(96));
    process.drop();
    assert_eq!(process.insert(&rawdoc! {}), Ok(Inserted::New));
}
