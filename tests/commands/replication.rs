//! Commands for members of a replica set, on a standalone. `tests/cluster` has the members.

use bson::doc;

use crate::table::{check, server};

#[test]
fn a_standalone_has_no_replica_set() {
    check(&server(), "replication");
}

#[test]
fn a_standalone_runs_writes_and_reads_whatever_the_read_preference() {
    let server = server();
    let mut admin = server.admin();
    for mode in ["primary", "secondary", "nearest"] {
        let preference = doc! { "mode": mode };
        let read = doc! { "usersInfo": 1, "$readPreference": &preference };
        let reply = admin.run("shop", read);
        assert_eq!(reply, doc! { "users": [], "ok": 1.0 });
        let write = doc! { "dropAllUsersFromDatabase": 1, "$readPreference": preference };
        assert_eq!(admin.run("shop", write), doc! { "n": 0, "ok": 1.0 });
    }
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    assert_eq!(status.get("repl"), None);
}
