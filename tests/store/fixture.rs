//! Files of every format version open for ever. `fixtures/journal/*/README.md` say what is in them.

use std::fs;
use std::path::PathBuf;

use portcullis::model::milvus::{MilvusGrant, MilvusObject, PrivilegeGroup, PrivilegeGroups};
use portcullis::model::names::{DbName, RoleName, UserName};
use portcullis::model::plain_credential::PlainCredential;
use portcullis::model::role::Role;
use portcullis::model::user::{Credentials, User};
use portcullis::secret::Secret;
use portcullis::store::{Change, RedbStore, Sequence, Setting, Store};
use tempfile::TempDir;

use crate::support::{State, concern, full_user, keep, put_role, put_user, role, state_of, user};

fn fixture(version: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/journal");
    folder.join(version).join("catalog.redb")
}

/// The commits the file of version 2 has beside those of version 1.
fn batches_of_version_2() -> Vec<Vec<Change>> {
    let phc = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIDE2$\
               AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let plain = || Some(Box::new(PlainCredential::parse(phc).unwrap()));
    let only = User {
        credentials: Credentials::Stored {
            sha_1: None,
            sha_256: None,
            plain: plain(),
        },
        ..user("only-plain", 8)
    };
    let mut all = user("every-mechanism", 9);
    if let Credentials::Stored { plain: of_all, .. } = &mut all.credentials {
        *of_all = plain();
    }
    vec![vec![put_user(only), put_user(all)]]
}

/// The commits the file of version 3 has beside those of version 2.
fn batches_of_version_3() -> Vec<Vec<Change>> {
    let grant = |privilege: &str| MilvusGrant {
        object: MilvusObject::Global,
        object_name: "*".into(),
        db: "default".into(),
        privilege: privilege.into(),
        grantor: "root".into(),
    };
    let keeper = Role {
        name: RoleName::new("keeper", DbName::MILVUS).unwrap(),
        milvus_grants: [grant("FlushAll"), grant("upkeep")].into(),
        milvus_description: "keeps it tidy".into(),
        ..role("x")
    };
    let group = |name: &str, privileges: &[&str]| PrivilegeGroup {
        name: name.into(),
        privileges: privileges.iter().copied().map(Into::into).collect(),
    };
    let groups = vec![
        group("empty", &[]),
        group("upkeep", &["ClusterReadOnly", "FlushAll"]),
    ];
    let groups = PrivilegeGroups::new(groups).unwrap();
    vec![
        vec![Change::PutSetting(Setting::PrivilegeGroups(groups))],
        vec![put_role(keeper)],
    ]
}

/// The commits the file of version 1 was made by.
fn batches() -> Vec<Vec<Change>> {
    let external = User {
        name: UserName::new("CN=ann,O=example", DbName::EXTERNAL).unwrap(),
        credentials: Credentials::External,
        ..user("x", 7)
    };
    let dropped = user("dropped", 1);
    vec![
        vec![Change::PutSetting(Setting::DeploymentSecret(Secret::new(
            [42; 32],
        )))],
        vec![
            Change::PutSetting(Setting::AuthSchema),
            put_role(role("reader")),
            put_user(full_user("\u{e9}va")),
            put_user(dropped.clone()),
        ],
        vec![put_user(external), Change::DropUser(dropped.name)],
        vec![concern("majority")],
    ]
}

/// Opens a copy of the file, which must have just these changes in it, and goes on with it.
fn check(version: &str, batches: &[Vec<Change>]) {
    let folder = TempDir::new().unwrap();
    fs::copy(fixture(version), folder.path().join("catalog.redb")).unwrap();
    let mut wanted = State::new();
    for change in batches.iter().flatten() {
        keep(&mut wanted, change);
    }
    let sequence = batches.len() as u64;
    {
        let store = RedbStore::open(folder.path()).unwrap();
        assert_eq!(state_of(&store), (wanted, Sequence(sequence)));
        assert_eq!(
            store.commit(&batches_of_version_2()[0]),
            Ok(Sequence(sequence + 1))
        );
    }
    let store = RedbStore::open(folder.path()).unwrap();
    let (state, _) = state_of(&store);
    let mut added = State::new();
    for change in &batches_of_version_2()[0] {
        keep(&mut added, change);
    }
    assert!(
        added
            .iter()
            .all(|(key, record)| state.get(key) == Some(record))
    );
}

#[test]
fn version_1_opens_and_has_what_was_put_in() {
    check("v1", &batches());
}

#[test]
fn version_2_opens_and_has_what_was_put_in() {
    check("v2", &[batches(), batches_of_version_2()].concat());
}

#[test]
fn version_3_opens_and_has_what_was_put_in() {
    let batches = [batches(), batches_of_version_2(), batches_of_version_3()];
    check("v3", &batches.concat());
}

/// Makes the file. Only for a new format version: the file of an old one is never made again.
#[test]
#[ignore = "writes into fixtures"]
fn make_version_3() {
    let fixture = fixture("v3");
    assert!(!fixture.exists(), "a fixture is never replaced");
    let folder = TempDir::new().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let batches = [batches(), batches_of_version_2(), batches_of_version_3()];
    for batch in &batches.concat() {
        store.commit(batch).unwrap();
    }
    drop(store);
    let file = folder.path().join("catalog.redb");
    redb::Database::open(&file).unwrap().compact().unwrap();
    fs::create_dir_all(fixture.parent().unwrap()).unwrap();
    fs::copy(file, fixture).unwrap();
}
