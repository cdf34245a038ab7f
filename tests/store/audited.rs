//! What the audit log is told before a commit, and what becomes of a batch that it cannot be told.

use std::sync::Arc;

use bson::Document;
use portcullis::audit::{Audit, Event, Origin};
use portcullis::authz::Authority;
use portcullis::config::{AuditConfig, AuditDestination, AuditFormat, OnAuditFailure};
use portcullis::model::directory_change::{ChangeKind, DirectoryChange};
use portcullis::ops::{Directory, OpsError, Order};
use portcullis::secret::Secret;
use portcullis::store::MemoryStore;

use crate::faulty::FaultyStore;
use crate::support::{user, user_name};

fn audit_into(path: &std::path::Path) -> Audit {
    let config = AuditConfig {
        destination: AuditDestination::File {
            path: path.to_owned(),
            format: AuditFormat::Bson,
            sync: false,
        },
        filter: None,
        on_failure: OnAuditFailure::Refuse,
    };
    Audit::start(Some(&config), &Secret::new([0; 32])).unwrap()
}

/// Leave to create a user, audited.
fn order(audit: &Audit, name: &str) -> Order {
    let change = DirectoryChange::of_user("createUser", ChangeKind::Created, &user_name(name));
    let origin = Origin::system();
    let pass = Authority::Unchecked.require_sign_in().unwrap();
    Order::new(pass).audited(audit.clone(), move |refusal| {
        let result = match refusal {
            None => 0,
            Some(OpsError::Plan(_)) => 51003,
            Some(_) => 1,
        };
        Event::change(&origin, &change, result)
    })
}

fn results(path: &std::path::Path) -> Vec<i32> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut results = Vec::new();
    while !rest.is_empty() {
        let event = Document::from_reader(&mut rest).unwrap();
        results.push(event.get_i32("result").unwrap());
    }
    results
}

#[tokio::test]
async fn a_change_that_was_announced_and_not_stored_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let audit = audit_into(&path);
    // Of the two commits one is the secret of the deployment.
    let store = Arc::new(FaultyStore::failing_after(2));
    let directory = Directory::open(store).unwrap();
    directory
        .create_user(order(&audit, "ann"), user("ann", 1))
        .await
        .unwrap();
    assert_eq!(results(&path), [0]);
    let refused = directory.create_user(order(&audit, "ann"), user("ann", 1));
    assert!(matches!(refused.await, Err(OpsError::Plan(_))));
    assert_eq!(results(&path), [0, 51003]);
    let failed = directory.create_user(order(&audit, "bob"), user("bob", 1));
    assert!(matches!(failed.await, Err(OpsError::Storage(_))));
    assert_eq!(results(&path), [0, 51003, 0, 1]);
}

#[tokio::test]
async fn what_cannot_be_audited_is_not_committed() {
    let directory = Directory::open(Arc::new(MemoryStore::new())).unwrap();
    let audit = audit_into(std::path::Path::new("/dev/full"));
    let before = directory.catalog().generation();
    let (one, two) = tokio::join!(
        directory.create_user(order(&audit, "ann"), user("ann", 1)),
        directory.create_user(order(&audit, "bob"), user("bob", 1)),
    );
    for refused in [one, two] {
        assert!(matches!(refused, Err(OpsError::Audit(_))), "{refused:?}");
    }
    assert_eq!(directory.catalog().user_count(), 0);
    assert_eq!(directory.catalog().generation(), before);
    assert_eq!(audit.counters(), Some((0, 2)));
    audit.close().await;
    let refused = directory.create_user(order(&audit, "ann"), user("ann", 1));
    assert!(matches!(refused.await, Err(OpsError::Audit(_))));
}
