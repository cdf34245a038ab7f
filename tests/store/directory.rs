//! The one write path over real stores and over failing ones.

use std::sync::Arc;
use std::sync::mpsc;

use bson::RawDocumentBuf;
use bson::raw::cstr;
use portcullis::authz::Authority;
use portcullis::catalog::{CredentialsUpdate, PlanError, UserUpdate};
use portcullis::model::names::DbName;
use portcullis::ops::{Directory, OpsError, Order};
use portcullis::store::{Change, MemoryStore, RedbStore, Sequence, Store, StoreError};
use tempfile::TempDir;

use crate::faulty::FaultyStore;
use crate::support::{State, keep, put_role, role, role_name, state_of, user, user_name};

/// Leave to do anything.
fn order() -> Order {
    Order::new(Authority::Unchecked.require_sign_in().unwrap())
}

fn memory() -> Arc<Directory> {
    Arc::new(Directory::open(Arc::new(MemoryStore::new())).unwrap())
}

/// A store whose commits wait for leave, so that a test decides what waits meanwhile, and fail if
/// leave is denied.
#[derive(Debug)]
struct GatedStore {
    kept: MemoryStore,
    entered: mpsc::SyncSender<()>,
    leave: std::sync::Mutex<mpsc::Receiver<bool>>,
}

impl Store for GatedStore {
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        self.entered.send(()).unwrap();
        if self.leave.lock().unwrap().recv().unwrap() {
            self.kept.commit(batch)
        } else {
            Err(FaultyStore::failure())
        }
    }

    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        self.kept.replay(sink)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "gated"
    }
}

/// A directory, what tells that a commit has begun, and what lets it go on.
fn gated() -> (Arc<Directory>, mpsc::Receiver<()>, mpsc::Sender<bool>) {
    let (entered, has_entered) = mpsc::sync_channel(100);
    let (may_leave, leave) = mpsc::channel();
    let store = GatedStore {
        kept: MemoryStore::new(),
        entered,
        leave: std::sync::Mutex::new(leave),
    };
    may_leave.send(true).unwrap();
    let directory = Arc::new(Directory::open(Arc::new(store)).unwrap());
    has_entered.recv().unwrap();
    (directory, has_entered, may_leave)
}

#[tokio::test]
async fn the_operations_do_what_they_say() {
    let store = Arc::new(MemoryStore::new());
    let roles = [put_role(role("a")), put_role(role("b"))];
    store.commit(&roles).unwrap();
    let directory = Directory::open(store.clone()).unwrap();
    let catalog = directory.catalog();
    let ann = || user_name("ann");

    let made = directory
        .create_user(order(), user("ann", 1))
        .await
        .unwrap();
    assert_eq!(made.sequence, Sequence(3));
    assert!(catalog.had_users_or_roles());
    let granted = vec![role_name("b"), role_name("a")];
    directory
        .grant_roles_to_user(order(), ann(), granted.clone())
        .await
        .unwrap();
    assert_eq!(*catalog.user(&ann()).unwrap().roles, granted);
    let revoked = directory
        .revoke_roles_from_user(order(), ann(), vec![role_name("b")])
        .await;
    assert_eq!(*catalog.user(&ann()).unwrap().roles, [role_name("a")]);
    let again = directory
        .revoke_roles_from_user(order(), ann(), vec![role_name("b")])
        .await;
    assert_eq!(again, revoked, "nothing to write, so nothing written");

    let update = UserUpdate {
        credentials: CredentialsUpdate::Trim(vec!["SCRAM-SHA-256".into()]),
        ..UserUpdate::default()
    };
    directory.update_user(order(), ann(), update).await.unwrap();
    let user_id = catalog.user(&ann()).unwrap().user_id;
    assert_eq!(user_id, user("ann", 1).user_id);

    let mut concern = RawDocumentBuf::new();
    concern.append(cstr!("w"), 1);
    let kept = concern.clone();
    directory
        .set_default_rw_concern(order(), |_| Ok(kept))
        .await
        .unwrap();
    assert_eq!(*catalog.default_read_write_concern().unwrap(), concern);

    directory
        .create_user(order(), user("bob", 1))
        .await
        .unwrap();
    directory.drop_user(order(), ann()).await.unwrap();
    assert!(catalog.user(&ann()).is_none());
    directory
        .create_user(order(), user("eve", 1))
        .await
        .unwrap();
    let dropped = directory
        .drop_all_users_from_database(order(), DbName::ADMIN)
        .await
        .unwrap();
    assert_eq!((dropped.value, dropped.sequence), (2, Sequence(11)));
    let none = directory
        .drop_all_users_from_database(order(), DbName::ADMIN)
        .await
        .unwrap();
    assert_eq!((none.value, none.sequence), (0, Sequence(11)));
    assert_eq!(catalog.user_count(), 0);
}

#[tokio::test]
async fn a_restart_finds_everything_and_the_same_secret() {
    let folder = TempDir::new().unwrap();
    let open = || Directory::open(Arc::new(RedbStore::open(folder.path()).unwrap())).unwrap();
    let first = open();
    let secret = first.catalog().deployment_secret().unwrap();
    let made = first.create_user(order(), user("ann", 1)).await.unwrap();
    first.close().await;
    drop(first);

    let second = open();
    let catalog = second.catalog();
    assert!(
        catalog
            .deployment_secret()
            .unwrap()
            .matches(secret.expose())
    );
    assert_eq!(*catalog.user(&user_name("ann")).unwrap(), user("ann", 1));
    assert!(catalog.had_users_or_roles());
    let next = second.create_user(order(), user("bob", 1)).await.unwrap();
    assert_eq!(next.sequence.0, made.sequence.0 + 1);
    let other = TempDir::new().unwrap();
    let other = Directory::open(Arc::new(RedbStore::open(other.path()).unwrap())).unwrap();
    assert!(
        !other
            .catalog()
            .deployment_secret()
            .unwrap()
            .matches(secret.expose())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_create_one_user_exactly_one_wins() {
    let directory = memory();
    for round in 0..20 {
        let name = format!("user{round}");
        let tasks: Vec<_> = (0..32)
            .map(|seed| {
                let (directory, name) = (Arc::clone(&directory), name.clone());
                let task = async move {
                    (
                        seed,
                        directory.create_user(order(), user(&name, seed)).await,
                    )
                };
                tokio::spawn(task)
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (seed, Ok(_)) => winners.push(seed),
                (_, Err(error)) => {
                    let exists = PlanError::UserExists(user_name(&name));
                    assert_eq!(error, OpsError::Plan(exists));
                }
            }
        }
        assert_eq!(winners.len(), 1);
        let kept = directory.catalog().user(&user_name(&name)).unwrap();
        assert_eq!(*kept, user(&name, winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_together_is_committed_together_and_unseen_until_then() {
    let (directory, entered, may_leave) = gated();
    let generation = directory.catalog().generation();
    let create = |name: &str| {
        let (directory, user) = (Arc::clone(&directory), user(name, 1));
        tokio::spawn(async move { directory.create_user(order(), user).await })
    };
    let first = create("first");
    entered.recv().unwrap();
    assert!(directory.catalog().user(&user_name("first")).is_none());
    assert_eq!(directory.catalog().generation(), generation);
    let (queued, is_queued) = mpsc::channel();
    let rest: Vec<_> = ["a", "b", "a"]
        .map(|name| {
            let (directory, user, queued) = (Arc::clone(&directory), user(name, 1), queued.clone());
            tokio::spawn(async move {
                let mut create = Box::pin(directory.create_user(order(), user));
                // The first poll queues the job.
                assert!(futures_util::poll!(create.as_mut()).is_pending());
                queued.send(()).unwrap();
                create.await
            })
        })
        .into();
    for _ in 0..3 {
        is_queued.recv().unwrap();
    }
    may_leave.send(true).unwrap();
    let first = first.await.unwrap().unwrap();
    entered.recv().unwrap();
    assert!(directory.catalog().user(&user_name("a")).is_none());
    may_leave.send(true).unwrap();
    let mut sequences = Vec::new();
    let mut refused = 0;
    for task in rest {
        match task.await.unwrap() {
            Ok(written) => sequences.push(written.sequence),
            Err(error) => {
                refused += 1;
                assert_eq!(error, OpsError::Plan(PlanError::UserExists(user_name("a"))));
            }
        }
    }
    let together = Sequence(first.sequence.0 + 1);
    assert_eq!((sequences, refused), (vec![together; 2], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_stops_waiting_loses_nothing() {
    let (directory, entered, may_leave) = gated();
    let mut create = Box::pin(directory.create_user(order(), user("ann", 1)));
    assert!(futures_util::poll!(create.as_mut()).is_pending());
    entered.recv().unwrap();
    drop(create);
    let mut never_polled = Box::pin(directory.create_user(order(), user("bob", 1)));
    drop(std::mem::replace(
        &mut never_polled,
        Box::pin(directory.create_user(order(), user("eve", 1))),
    ));
    may_leave.send(true).unwrap();
    may_leave.send(true).unwrap();
    never_polled.await.unwrap();
    let users = directory.catalog().all_users();
    let names: Vec<_> = users.iter().map(|user| user.name.user()).collect();
    assert_eq!(names, ["ann", "eve"]);
    assert_eq!(*users[0], user("ann", 1));
}

#[tokio::test]
async fn a_failed_commit_changes_nothing_and_reads_go_on() {
    // One commit for the secret, one for ann.
    let store = Arc::new(FaultyStore::failing_after(2));
    let directory = Directory::open(store.clone()).unwrap();
    directory
        .create_user(order(), user("ann", 1))
        .await
        .unwrap();
    let generation = directory.catalog().generation();
    let before = state_of(store.as_ref());
    let failed = directory.drop_user(order(), user_name("ann")).await;
    assert_eq!(failed, Err(OpsError::Storage(FaultyStore::failure())));
    let later = directory.create_user(order(), user("bob", 1)).await;
    assert_eq!(later, Err(OpsError::Storage(FaultyStore::poisoned())));
    assert!(directory.catalog().user(&user_name("ann")).is_some());
    assert!(directory.catalog().user(&user_name("bob")).is_none());
    assert_eq!(directory.catalog().generation(), generation);
    assert_eq!(state_of(store.as_ref()), before);
    // What changes nothing needs no store.
    let exists = directory.create_user(order(), user("ann", 1)).await;
    let wanted = PlanError::UserExists(user_name("ann"));
    assert_eq!(exists, Err(OpsError::Plan(wanted)));
}

/// Its first commit, that of the secret, goes well; the next one ends in a panic.
#[derive(Debug)]
struct PanickingStore(MemoryStore);

impl Store for PanickingStore {
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        let is_user = |change: &Change| matches!(change, Change::PutUser(_));
        assert!(!batch.iter().any(is_user), "as told");
        self.0.commit(batch)
    }

    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        self.0.replay(sink)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "panicking"
    }
}

#[tokio::test]
async fn who_writes_outlives_a_store_that_panics() {
    let store = PanickingStore(MemoryStore::new());
    let directory = Directory::open(Arc::new(store)).unwrap();
    let unsettled = StoreError::Unsettled(Box::new(StoreError::Panicked));
    for _ in 0..2 {
        let failed = directory.create_user(order(), user("ann", 1)).await;
        assert_eq!(failed, Err(OpsError::Storage(unsettled.clone())));
    }
    let made = directory.create_role(order(), role("reader")).await;
    assert!(made.is_ok(), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_rests_on_a_failed_commit_is_not_told() {
    let (directory, entered, may_leave) = gated();
    let first = Box::pin(directory.create_user(order(), user("first", 1)));
    let create = || Box::pin(directory.create_user(order(), user("ann", 1)));
    let mut tasks = [first, create(), create()];
    assert!(futures_util::poll!(tasks[0].as_mut()).is_pending());
    entered.recv().unwrap();
    // Both wait now and go into one batch, whose commit fails: ann does not exist.
    for task in &mut tasks[1..] {
        assert!(futures_util::poll!(task.as_mut()).is_pending());
    }
    may_leave.send(true).unwrap();
    may_leave.send(false).unwrap();
    let [first, one, other] = tasks;
    first.await.unwrap();
    let failed = Err(OpsError::Storage(FaultyStore::failure()));
    assert_eq!((one.await, other.await), (failed.clone(), failed));
    assert!(directory.catalog().user(&user_name("ann")).is_none());
}

#[tokio::test]
async fn an_open_that_cannot_keep_its_secret_fails() {
    let store = Arc::new(FaultyStore::failing_after(0));
    assert_eq!(Directory::open(store).unwrap_err(), FaultyStore::failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_finishes_what_waits_and_refuses_the_rest() {
    let (directory, entered, may_leave) = gated();
    let mut waiting = Box::pin(directory.create_user(order(), user("ann", 1)));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    entered.recv().unwrap();
    let mut queued = Box::pin(directory.create_user(order(), user("bob", 1)));
    assert!(futures_util::poll!(queued.as_mut()).is_pending());
    let mut closing = Box::pin(directory.close());
    assert!(futures_util::poll!(closing.as_mut()).is_pending());
    let late = directory.create_user(order(), user("eve", 1)).await;
    assert_eq!(late, Err(OpsError::Closed));
    may_leave.send(true).unwrap();
    may_leave.send(true).unwrap();
    closing.await;
    waiting.await.unwrap();
    queued.await.unwrap();
    assert_eq!(directory.catalog().user_count(), 2);
    directory.close().await;
}

#[tokio::test]
async fn a_snapshot_is_what_the_store_has_at_its_sequence() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(RedbStore::open(folder.path()).unwrap());
    let directory = Directory::open(Arc::clone(&store) as Arc<dyn Store>).unwrap();
    let concern = bson::rawdoc! { "defaultWriteConcern": { "w": 1 } };
    directory
        .set_default_rw_concern(order(), |_| Ok(concern))
        .await
        .unwrap();
    directory
        .create_role(order(), role("reader"))
        .await
        .unwrap();
    for name in ["ann", "bob"] {
        directory.create_user(order(), user(name, 1)).await.unwrap();
    }
    directory
        .drop_user(order(), user_name("bob"))
        .await
        .unwrap();
    let taken = directory.snapshot(order()).await.unwrap();
    let mut snapshot = State::new();
    for change in &taken.value {
        keep(&mut snapshot, change);
    }
    assert!((snapshot, taken.sequence) == state_of(store.as_ref()));
    assert_eq!(taken.value.len(), 5, "{:?}", taken.value);
    // It is no change.
    let again = directory.snapshot(order()).await.unwrap();
    assert_eq!(again.sequence, taken.sequence);
    directory.close().await;
    let refused = directory.snapshot(order()).await.map(drop);
    assert_eq!(refused, Err(OpsError::Closed));
}
