//! One row for each check, and for their order.

use crate::table::{check, server};

#[test]
fn reading() {
    let server = server();
    check(&server, "find");
    check(&server, "count");
    check(&server, "distinct");
}

#[test]
fn aggregate() {
    check(&server(), "aggregate");
}

#[test]
fn cursors() {
    let server = server();
    check(&server, "getMore");
    check(&server, "killCursors");
}

#[test]
fn what_there_is() {
    let server = server();
    check(&server, "listCollections");
    check(&server, "listIndexes");
}

#[test]
fn backing_up() {
    check(&server(), "portcullisBackup");
}

#[test]
fn restoring() {
    let server = server();
    check(&server, "insert");
    check(&server, "drop");
    check(&server, "_mergeAuthzCollections");
}
