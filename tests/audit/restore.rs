//! What a merge of users and roles does leaves the events of the commands that would have done it.

use bson::{Document, doc};
use serde_json::{Value, json};

use crate::common::with_admin;

#[test]
fn each_part_of_a_merge_leaves_its_event() {
    let (mut log, server) = with_admin("JSON");
    let mut admin = server.admin();
    let mut run = |db: &str, command: Document| {
        let reply = admin.run(db, command);
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    };
    for user in ["CN=ann", "CN=eve"] {
        run("$external", doc! { "createUser": user, "roles": [] });
    }
    run(
        "shop",
        doc! { "createRole": "gone", "privileges": [], "roles": [] },
    );
    let user = |name: &str| {
        let credentials = doc! { "external": true };
        doc! { "user": name, "db": "$external", "credentials": credentials, "roles": [], "customData": {} }
    };
    run(
        "admin",
        doc! { "insert": "tempusers", "documents": [user("CN=ann"), user("CN=bob")] },
    );
    let role = doc! { "role": "clerk", "db": "shop", "privileges": [], "roles": ["read"] };
    run(
        "admin",
        doc! { "insert": "temproles", "documents": [role, {}] },
    );
    log.new_events();
    let merge = |db: &str| {
        doc! {
            "_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers",
            "tempRolesCollection": "admin.temproles", "drop": true, "db": db,
        }
    };
    run("admin", merge("shop"));
    run("admin", merge("$external"));
    let external = |name: &str| json!({ "user": name, "db": "$external" });
    let given = |name: &str, more: Value| {
        let mut param = external(name);
        let fields = param.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        fields.extend(
            json!({ "customData": {}, "roles": [] })
                .as_object()
                .unwrap()
                .clone(),
        );
        param
    };
    let events: Vec<_> = log
        .new_events()
        .iter()
        .map(|event| {
            assert_eq!(event["result"], 0, "{event}");
            (
                event["atype"].as_str().unwrap().to_owned(),
                event["param"].clone(),
            )
        })
        .collect();
    let clerk = json!({
        "role": "clerk", "db": "shop",
        "roles": [{ "role": "read", "db": "shop" }], "privileges": [],
    });
    let expected = [
        ("createRole", clerk),
        ("dropRole", json!({ "role": "gone", "db": "shop" })),
        (
            "updateUser",
            given("CN=ann", json!({ "passwordChanged": false })),
        ),
        ("createUser", given("CN=bob", json!({}))),
        ("dropUser", external("CN=eve")),
    ]
    .map(|(atype, param)| (atype.to_owned(), param));
    assert_eq!(events, expected);
}
