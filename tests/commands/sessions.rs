//! Logical sessions: `startSession`, `refreshSessions`, `endSessions` and `lsid`.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, doc};

use crate::support::error_of;
use crate::table::{check, server};

fn uuid(bytes: usize, subtype: BinarySubtype) -> Bson {
    Bson::Binary(Binary {
        subtype,
        bytes: vec![7; bytes],
    })
}

#[test]
fn a_session_begins_is_used_and_ends() {
    let server = server();
    let mut admin = server.admin();
    let started = admin.run("shop", doc! { "startSession": 1 });
    assert_eq!(
        started.keys().collect::<Vec<_>>(),
        ["id", "timeoutMinutes", "ok"]
    );
    assert_eq!(started.get("timeoutMinutes"), Some(&Bson::Int32(30)));
    let id = started.get_document("id").unwrap();
    let Some(Bson::Binary(session)) = id.get("id") else {
        panic!("{started}")
    };
    assert_eq!(
        (session.subtype, session.bytes.len()),
        (BinarySubtype::Uuid, 16)
    );
    assert_ne!(
        admin.run("shop", doc! { "startSession": 1 }).get("id"),
        started.get("id")
    );
    let ok = doc! { "ok": 1.0 };
    assert_eq!(admin.run("shop", doc! { "ping": 1, "lsid": id }), ok);
    assert_eq!(admin.run("admin", doc! { "refreshSessions": [id] }), ok);
    assert_eq!(admin.run("admin", doc! { "endSessions": [id, id] }), ok);
    assert_eq!(admin.run("admin", doc! { "endSessions": [] }), ok);
}

#[test]
fn requests_that_are_refused() {
    let server = server();
    check(&server, "sessions");
    let mut admin = server.admin();
    let mut ping = |id: Bson| admin.run("shop", doc! { "ping": 1, "lsid": { "id": id } });
    assert_eq!(ping(uuid(16, BinarySubtype::Uuid)), doc! { "ok": 1.0 });
    for wrong in [
        uuid(16, BinarySubtype::Generic),
        uuid(16, BinarySubtype::UuidOld),
        uuid(15, BinarySubtype::Uuid),
    ] {
        let reply = ping(wrong);
        assert_ne!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    }
}

#[test]
fn strangers_have_no_sessions() {
    let server = server();
    let mut stranger = server.raw();
    for command in ["startSession", "refreshSessions", "endSessions"] {
        let reply = stranger.run("admin", doc! { command: [] });
        let text = format!("Command {command} requires authentication");
        assert_eq!(error_of(&reply), (13, text));
    }
    // Drivers send one with their first commands.
    let lsid = doc! { "id": uuid(16, BinarySubtype::Uuid) };
    assert_eq!(
        stranger.run("admin", doc! { "ping": 1, "lsid": lsid }),
        doc! { "ok": 1.0 }
    );
}
