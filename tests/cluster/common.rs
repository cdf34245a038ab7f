//! What the tests of this folder share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bson::{Bson, Document, doc};

use crate::support::replica_set::ReplicaSet;
use crate::support::{PATIENCE, RawClient};

pub(crate) const DB: &str = "products";
/// Clients that create users.
const CREATORS: usize = 6;
/// Clients that change something all the time: enough that there is always a change to commit.
const STEADY_WRITERS: usize = 4;

/// Runs a command that must succeed; what it says of its write concern is left to the caller.
pub(crate) fn done(client: &mut RawClient, db: &str, command: Document) -> Document {
    let reply = client.run(db, command.clone());
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{command}: {reply}");
    reply
}

/// Runs a command that must succeed with its write concern.
pub(crate) fn acknowledged(client: &mut RawClient, db: &str, command: Document) {
    let reply = done(client, db, command.clone());
    assert!(
        !reply.contains_key("writeConcernError"),
        "{command}: {reply}"
    );
}

/// The configuration of the set.
pub(crate) fn config(client: &mut RawClient) -> Document {
    let reply = done(client, "admin", doc! { "replSetGetConfig": 1 });
    reply.get_document("config").unwrap().clone()
}

/// Sends the configuration with the members changed; the answer.
pub(crate) fn reconfigure(
    client: &mut RawClient,
    force: bool,
    change: impl Fn(&mut Vec<Bson>),
) -> Document {
    let mut new = config(client);
    new.insert("version", new.get_i32("version").unwrap() + 1);
    change(new.get_array_mut("members").unwrap());
    client.run("admin", doc! { "replSetReconfig": new, "force": force })
}

/// The host of a member in a configuration.
pub(crate) fn host_of(member: &Bson) -> &str {
    member.as_document().unwrap().get_str("host").unwrap()
}

/// The command, to be acknowledged by so many nodes.
pub(crate) fn with_w(mut command: Document, w: i32) -> Document {
    command.insert("writeConcern", doc! { "w": w, "wtimeout": 60_000 });
    command
}

/// `createUser` with the password "secret".
pub(crate) fn create_user(name: &str, roles: &[&str]) -> Document {
    doc! { "createUser": name, "pwd": "secret", "roles": roles.to_vec() }
}

/// Runs a write at whoever is primary until it is acknowledged, as drivers do: an election may be just over.
pub(crate) fn written(set: &ReplicaSet, command: Document) {
    let started = Instant::now();
    let mut may_be_written = false;
    loop {
        let reply = set.admin(set.primary()).run(DB, command.clone());
        let error = reply.get_document("writeConcernError").unwrap_or(&reply);
        match error.get_i32("code").ok() {
            None => return,
            Some(51_003) if may_be_written => return set.wait_until_all_have_everything(),
            Some(code) => assert!(RETRIABLE.contains(&code), "{reply}"),
        }
        may_be_written = true;
        assert!(started.elapsed() < PATIENCE, "{reply}");
    }
}

/// The command, for a secondary too.
pub(crate) fn from_any(mut command: Document) -> Document {
    command.insert("$readPreference", doc! { "mode": "secondaryPreferred" });
    command
}

/// The users of [`DB`] that a node shows.
pub(crate) fn user_names(client: &mut RawClient) -> Vec<String> {
    let reply = done(client, DB, from_any(doc! { "usersInfo": 1 }));
    names(&reply, "users", "user")
}

pub(crate) fn names(reply: &Document, list: &str, field: &str) -> Vec<String> {
    let items = reply.get_array(list).unwrap().iter();
    items
        .map(|item| {
            item.as_document()
                .unwrap()
                .get_str(field)
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The codes that drivers take for "ask another node, or again" (specification "Server Discovery And
/// Monitoring" and "Retryable Writes").
pub(crate) const RETRIABLE: [i32; 11] = [6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435];

/// Creates a user of `$external` with that role of [`DB`], as often as it takes; `connect` finds out whom
/// to ask. Without a password: hashing is not what this is about.
pub(crate) fn create_external(
    client: &mut RawClient,
    user: &str,
    role: &str,
    connect: impl Fn() -> RawClient,
) {
    let command = doc! {
        "createUser": user, "roles": [{ "role": role, "db": DB }], "writeConcern": { "w": 1 },
    };
    loop {
        let reply = client.run("$external", command.clone());
        match reply.get_i32("code").ok() {
            None | Some(51_003) => return,
            Some(code) => assert!(RETRIABLE.contains(&code), "{reply}"),
        }
        *client = connect();
    }
}

/// The same with many of them, by several clients: `user-0` and so on.
pub(crate) fn create_externals(count: usize, role: &str, connect: impl Fn() -> RawClient + Sync) {
    std::thread::scope(|scope| {
        for creator in 0..CREATORS {
            let connect = &connect;
            scope.spawn(move || {
                let mut client = connect();
                for number in (creator..count).step_by(CREATORS) {
                    create_external(&mut client, &format!("user-{number}"), role, connect);
                }
            });
        }
    });
}

/// Does `work` while clients of a node change something all the time.
pub(crate) fn under_steady_writes<T>(set: &ReplicaSet, node: usize, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whatever comes of the work: the scope waits for them.
        let _ending = OnDrop(|| is_over.store(true, Ordering::Relaxed));
        for writer in 0..STEADY_WRITERS {
            let (mut client, is_over) = (set.admin(node), &is_over);
            scope.spawn(move || {
                let user = format!("writer-{writer}");
                let w = doc! { "w": 1 };
                let create = doc! { "createUser": &user, "roles": [], "writeConcern": &w };
                done(&mut client, "$external", create);
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let data = doc! { "number": number };
                    let change =
                        doc! { "updateUser": &user, "customData": data, "writeConcern": &w };
                    done(&mut client, "$external", change);
                }
            });
        }
        work()
    })
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Connections to every node, signed in as the administrator.
pub(crate) fn admins(set: &ReplicaSet) -> Vec<RawClient> {
    (0..set.nodes()).map(|node| set.admin(node)).collect()
}

/// Whether the member of that name is not there, as far as this one knows.
pub(crate) fn is_down(client: &mut RawClient, host: &str) -> bool {
    let status = done(client, "admin", doc! { "replSetGetStatus": 1 });
    let mut members = status.get_array("members").unwrap().iter();
    members.any(|member| {
        let member = member.as_document().unwrap();
        member.get_str("name").unwrap() == host && member.get_i32("state").unwrap() == 8
    })
}
