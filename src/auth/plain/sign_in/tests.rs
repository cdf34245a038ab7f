//! When no hashing is needed. `tests/auth/plain.rs` has everything a client can see.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::*;
use crate::auth::hash_pool::{HashPool, Owner};
use crate::auth::origin::Origin;
use crate::auth::plain::{Argon2Cost, PlainPassword};
use crate::auth::verified::VerifiedSecrets;
use crate::model::restriction::{AddressRestriction, Endpoints, Restrictions};
use crate::model::user::{Credentials, User};
use crate::secret::Secret;
use crate::store::Change;

const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
};

/// With one user, `ann`, who has to come from 192.0.2.1.
fn catalog() -> Catalog {
    let password = PlainPassword::prepare(&Secret::new("pencil".to_owned())).unwrap();
    let from = AddressRestriction {
        client_source: Some(["192.0.2.1".parse().unwrap()].into()),
        server_address: None,
    };
    let catalog = Catalog::new();
    catalog.apply(vec![Change::PutUser(Arc::new(User {
        name: UserName::new("ann", DbName::ADMIN).unwrap(),
        user_id: uuid::Uuid::new_v4(),
        credentials: Credentials::Stored {
            sha_1: None,
            sha_256: None,
            plain: Some(Box::new(password.derive(CHEAP).unwrap())),
        },
        restrictions: Restrictions::new(vec![from]),
        custom_data: None,
        roles: [].into(),
    }))]);
    catalog
}

/// The code that a client at `address` is answered, if any.
async fn code(
    address: [u8; 4],
    password: &str,
    catalog: &Catalog,
    (pool, verified): (&HashPool, &VerifiedSecrets),
) -> Option<i32> {
    let mut session = Session::new(Endpoints {
        client: Some(address.into()),
        server: None,
    });
    let start = Start {
        db: &DbName::ADMIN,
        mechanism: "PLAIN",
        payload: &Secret::new(format!("\0ann\0{password}").into_bytes()),
        skip_empty_exchange: false,
        is_speculative: false,
        is_private: true,
        is_api_strict: false,
    };
    let policy = Policy {
        plain_users: PlainUsers::All,
        mechanisms: &[Mechanism::Plain],
        sha_1_iterations: 0,
        sha_256_iterations: 0,
        secret: &Secret::new([0; 32]),
        argon2_cost: CHEAP,
        hash_pool: pool.share_of(Owner::Stranger(Origin::of(None))),
        verified,
        guess: None,
    };
    let refused = session.sasl_start(&start, &policy, catalog).await.err();
    refused.map(|refused| refused.error.code.0)
}

/// Threads that will not have time for anything more.
async fn busy() -> (Arc<HashPool>, std::sync::mpsc::Sender<()>) {
    let pool = Arc::new(HashPool::new(NonZeroUsize::MIN, 0, 0).unwrap());
    let (started, has_started) = tokio::sync::oneshot::channel();
    let (end, wait) = std::sync::mpsc::channel();
    let job = move || {
        let _ = started.send(());
        let _ = wait.recv();
    };
    let of_job = Arc::clone(&pool);
    tokio::spawn(async move {
        let share = of_job.share_of(Owner::Stranger(Origin::of(None)));
        share.run(job).await
    });
    has_started.await.unwrap();
    (pool, end)
}

#[tokio::test]
async fn what_was_right_needs_no_hashing_where_the_user_may_come_from() {
    let (here, elsewhere) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let (catalog, verified) = (catalog(), VerifiedSecrets::new().unwrap());
    let idle = HashPool::new(NonZeroUsize::MIN, 8, 8).unwrap();
    let idle = (&idle, &verified);
    assert_eq!(code(here, "pencil", &catalog, idle).await, None);
    assert_eq!(code(elsewhere, "pencil", &catalog, idle).await, Some(18));
    assert_eq!(code(elsewhere, "pen", &catalog, idle).await, Some(18));

    let (busy, _end) = busy().await;
    let busy = (&*busy, &verified);
    assert_eq!(code(here, "pencil", &catalog, busy).await, None);
    assert_eq!(code(here, "pen", &catalog, busy).await, Some(96));
    // Right or wrong: who may not come from there does not learn it.
    assert_eq!(code(elsewhere, "pencil", &catalog, busy).await, Some(96));
    assert_eq!(code(elsewhere, "pen", &catalog, busy).await, Some(96));
}
