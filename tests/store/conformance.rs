//! What every store must do. A new store adds a [`Subject`] and one line of `conformance!`.

use std::path::Path;

use bson::RawDocumentBuf;
use bson::raw::cstr;
use portcullis::model::names::{RoleName, UserName};
use portcullis::model::user::{Credentials, User};
use portcullis::secret::Secret;
use portcullis::store::{Change, MemoryStore, RedbStore, Sequence, Setting, Store};
use tempfile::TempDir;

use crate::support::{
    State, concern, db, full_user, keep, put_role, put_user, role, role_name, state_of, user,
    user_name,
};

/// A store under test.
trait Subject {
    /// With nothing in it.
    fn new() -> Self;
    fn store(&self) -> &dyn Store;
    /// The same data through a new handle; a store that is not durable stays as it is.
    fn reopen(self) -> Self;
}

struct Memory(MemoryStore);

impl Subject for Memory {
    fn new() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn reopen(self) -> Self {
        self
    }
}

struct Redb {
    store: RedbStore,
    folder: TempDir,
}

impl Subject for Redb {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = RedbStore::open(folder.path()).unwrap();
        Self { store, folder }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn reopen(self) -> Self {
        let Self { store, folder } = self;
        drop(store);
        let store = RedbStore::open(folder.path()).unwrap();
        Self { store, folder }
    }
}

macro_rules! conformance {
    ($name:ident, $subject:ty) => {
        mod $name {
            conformance!($subject:
                a_new_store_is_empty, replay_gives_what_was_committed, kinds_come_in_order,
                sequences_grow_by_one, later_changes_win, drops_remove, drops_of_nothing_do_nothing,
                an_empty_batch_changes_nothing, names_are_kept_as_they_are, names_do_not_mix,
                the_largest_custom_data_is_kept, many_changes_are_one_batch);
        }
    };
    ($subject:ty: $($test:ident),*) => {
        $(
            #[test]
            fn $test() {
                super::$test::<$subject>();
            }
        )*
    };
}

conformance!(memory, super::Memory);
conformance!(redb, super::Redb);

#[test]
fn only_redb_is_durable() {
    assert!(!Memory::new().store().is_durable());
    assert!(Redb::new().store().is_durable());
    assert!(Path::exists(
        &Redb::new().folder.path().join("catalog.redb")
    ));
}

/// Commits all batches, reopens, and compares with what they should add up to.
fn check<S: Subject>(batches: &[Vec<Change>]) -> State {
    let subject = S::new();
    let mut wanted = State::new();
    for batch in batches {
        subject.store().commit(batch).unwrap();
        for change in batch {
            keep(&mut wanted, change);
        }
        assert_eq!(state_of(subject.store()).0, wanted);
    }
    let subject = subject.reopen();
    assert_eq!(state_of(subject.store()).0, wanted);
    wanted
}

fn a_new_store_is_empty<S: Subject>() {
    let subject = S::new().reopen();
    assert_eq!(state_of(subject.store()), (State::new(), Sequence(0)));
}

fn replay_gives_what_was_committed<S: Subject>() {
    let external = User {
        credentials: Credentials::External,
        ..user("CN=ann", 1)
    };
    let state = check::<S>(&[
        vec![
            put_user(full_user("ann")),
            put_user(external),
            put_role(role("reader")),
            Change::PutSetting(Setting::AuthSchema),
        ],
        vec![
            concern("majority"),
            Change::PutSetting(Setting::DeploymentSecret(Secret::new([9; 32]))),
        ],
    ]);
    assert_eq!(state.len(), 6);
}

fn kinds_come_in_order<S: Subject>() {
    let subject = S::new();
    let batch = [put_user(user("ann", 1)), put_role(role("a")), concern("1")];
    subject.store().commit(&batch).unwrap();
    let subject = subject.reopen();
    let mut kinds = Vec::new();
    let replayed = subject.store().replay(&mut |change| {
        kinds.push(match change {
            Change::PutSetting(_) => "setting",
            Change::PutRole(_) => "role",
            Change::PutUser(_) => "user",
            other => panic!("replayed {other:?}"),
        });
    });
    assert_eq!(replayed, Ok(Sequence(1)));
    assert_eq!(kinds, ["setting", "role", "user"]);
}

fn sequences_grow_by_one<S: Subject>() {
    let subject = S::new();
    for wanted in 1..4 {
        let sequence = subject.store().commit(&[put_user(user("ann", 1))]);
        assert_eq!(sequence, Ok(Sequence(wanted)));
    }
    let subject = subject.reopen();
    assert_eq!(state_of(subject.store()).1, Sequence(3));
    let sequence = subject.store().commit(&[concern("1"), concern("2")]);
    assert_eq!(sequence, Ok(Sequence(4)));
}

fn later_changes_win<S: Subject>() {
    let ann = |seed| put_user(user("ann", seed));
    let state = check::<S>(&[
        vec![ann(1), ann(2)],
        vec![ann(3), Change::DropUser(user_name("ann"))],
        vec![
            ann(4),
            Change::DropUser(user_name("ann")),
            ann(5),
            put_role(role("a")),
            Change::DropRole(role_name("a")),
        ],
        vec![concern("1"), concern("2")],
    ]);
    let mut wanted = State::new();
    keep(&mut wanted, &ann(5));
    keep(&mut wanted, &concern("2"));
    assert_eq!(state, wanted);
}

fn drops_remove<S: Subject>() {
    let state = check::<S>(&[
        vec![
            put_user(user("ann", 1)),
            put_user(user("bob", 2)),
            put_role(role("a")),
        ],
        vec![
            Change::DropUser(user_name("ann")),
            Change::DropRole(role_name("a")),
        ],
    ]);
    assert_eq!(state.len(), 1);
}

fn drops_of_nothing_do_nothing<S: Subject>() {
    let state = check::<S>(&[
        vec![Change::DropUser(user_name("ann"))],
        vec![Change::DropRole(role_name("a"))],
    ]);
    assert!(state.is_empty());
}

fn an_empty_batch_changes_nothing<S: Subject>() {
    let subject = S::new();
    assert_eq!(subject.store().commit(&[]), Ok(Sequence(0)));
    subject.store().commit(&[concern("1")]).unwrap();
    assert_eq!(subject.store().commit(&[]), Ok(Sequence(1)));
}

fn names_are_kept_as_they_are<S: Subject>() {
    // Composed and decomposed, a ligature, right to left, beyond the basic plane, spaces.
    let names = [
        "\u{e9}",
        "e\u{301}",
        "\u{fb01}",
        "\u{5d0}\u{5d1}",
        "\u{1f600}",
        " ",
        "a.b@c",
        "A",
        "a",
    ];
    let long = "x".repeat(10_000);
    let names = names.iter().copied().chain([long.as_str()]);
    let batch: Vec<_> = names.map(|name| put_user(user(name, 1))).collect();
    assert_eq!(check::<S>(&[batch]).len(), 10);
}

fn names_do_not_mix<S: Subject>() {
    let named = |name: &str, on: &str| User {
        name: UserName::new(name, db(on)).unwrap(),
        ..user("x", 1)
    };
    let mut nul = role("a");
    nul.name = RoleName::new("a\0b", db("a")).unwrap();
    let state = check::<S>(&[vec![
        put_user(named("ann", "a")),
        put_user(named("ann", "b")),
        put_user(named("nn", "aa")),
        put_user(named("ann", "$external")),
        put_role(role("ann")),
        put_role(nul),
    ]]);
    assert_eq!(state.len(), 6);
}

fn the_largest_custom_data_is_kept<S: Subject>() {
    let mut custom_data = RawDocumentBuf::new();
    let overhead = custom_data.as_bytes().len() + b"\x02x\0\0\0\0\0\0".len();
    custom_data.append(cstr!("x"), "y".repeat(16 * 1024 * 1024 - overhead));
    assert_eq!(custom_data.as_bytes().len(), 16 * 1024 * 1024);
    let large = User {
        custom_data: Some(Box::new(custom_data)),
        ..user("large", 1)
    };
    check::<S>(&[vec![put_user(large), put_user(user("small", 1))]]);
}

fn many_changes_are_one_batch<S: Subject>() {
    let users = (0..3000_u32).map(|index| put_user(user(&format!("user{index}"), 1)));
    let subject = S::new();
    let committed = subject.store().commit(&users.collect::<Vec<_>>());
    assert_eq!(committed, Ok(Sequence(1)));
    let subject = subject.reopen();
    assert_eq!(state_of(subject.store()).0.len(), 3000);
}
