//! One user cannot fill the queue of passwords to be hashed.

use bson::{Document, doc};

use crate::common::{ok, options};
use crate::support::{TestServer, error_of};

#[test]
fn one_user_leaves_places_for_others() {
    let parameters = ["hashingThreads=1", "hashingQueuePerUserMax=1"];
    let server = TestServer::with_admin_and(options(&parameters));
    let mut admin = server.admin();
    let roles = ["userAdminAnyDatabase"];
    ok(
        &mut admin,
        "admin",
        doc! { "createUser": "other", "pwd": "secret", "roles": roles },
    );
    let slow = doc! { "setParameter": 1, "scramSHA256IterationCount": 300_000 };
    assert_eq!(admin.run("admin", slow), doc! { "was": 5000, "ok": 1.0 });
    let create = |name: String| {
        let no_roles: [Document; 0] = [];
        doc! {
            "createUser": name, "pwd": "secret", "roles": no_roles,
            "mechanisms": ["SCRAM-SHA-256"],
        }
    };
    let mut other = server.raw();
    other.sign_in("admin", "other", "secret").unwrap();
    let mut connections = [(); 4].map(|()| server.admin());
    for (number, client) in connections.iter_mut().enumerate() {
        client.send_command("shop", create(format!("user{number}")));
    }
    let refused: Vec<_> = connections
        .iter_mut()
        .map(crate::support::RawClient::receive_reply)
        .filter(|reply| reply.get_f64("ok").ok() != Some(1.0))
        .collect();
    for reply in &refused {
        let expected = (96, "too many passwords are waiting to be hashed".to_owned());
        assert_eq!(error_of(reply), expected);
    }
    assert!((1..=2).contains(&refused.len()), "{refused:?}");
    ok(&mut other, "shop", create("by_other".to_owned()));
}
