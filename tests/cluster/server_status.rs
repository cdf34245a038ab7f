//! What `serverStatus` of a member tells of its set.

use bson::{Document, doc};

use crate::common::{DB, done};
use crate::support::RawClient;
use crate::support::replica_set::ReplicaSet;

/// `[wtime.num, wtime.totalMillis, wtimeouts, default.wtimeouts, default.unsatisfiable]`.
fn waits(client: &mut RawClient) -> [i64; 5] {
    let status = done(client, "admin", doc! { "serverStatus": 1 });
    let metrics = status.get_document("metrics").unwrap();
    let counters = metrics.get_document("getLastError").unwrap();
    let time = counters.get_document("wtime").unwrap();
    let default = counters.get_document("default").unwrap();
    [
        time.get_i64("num").unwrap(),
        time.get_i64("totalMillis").unwrap(),
        counters.get_i64("wtimeouts").unwrap(),
        default.get_i64("wtimeouts").unwrap(),
        default.get_i64("unsatisfiable").unwrap(),
    ]
}

fn create(client: &mut RawClient, name: &str, write_concern: Option<Document>) {
    let mut command = doc! { "createRole": name, "privileges": [], "roles": [] };
    command.extend(write_concern.map(|concern| ("writeConcern".to_owned(), concern.into())));
    done(client, DB, command);
}

fn set_default(client: &mut RawClient, w: i32) {
    let concern = doc! { "w": w, "wtimeout": 200 };
    done(
        client,
        "admin",
        doc! {
            "setDefaultRWConcern": 1, "defaultWriteConcern": concern,
            "writeConcern": { "w": 1 },
        },
    );
}

#[test]
fn waits_for_write_concerns_are_counted() {
    let mut set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut admin = set.admin(nodes[0]);
    set.pause(nodes[2]);
    let mut before = waits(&mut admin);
    // What was counted since the last time, and whether at least 200 ms were.
    let mut new = |admin: &mut RawClient| {
        let now = waits(admin);
        let [num, ms, timeouts, default_timeouts, default_unsatisfiable] = now;
        let since = (
            num - before[0],
            ms - before[1] >= 200,
            [
                timeouts - before[2],
                default_timeouts - before[3],
                default_unsatisfiable - before[4],
            ],
        );
        before = now;
        since
    };
    create(&mut admin, "alone", Some(doc! { "w": 1 }));
    assert_eq!(new(&mut admin), (0, false, [0, 0, 0]));
    create(&mut admin, "two", Some(doc! { "w": 2 }));
    let (num, _, others) = new(&mut admin);
    assert_eq!((num, others), (1, [0, 0, 0]));
    let three = doc! { "w": 3, "wtimeout": 200 };
    create(&mut admin, "three", Some(three));
    assert_eq!(new(&mut admin), (1, true, [1, 0, 0]));
    create(&mut admin, "four", Some(doc! { "w": 4 }));
    assert_eq!(new(&mut admin), (1, false, [0, 0, 0]));

    set_default(&mut admin, 3);
    create(&mut admin, "default", None);
    assert_eq!(new(&mut admin), (1, true, [1, 1, 0]));
    set_default(&mut admin, 4);
    create(&mut admin, "too-many", None);
    assert_eq!(new(&mut admin), (1, false, [0, 0, 1]));
}
