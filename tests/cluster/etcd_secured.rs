//! etcd that wants certificates, a user, or both.

use crate::common::{DB, acknowledged, create_user, user_names, with_w, written};
use crate::support::Options;
use crate::support::etcd::{Etcd, EtcdOptions};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME, SHORT_LEASE_TTL_SECS};

#[test]
fn members_present_their_certificate_and_sign_in() {
    for (with_tls, with_user) in [(true, false), (false, true), (true, true)] {
        let mut set = ReplicaSet::start(&ReplicaSetOptions {
            etcd: EtcdOptions {
                members: 1,
                with_tls,
                with_user,
                ..EtcdOptions::default()
            },
            lease_ttl_secs: SHORT_LEASE_TTL_SECS,
            ..ReplicaSetOptions::default()
        });
        let mut admin = set.admin(set.primary());
        acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
        // Signing in to etcd is done again by itself.
        let primary = set.primary();
        set.etcd.kill(0);
        set.etcd.restart(0);
        set.etcd.wait_until_healthy(0);
        set.kill(primary);
        written(&set, with_w(create_user("bob", &["read"]), 2));
        let mut admin = set.admin(set.primary());
        assert_eq!(user_names(&mut admin), ["ann", "bob"]);
    }
}

#[test]
fn who_has_neither_does_not_start() {
    let etcd = Etcd::start(EtcdOptions {
        members: 1,
        with_tls: true,
        with_user: true,
        ..EtcdOptions::default()
    });
    let options = Options::default()
        .argument("--storageEngine=etcd")
        .argument(format!("--replSet={SET_NAME}"))
        .argument(format!("--etcd.endpoints={}", etcd.endpoints()));
    let output = options.command().output().unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("etcd"), "{log}");
}
