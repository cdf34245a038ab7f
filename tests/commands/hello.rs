//! `hello` and its older names: what the server says about itself and takes from clients.

use bson::{Bson, Document, doc};

use crate::support::{TestServer, error_of};
use crate::table::server;

/// What every answer has, in order, after the fields that were asked for.
pub const SERVER: [&str; 11] = [
    "topologyVersion",
    "isWritablePrimary",
    "maxBsonObjectSize",
    "maxMessageSizeBytes",
    "maxWriteBatchSize",
    "localTime",
    "logicalSessionTimeoutMinutes",
    "connectionId",
    "minWireVersion",
    "maxWireVersion",
    "readOnly",
];

pub fn fields(document: &Document) -> Vec<&str> {
    document.keys().map(String::as_str).collect()
}

pub fn hello(server: &TestServer, options: Document) -> Document {
    let mut command = doc! { "hello": 1 };
    command.extend(options);
    server.raw().run("admin", command)
}

pub fn metadata() -> Document {
    doc! {
        "application": { "name": "table tests" },
        "driver": { "name": "raw", "version": "1" },
        "os": { "type": "Linux" },
    }
}

#[test]
fn the_server_says_what_it_is() {
    let server = server();
    let mut client = server.raw();
    let mut reply = client.run("shop", doc! { "hello": 1 });
    assert_eq!(fields(&reply), [&SERVER[..], &["ok"]].concat());
    let topology = reply.get_document("topologyVersion").unwrap();
    assert_eq!(fields(topology), ["processId", "counter"]);
    assert!(topology.get_object_id("processId").is_ok());
    assert_eq!(topology.get("counter"), Some(&Bson::Int64(0)));
    let Some(Bson::DateTime(now)) = reply.get("localTime") else {
        panic!("{reply}")
    };
    let drift = now.timestamp_millis() - bson::DateTime::now().timestamp_millis();
    assert!(drift.abs() < 60_000);
    assert!(matches!(reply.get("connectionId"), Some(Bson::Int32(1..))));
    for measured in ["topologyVersion", "localTime", "connectionId"] {
        reply.remove(measured);
    }
    assert_eq!(
        reply,
        doc! {
            "isWritablePrimary": true, "maxBsonObjectSize": 16_777_216,
            "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
            "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0, "maxWireVersion": 25,
            "readOnly": false, "ok": 1.0,
        }
    );
    let other = server.raw().run("shop", doc! { "hello": 1 });
    assert_ne!(
        other.get("connectionId"),
        client.run("shop", doc! { "hello": 1 }).get("connectionId")
    );
}

#[test]
fn the_older_names_answer_with_the_older_field() {
    let server = server();
    for name in ["isMaster", "ismaster"] {
        let reply = server.raw().run("admin", doc! { name: 1, "helloOk": true });
        let older = SERVER.map(|field| {
            if field == "isWritablePrimary" {
                "ismaster"
            } else {
                field
            }
        });
        assert_eq!(fields(&reply), [&["helloOk"], &older[..], &["ok"]].concat());
        assert_eq!(reply.get_bool("helloOk").ok(), Some(true));
        assert_eq!(reply.get_bool("ismaster").ok(), Some(true));
    }
    let unknown = error_of(&server.raw().run("admin", doc! { "Hello": 1 }));
    assert_eq!(unknown, (59, "no such command: 'Hello'".into()));
}

#[test]
fn fields_nobody_knows_are_taken() {
    let server = server();
    let reply = hello(
        &server,
        doc! {
            "backpressure": "2", "loadBalanced": false, "forShell": true, "hostInfo": "x",
            "$readPreference": { "mode": "nearest" }, "internalClient": { "minWireVersion": 0 },
            "unheardOf": { "a": [1] },
        },
    );
    assert_eq!(fields(&reply), [&SERVER[..], &["ok"]].concat());
}

#[test]
fn compressors_in_common_are_listed_as_the_server_likes_them() {
    let server = server();
    let compression = |asked: Bson| {
        let reply = hello(&server, doc! { "compression": asked });
        reply.get_array("compression").cloned().ok()
    };
    let list = |names: &[&str]| Some(names.iter().map(|name| Bson::from(*name)).collect());
    assert_eq!(
        compression(vec!["zlib", "lz4", "snappy", "zstd"].into()),
        list(&["snappy", "zstd", "zlib"])
    );
    assert_eq!(compression(vec!["zlib"].into()), list(&["zlib"]));
    assert_eq!(compression(vec!["lz4"].into()), None);
    assert_eq!(compression(Bson::Array(Vec::new())), None);
    assert_eq!(compression(Bson::Null), None);
    assert_eq!(
        error_of(&hello(&server, doc! { "compression": "zlib" })).0,
        14
    );
    assert_eq!(error_of(&hello(&server, doc! { "compression": [1] })).0, 14);
}

#[test]
fn metadata_is_checked() {
    let server = server();
    let without = |field: &str| {
        let mut metadata = metadata();
        metadata.remove(field);
        metadata
    };
    let with = |field: &str, value: Bson| {
        let mut metadata = metadata();
        metadata.insert(field, value);
        metadata
    };
    let missing = |what: &str| format!("Missing required {what} in the client metadata document");
    let not_a_document = |name: &str| {
        format!(
            "The '{name}' field is required to be a BSON document in the client metadata document"
        )
    };
    let not_a_string =
        |name: &str| format!("The '{name}' field must be a string in the client metadata document");
    let rows = [
        (without("driver"), 183, missing("sub-document 'driver'")),
        (without("os"), 183, missing("sub-document 'os'")),
        (
            with("driver", doc! { "version": "1" }.into()),
            183,
            missing("field 'driver.name'"),
        ),
        (
            with("os", doc! { "name": "x" }.into()),
            183,
            missing("field 'os.type'"),
        ),
        (with("driver", "x".into()), 14, not_a_document("driver")),
        (with("os", 1.into()), 14, not_a_document("os")),
        (
            with("application", "x".into()),
            14,
            not_a_document("application"),
        ),
        (
            with("driver", doc! { "name": 1, "version": "1" }.into()),
            14,
            not_a_string("driver.name"),
        ),
        (
            with("os", doc! { "type": 1 }.into()),
            14,
            not_a_string("os.type"),
        ),
        (
            with("application", doc! { "name": 1 }.into()),
            14,
            not_a_string("application.name"),
        ),
    ];
    for (metadata, code, text) in rows {
        let reply = hello(&server, doc! { "client": metadata.clone() });
        assert_eq!(error_of(&reply), (code, text), "{metadata}");
    }
    let named = |bytes: usize| {
        doc! { "client": with("application", doc! { "name": "n".repeat(bytes) }.into()) }
    };
    assert_eq!(hello(&server, named(128)).get_f64("ok").ok(), Some(1.0));
    let too_long = hello(&server, named(129));
    assert_eq!(error_of(&too_long).0, 184);
    assert_eq!(
        too_long.get_str("codeName").unwrap(),
        "ClientMetadataAppNameTooLarge"
    );
    let platform = |bytes: usize| doc! { "client": with("platform", "p".repeat(bytes).into()) };
    let empty = bson::RawDocumentBuf::try_from(&with("platform", "".into())).unwrap();
    let room = 512 - empty.as_bytes().len();
    assert_eq!(hello(&server, platform(room)).get_f64("ok").ok(), Some(1.0));
    let text = "The client metadata document must be less than or equal to 512 bytes";
    assert_eq!(
        error_of(&hello(&server, platform(room + 1))),
        (185, text.into())
    );
    assert_eq!(error_of(&hello(&server, doc! { "client": 1 })).0, 14);
}

#[test]
fn metadata_comes_once_and_first() {
    let server = server();
    let text = "The client metadata document may only be sent in the first hello";
    let refused = (186, text.to_owned());
    let with_metadata = || doc! { "hello": 1, "client": metadata() };
    let mut client = server.raw();
    assert_eq!(
        client.run("admin", with_metadata()).get_f64("ok").ok(),
        Some(1.0)
    );
    assert_eq!(error_of(&client.run("admin", with_metadata())), refused);
    assert_eq!(
        client.run("admin", doc! { "hello": 1 }).get_f64("ok").ok(),
        Some(1.0)
    );
    let mut client = server.raw();
    client.run("admin", doc! { "hello": 1 });
    assert_eq!(error_of(&client.run("admin", with_metadata())), refused);
}
