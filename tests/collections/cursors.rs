//! Answers in several batches, and whose they are.

use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};

use crate::common::{batch, create_and_sign_in, create_roles, sign_in, succeed};
use crate::support::{RawClient, error_of};
use crate::table::server;

/// Opens a cursor that has documents left; its id.
fn open(client: &mut RawClient, command: Document) -> i64 {
    let (_, id, _) = batch(&succeed(client, "admin", command));
    assert_ne!(id, 0);
    id
}

fn find_roles() -> Document {
    doc! { "find": "system.roles", "batchSize": 2 }
}

fn get_more(id: i64) -> Document {
    doc! { "getMore": id, "collection": "system.roles" }
}

fn session(byte: u8) -> Document {
    let id = Binary {
        subtype: BinarySubtype::Uuid,
        bytes: vec![byte; 16],
    };
    doc! { "id": id }
}

#[test]
fn batches_follow_each_other_without_gap_or_overlap() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 250);
    let expected: Vec<String> = (0..250).map(|number| format!("r{number:03}")).collect();
    for (size, sizes) in [
        (Bson::Null, vec![101, 149]),
        (Bson::Int32(100), vec![100, 100, 50]),
        (Bson::Int32(125), vec![125, 125]),
        (Bson::Int32(250), vec![250]),
        (Bson::Int32(0), vec![0, 250]),
    ] {
        let command =
            doc! { "find": "system.roles", "batchSize": &size, "projection": { "role": 1 } };
        let (mut documents, mut id, namespace) = batch(&succeed(&mut admin, "admin", command));
        let mut found = vec![documents.len()];
        while id != 0 {
            let mut next = get_more(id);
            if size != Bson::Int32(0) {
                next.insert("batchSize", &size);
            }
            let (more, left, again) = batch(&succeed(&mut admin, "admin", next));
            assert_eq!(again, namespace);
            assert!(left == id || left == 0);
            found.push(more.len());
            documents.extend(more);
            id = left;
        }
        assert_eq!(found, sizes, "{size}");
        let names = documents.iter().map(|one| one.get_str("role").unwrap());
        assert_eq!(names.collect::<Vec<_>>(), expected, "{size}");
    }
    assert_eq!(open_cursors(&mut admin), 0);
}

#[test]
fn large_documents_come_in_as_many_batches_as_they_take() {
    let server = server();
    let mut admin = server.admin();
    for number in 0..5 {
        let text = "x".repeat(5_000_000);
        let user = format!("CN={number}");
        let command = doc! { "createUser": user, "roles": [], "customData": { "text": text } };
        succeed(&mut admin, "$external", command);
    }
    let filter = doc! { "db": "$external" };
    let command = doc! { "find": "system.users", "filter": filter, "sort": { "user": -1 } };
    let (mut documents, id, _) = batch(&succeed(&mut admin, "admin", command));
    assert_eq!(documents.len(), 3);
    let next = doc! { "getMore": id, "collection": "system.users" };
    let (more, id, _) = batch(&succeed(&mut admin, "admin", next));
    assert_eq!(id, 0);
    documents.extend(more);
    let names: Vec<_> = documents
        .iter()
        .map(|one| one.get_str("user").unwrap())
        .collect();
    assert_eq!(names, ["CN=4", "CN=3", "CN=2", "CN=1", "CN=0"]);
}

#[test]
fn a_cursor_shows_what_was_there_when_it_was_opened() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 6);
    let id = open(&mut admin, find_roles());
    succeed(&mut admin, "shop", doc! { "dropRole": "r004" });
    succeed(
        &mut admin,
        "shop",
        doc! { "updateRole": "r005", "roles": ["read"] },
    );
    succeed(
        &mut admin,
        "shop",
        doc! { "createRole": "r0025", "privileges": [], "roles": [] },
    );
    let (documents, _, _) = batch(&succeed(&mut admin, "admin", get_more(id)));
    let names: Vec<_> = documents
        .iter()
        .map(|one| one.get_str("role").unwrap())
        .collect();
    assert_eq!(names, ["r002", "r003", "r004", "r005"]);
    assert_eq!(documents[3].get_array("roles").unwrap(), &[]);
    let (documents, _, _) = batch(&succeed(
        &mut admin,
        "admin",
        doc! { "find": "system.roles" },
    ));
    assert_eq!(documents.len(), 6);
}

#[test]
fn a_cursor_is_its_users_on_any_connection_and_nobody_elses() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 6);
    let mut ann = create_and_sign_in(&server, "ann", &["backup"]);
    let mut bob = create_and_sign_in(&server, "bob", &["root"]);
    let id = open(&mut ann, find_roles());
    let refused = error_of(&bob.run("admin", get_more(id)));
    let text = format!("cursor id {id} was not created by the authenticated user");
    assert_eq!(refused, (13, text));
    let mut elsewhere = sign_in(&server, "ann");
    let (documents, _, _) = batch(&succeed(&mut elsewhere, "admin", get_more(id)));
    assert_eq!(documents.len(), 4);
    let gone = error_of(&ann.run("admin", get_more(id)));
    assert_eq!(gone, (43, format!("cursor id {id} not found")));
}

#[test]
fn reading_on_takes_what_reading_took() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 6);
    let mut ann = create_and_sign_in(&server, "ann", &["backup"]);
    let id = open(&mut ann, find_roles());
    let roles = vec![doc! { "role": "backup", "db": "admin" }];
    succeed(
        &mut admin,
        "shop",
        doc! { "revokeRolesFromUser": "ann", "roles": &roles },
    );
    let refused = error_of(&ann.run("admin", get_more(id)));
    assert_eq!(
        refused,
        (
            13,
            format!("not authorized for getMore with cursor id {id}")
        )
    );
    succeed(
        &mut admin,
        "shop",
        doc! { "grantRolesToUser": "ann", "roles": &roles },
    );
    // Made anew, it is somebody else.
    succeed(&mut admin, "shop", doc! { "dropUser": "ann" });
    let mut ann = create_and_sign_in(&server, "ann", &["backup"]);
    let refused = error_of(&ann.run("admin", get_more(id)));
    let text = format!("cursor id {id} was not created by the authenticated user");
    assert_eq!(refused, (13, text));
}

#[test]
fn the_collection_and_the_session_are_those_of_the_question() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 9);
    let id = open(&mut admin, find_roles());
    let other = doc! { "getMore": id, "collection": "system.users" };
    let text = "Requested getMore on namespace 'admin.system.users', but cursor belongs to a different \
                namespace admin.system.roles";
    assert_eq!(error_of(&admin.run("admin", other)), (13, text.into()));
    let other = error_of(&admin.run("shop", get_more(id)));
    assert_eq!(
        other,
        (
            13,
            text.replace("'admin.system.users'", "'shop.system.roles'")
        )
    );
    let with = |mut command: Document, lsid: u8| {
        command.insert("lsid", session(lsid));
        command
    };
    let one = "01010101-0101-0101-0101-010101010101";
    let two = "02020202-0202-0202-0202-020202020202";
    let start = format!("Cannot run getMore on cursor {id}, which was");
    let text = format!("{start} not created in a session, in session {one}");
    assert_eq!(
        error_of(&admin.run("admin", with(get_more(id), 1))),
        (50_736, text)
    );
    let id = open(&mut admin, with(find_roles(), 1));
    let start = format!("Cannot run getMore on cursor {id}, which was created in session {one}");
    let without = error_of(&admin.run("admin", get_more(id)));
    assert_eq!(without, (50_737, format!("{start}, without an lsid")));
    let wrong = error_of(&admin.run("admin", with(get_more(id), 2)));
    assert_eq!(wrong, (50_738, format!("{start}, in session {two}")));
    let mut limited = with(get_more(id), 1);
    limited.insert("maxTimeMS", 1000);
    let text = "cannot set maxTimeMS on getMore command for a non-awaitData cursor";
    assert_eq!(error_of(&admin.run("admin", limited)), (2, text.into()));
    succeed(&mut admin, "admin", with(get_more(id), 1));
}

#[test]
fn ones_own_cursors_can_be_closed_and_others_with_kill_any_cursor() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 6);
    let mut ann = create_and_sign_in(&server, "ann", &["backup"]);
    let mut bob = create_and_sign_in(&server, "bob", &["backup"]);
    let kill = |ids: &[i64]| doc! { "killCursors": "system.roles", "cursors": ids.to_vec() };
    let answer = |killed: &[i64], not_found: &[i64]| {
        doc! {
            "cursorsKilled": killed.to_vec(), "cursorsNotFound": not_found.to_vec(),
            "cursorsAlive": [], "cursorsUnknown": [], "ok": 1.0,
        }
    };
    let (first, second) = (open(&mut ann, find_roles()), open(&mut ann, find_roles()));
    let own = open(&mut bob, find_roles());
    assert_eq!(open_cursors(&mut admin), 3);
    // All or nothing: the one of his own stays as well.
    let (code, text) = error_of(&bob.run("admin", kill(&[own, first])));
    assert_eq!(code, 13);
    assert!(
        text.starts_with("not authorized on admin to execute command { killCursors: "),
        "{text}"
    );
    assert_eq!(open_cursors(&mut admin), 3);
    assert_eq!(bob.run("admin", kill(&[own, 7])), answer(&[own], &[7]));
    assert_eq!(ann.run("admin", kill(&[first])), answer(&[first], &[]));
    assert_eq!(admin.run("admin", kill(&[second])), answer(&[second], &[]));
    assert_eq!(
        ann.run("admin", kill(&[first, second])),
        answer(&[], &[first, second])
    );
    assert_eq!(open_cursors(&mut admin), 0);
}

#[test]
fn lists_have_cursors_too() {
    let server = server();
    let mut admin = server.admin();
    let names = doc! { "listCollections": 1, "nameOnly": true, "cursor": { "batchSize": 1 } };
    let (documents, id, namespace) = batch(&succeed(&mut admin, "admin", names));
    assert_eq!(
        documents,
        [doc! { "name": "system.users", "type": "collection" }]
    );
    assert_eq!(namespace, "admin.$cmd.listCollections");
    let next = doc! { "getMore": id, "collection": "$cmd.listCollections" };
    let (documents, id, _) = batch(&succeed(&mut admin, "admin", next));
    assert_eq!(
        documents,
        [doc! { "name": "system.version", "type": "collection" }]
    );
    assert_eq!(id, 0);
    let indexes = doc! { "listIndexes": "system.users", "cursor": { "batchSize": 1 } };
    let id = open(&mut admin, indexes);
    let next = doc! { "getMore": id, "collection": "system.users" };
    let (documents, id, _) = batch(&succeed(&mut admin, "admin", next));
    assert_eq!((documents.len(), id), (1, 0));
    let pipeline = vec![doc! { "$match": {} }];
    let none =
        doc! { "aggregate": "system.users", "pipeline": pipeline, "cursor": { "batchSize": 0 } };
    let id = open(&mut admin, none);
    let next = doc! { "getMore": id, "collection": "system.users" };
    assert_eq!(batch(&succeed(&mut admin, "admin", next)).0.len(), 1);
}

/// As `serverStatus` counts them.
fn open_cursors(admin: &mut RawClient) -> i64 {
    let status = succeed(admin, "admin", doc! { "serverStatus": 1 });
    let metrics = status.get_document("metrics").unwrap();
    let open = metrics
        .get_document("cursor")
        .unwrap()
        .get_document("open")
        .unwrap();
    open.get_i64("total").unwrap()
}
