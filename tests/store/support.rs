//! Values and states to compare.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::RawDocumentBuf;
use bson::raw::cstr;
use portcullis::model::action::{Action, ActionSet};
use portcullis::model::names::{DbName, RoleName, UserName};
use portcullis::model::privilege::Privilege;
use portcullis::model::resource::Resource;
use portcullis::model::restriction::{AddressRestriction, Restrictions};
use portcullis::model::role::Role;
use portcullis::model::user::{Credentials, ScramCredential, User};
use portcullis::store::{Change, Sequence, Setting, Store, record};

/// Everything a store has, as records by table and key.
pub(crate) type State = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

pub(crate) fn state_of(store: &dyn Store) -> (State, Sequence) {
    let mut state = State::new();
    let sequence = store
        .replay(&mut |change| keep(&mut state, &change))
        .unwrap();
    (state, sequence)
}

/// What `state` becomes by `change`.
pub(crate) fn keep(state: &mut State, change: &Change) {
    let write = record::encode(change).unwrap();
    let place = (write.table.name(), write.key);
    match write.record {
        Some(record) => state.insert(place, record),
        None => state.remove(&place),
    };
}

pub(crate) fn db(name: &str) -> DbName {
    DbName::parse(name).unwrap()
}

pub(crate) fn user_name(name: &str) -> UserName {
    UserName::new(name, DbName::ADMIN).unwrap()
}

pub(crate) fn role_name(name: &str) -> RoleName {
    RoleName::new(name, db("products")).unwrap()
}

/// A user with made-up keys that depend on `seed`.
pub(crate) fn user(name: &str, seed: u8) -> User {
    User {
        name: user_name(name),
        user_id: uuid::Uuid::from_u128(seed.into()),
        credentials: Credentials::Stored {
            sha_1: Some(Box::new(ScramCredential {
                iteration_count: 10_000,
                salt: [seed; 16],
                stored_key: [seed; 20],
                server_key: [seed; 20],
            })),
            sha_256: Some(Box::new(ScramCredential {
                iteration_count: 15_000,
                salt: [seed; 28],
                stored_key: [seed; 32],
                server_key: [seed; 32],
            })),
            plain: None,
        },
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: [].into(),
    }
}

/// A user with every field there is.
pub(crate) fn full_user(name: &str) -> User {
    let mut custom_data = RawDocumentBuf::new();
    custom_data.append(cstr!("team"), "\u{4e2d}\u{6587}");
    User {
        restrictions: restrictions(),
        custom_data: Some(Box::new(custom_data)),
        roles: [role_name("reader"), role_name("writer")].into(),
        ..user(name, 3)
    }
}

pub(crate) fn role(name: &str) -> Role {
    Role {
        name: role_name(name),
        privileges: [Privilege {
            resource: Resource::Database(db("products")),
            actions: ActionSet::from_iter([Action::Find, Action::Insert]),
        }]
        .into(),
        roles: [RoleName::new("read", db("products")).unwrap()].into(),
        restrictions: restrictions(),
        milvus_grants: [].into(),
    }
}

pub(crate) fn restrictions() -> Restrictions {
    Restrictions::new(vec![AddressRestriction {
        client_source: Some(["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()].into()),
        server_address: Some([].into()),
    }])
}

pub(crate) fn put_user(user: User) -> Change {
    Change::PutUser(Arc::new(user))
}

pub(crate) fn put_role(role: Role) -> Change {
    Change::PutRole(Arc::new(role))
}

pub(crate) fn concern(mode: &str) -> Change {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("w"), mode);
    Change::PutSetting(Setting::DefaultReadWriteConcern(Arc::new(document)))
}
