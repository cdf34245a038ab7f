//! Who may read what.

use bson::{Bson, Document, doc};

use crate::common::{batch, create_and_sign_in, create_roles, succeed};
use crate::support::RawClient;
use crate::table::server;

/// The built-in roles of `admin` that may read users and roles, after the manual.
const READERS: [&str; 5] = [
    "__system",
    "backup",
    "restore",
    "root",
    "userAdminAnyDatabase",
];

fn reads() -> Vec<Document> {
    vec![
        doc! { "find": "system.users" },
        doc! { "count": "system.users" },
        doc! { "distinct": "system.users", "key": "db" },
        doc! { "aggregate": "system.users", "pipeline": [], "cursor": {} },
    ]
}

fn code(client: &mut RawClient, command: Document) -> i32 {
    client
        .run("admin", command)
        .get_i32("code")
        .unwrap_or_default()
}

#[test]
fn privileges_on_all_normal_collections_are_not_enough() {
    let server = server();
    for role in [
        "readAnyDatabase",
        "readWriteAnyDatabase",
        "dbOwner",
        "read",
        "clusterAdmin",
    ] {
        let mut client = create_and_sign_in(&server, role, &[role]);
        for command in reads() {
            assert_eq!(code(&mut client, command.clone()), 13, "{role}: {command}");
        }
    }
    for role in READERS {
        let mut client = create_and_sign_in(&server, role, &[role]);
        for command in reads() {
            assert_eq!(code(&mut client, command.clone()), 0, "{role}: {command}");
        }
    }
}

#[test]
fn one_collection_can_be_opened_and_the_others_stay_closed() {
    let server = server();
    let mut admin = server.admin();
    create_roles(&mut admin, 1);
    let privilege = |collection: &str, action: &str| {
        doc! { "resource": { "db": "admin", "collection": collection }, "actions": [action] }
    };
    let privileges = vec![privilege("system.roles", "find")];
    let role = doc! { "createRole": "reader", "privileges": privileges, "roles": [] };
    succeed(&mut admin, "admin", role);
    let mut ann = create_and_sign_in(&server, "ann", &["reader"]);
    assert_eq!(code(&mut ann, doc! { "find": "system.roles" }), 0);
    assert_eq!(code(&mut ann, doc! { "find": "system.users" }), 13);
    assert_eq!(code(&mut ann, doc! { "find": "system.version" }), 13);
    assert_eq!(code(&mut ann, doc! { "listIndexes": "system.roles" }), 13);
    assert_eq!(code(&mut ann, doc! { "listCollections": 1 }), 13);
    assert_eq!(
        code(&mut ann, doc! { "listCollections": 1, "nameOnly": true }),
        13
    );
    assert_eq!(
        code(
            &mut ann,
            doc! { "listCollections": 1, "authorizedCollections": true }
        ),
        13
    );
    let own = doc! { "listCollections": 1, "nameOnly": true, "authorizedCollections": true };
    let (documents, _, _) = batch(&succeed(&mut ann, "admin", own.clone()));
    assert_eq!(
        documents,
        [doc! { "name": "system.roles", "type": "collection" }]
    );
    assert_eq!(ann.run("shop", own).get_i32("code").ok(), Some(13));
    let privileges = vec![privilege("system.roles", "listIndexes")];
    let grant = doc! { "grantPrivilegesToRole": "reader", "privileges": privileges };
    succeed(&mut admin, "admin", grant);
    assert_eq!(code(&mut ann, doc! { "listIndexes": "system.roles" }), 0);
}

#[test]
fn a_pipeline_takes_what_its_stages_take() {
    let server = server();
    let mut ann = create_and_sign_in(&server, "ann", &["backup"]);
    let run = |client: &mut RawClient, stage: Bson| {
        let pipeline = vec![stage];
        code(
            client,
            doc! { "aggregate": "system.users", "pipeline": pipeline, "cursor": {} },
        )
    };
    assert_eq!(run(&mut ann, doc! { "$match": {} }.into()), 0);
    assert_eq!(run(&mut ann, doc! { "$out": "c" }.into()), 13);
    let lookup = doc! { "from": "c", "as": "a", "localField": "a", "foreignField": "b" };
    assert_eq!(run(&mut ann, doc! { "$lookup": lookup }.into()), 115);
    // One that cannot be read is never run; that says so to whoever is signed in.
    let mut bob = create_and_sign_in(&server, "bob", &[]);
    assert_eq!(run(&mut bob, doc! { "$match": {} }.into()), 13);
    for client in [&mut ann, &mut bob] {
        assert_eq!(run(client, doc! { "$foo": {} }.into()), 40_324);
        assert_eq!(run(client, Bson::Int32(1)), 14);
    }
    // Needs that are met, and a stage that goes wrong: the first decides.
    assert_eq!(run(&mut bob, doc! { "$match": 1 }.into()), 13);
    assert_eq!(run(&mut ann, doc! { "$match": 1 }.into()), 15_959);
}

#[test]
fn refusals_repeat_no_secrets() {
    let server = server();
    let mut ann = create_and_sign_in(&server, "ann", &[]);
    let secret = "corvus-oratio";
    let keys = doc! { "transformIdentifiers": { "algorithm": "hmac-sha-256", "hmacKey": secret } };
    let pipeline = vec![doc! { "$queryStats": keys }];
    for command in [
        doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} },
        doc! { "find": "system.users", "filter": { "credentials": secret } },
    ] {
        let refused = ann.run("admin", command);
        assert_eq!(refused.get_i32("code").unwrap(), 13, "{refused}");
        assert!(!refused.to_string().contains(secret), "{refused}");
    }
}
