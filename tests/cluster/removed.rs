//! Who is left out of the configuration, or may not be primary by it, is no primary from that moment.

use std::time::Duration;

use bson::{Bson, doc};

use crate::common::{
    DB, acknowledged, config, create_user, done, from_any, host_of, reconfigure, user_names, with_w,
};
use crate::support::error_of;
use crate::support::replica_set::ReplicaSet;

/// Longer than a write takes.
const HEARS_LATE: Duration = Duration::from_millis(200);

fn set_priority(members: &mut [Bson], host: &str, priority: f64) {
    let mut members = members.iter_mut();
    let member = members.find(|member| host_of(member) == host).unwrap();
    let member = member.as_document_mut().unwrap();
    member.insert("priority", priority);
}

#[test]
fn a_primary_that_is_left_out_writes_nothing_more_and_comes_back_when_it_is_added() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let (old, other) = (nodes[0], nodes[1]);
    let host = set.host(old);
    let mut held = set.admin(old);
    acknowledged(&mut held, DB, with_w(create_user("ann", &["read"]), 3));
    let find = doc! { "find": "system.users", "batchSize": 0 };
    let found = done(&mut held, "admin", find);
    let cursor = found.get_document("cursor").unwrap().get_i64("id").unwrap();
    let mut elsewhere = set.admin(other);
    let before = config(&mut elsewhere);
    // It hears late of what happens.
    for link in set.links(old) {
        link.delay(HEARS_LATE);
    }
    let reply = reconfigure(&mut elsewhere, true, |members| {
        members.retain(|member| host_of(member) != host);
    });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    for w in [1, 2] {
        let refused = held.run(DB, with_w(create_user("late", &[]), w));
        // The latter where the slow link has swallowed etcd's answer.
        assert!(
            [10_107, 11_602].contains(&error_of(&refused).0),
            "{refused}"
        );
    }
    set.heal(old);
    let new = set.primary_but(Some(old));
    let hello = set.wait_until(old, |hello| !hello.contains_key("setName"));
    assert!(hello.get_bool("isreplicaset").unwrap(), "{hello}");
    assert!(!hello.get_bool("secondary").unwrap(), "{hello}");
    let text = "node is not in primary or recovering state".to_owned();
    let refused = held.run(DB, from_any(doc! { "usersInfo": 1 }));
    assert_eq!(error_of(&refused), (13_436, text.clone()));
    let more = doc! { "getMore": cursor, "collection": "system.users" };
    assert_eq!(error_of(&held.run("admin", more)), (13_436, text));
    assert_eq!(set.raw(old).sign_in(DB, "ann", "secret"), Ok(()));
    let status = held.run("admin", doc! { "replSetGetStatus": 1 });
    assert_eq!(error_of(&status).0, 93);
    let mut admin = set.admin(new);
    acknowledged(&mut admin, DB, with_w(create_user("bob", &["read"]), 2));
    assert_eq!(user_names(&mut admin), ["ann", "bob"]);
    let mine = before.get_array("members").unwrap().iter();
    let mine = mine.filter(|member| host_of(member) == host).cloned();
    let mine: Vec<Bson> = mine.collect();
    let reply = reconfigure(&mut admin, false, |members| members.extend(mine.clone()));
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    set.wait_until(old, |hello| hello.get_bool("secondary").unwrap());
    assert_eq!(user_names(&mut held), ["ann", "bob"]);
    acknowledged(&mut admin, DB, with_w(create_user("carl", &["read"]), 3));
    assert!(set.server(old).logs().contains("state=\"REMOVED\""));
}

#[test]
fn a_primary_without_priority_hands_over() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let first = nodes[0];
    let mut held = set.admin(first);
    // Asked of another member, and then of the primary itself.
    let reply = reconfigure(&mut set.admin(nodes[1]), true, |members| {
        set_priority(members, &set.host(first), 0.0);
    });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let refused = held.run(DB, create_user("late", &[]));
    assert_eq!(error_of(&refused).0, 10_107, "{refused}");
    let second = set.primary_but(Some(first));
    set.wait_until(first, |hello| {
        hello.get_bool("secondary").unwrap() && hello.get_bool("passive").ok() == Some(true)
    });
    let mut admin = set.admin(second);
    let reply = reconfigure(&mut admin, true, |members| {
        set_priority(members, &set.host(second), 0.0);
    });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let third = set.primary_but(Some(second));
    assert!(third != first && third != second);
    let mut admin = set.admin(third);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    // It may stand again, and does once the primary steps down.
    let reply = reconfigure(&mut admin, false, |members| {
        set_priority(members, &set.host(first), 1.0);
    });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    done(&mut admin, "admin", doc! { "replSetStepDown": 60 });
    assert_eq!(set.primary_but(Some(third)), first);
}
