//! What a connection is asked besides the calls it is for: whether there is a database, whether anybody
//! is there, and to forget a call.

use std::time::Duration;

use bson::doc;
use portcullis::milvus::proto::milvus::{
    DescribeDatabaseRequest, DescribeDatabaseResponse, GetVersionResponse, GrantorEntity,
    ListCredUsersRequest, ListCredUsersResponse, ListDatabasesRequest, ListDatabasesResponse,
    OperatePrivilegeV2Request, OperateUserRoleRequest, PrivilegeEntity, RoleEntity,
};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::client::{Client, ROOT_PASSWORD, Server, Told, create_user, encoded, told};
use crate::keeper::ann;
use crate::support::PATIENCE;

async fn describe(client: &mut Client, db: &str) -> Result<DescribeDatabaseResponse, Code> {
    let db_name = db.to_owned();
    let called = client.call("DescribeDatabase", DescribeDatabaseRequest { db_name });
    called.await.map_err(|status| status.code())
}

#[tokio::test]
async fn the_databases_that_are_listed_can_be_described() {
    let server = Server::start();
    let root = &mut server.root().await;
    let listed: ListDatabasesResponse = root
        .call("ListDatabases", ListDatabasesRequest {})
        .await
        .unwrap();
    assert_eq!(listed.db_names, ["default"]);
    // What the call is about makes no difference.
    for about in [None, Some("shop".to_owned())] {
        root.db = about;
        for name in ["default", ""] {
            let described = describe(root, name).await.unwrap();
            assert_eq!(described.db_name, "default");
            assert_eq!(described.db_id, listed.db_ids[0]);
            assert_eq!(described.created_timestamp, listed.created_timestamp[0]);
            assert_eq!(told(described.status), Ok(()));
        }
        for name in ["shop", "Default", "default ", "*"] {
            let described = describe(root, name).await.unwrap();
            let unknown: Told = Err((800, 1, format!("database not found[database={name}]")));
            assert_eq!(told(described.status), unknown);
        }
    }
    create_user(root, "ann", "secret").await.unwrap();
    let ann = &mut server.client_as("ann", "secret").await;
    for name in ["default", "shop"] {
        assert_eq!(describe(ann, name).await, Err(Code::PermissionDenied));
    }
}

async fn listed(client: &mut Client) -> Vec<String> {
    let listed: ListDatabasesResponse = client
        .call("ListDatabases", ListDatabasesRequest {})
        .await
        .unwrap();
    assert_eq!(told(listed.status), Ok(()));
    assert_eq!(listed.db_names.len(), listed.db_ids.len());
    assert_eq!(listed.db_names.len(), listed.created_timestamp.len());
    listed.db_names
}

async fn operate(root: &mut Client, role: &str, db: &str, operation: i32) {
    let grant = OperatePrivilegeV2Request {
        role: Some(RoleEntity {
            name: role.to_owned(),
            description: String::new(),
        }),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(PrivilegeEntity {
                name: "Query".to_owned(),
            }),
        }),
        r#type: operation,
        db_name: db.to_owned(),
        collection_name: "books".to_owned(),
    };
    root.change("OperatePrivilegeV2", grant).await.unwrap();
}

async fn bind(root: &mut Client, role: &str, operation: i32) {
    let bind = OperateUserRoleRequest {
        username: "ann".to_owned(),
        role_name: role.to_owned(),
        r#type: operation,
    };
    root.change("OperateUserRole", bind).await.unwrap();
}

#[tokio::test]
async fn databases_are_listed_for_who_may_do_something_there() {
    const ALL: [&str; 1] = ["default"];
    const NONE: [&str; 0] = [];
    let server = Server::start();
    let root = &mut server.root().await;
    let ann = &mut ann(&server, root).await;
    assert_eq!(listed(root).await, ALL);
    assert_eq!(listed(ann).await, NONE);
    // What everybody may do says nothing about anybody.
    operate(root, "public", "default", 0).await;
    bind(root, "public", 0).await;
    assert_eq!(listed(ann).await, NONE);
    for (db, shown) in [("shop", &NONE[..]), ("*", &ALL), ("default", &ALL)] {
        operate(root, "keeper", db, 0).await;
        assert_eq!(listed(ann).await, shown, "{db}");
        operate(root, "keeper", db, 1).await;
        assert_eq!(listed(ann).await, NONE, "{db}");
    }
    bind(root, "admin", 0).await;
    assert_eq!(listed(ann).await, ALL);
    bind(root, "admin", 1).await;
    assert_eq!(listed(ann).await, NONE);
}

#[tokio::test]
async fn root_has_databases_listed_by_its_roles_where_it_has_to_have_some() {
    let server = Server::start_with(&["--milvus.rootShouldBindRole"]);
    let root = &mut server.root().await;
    // It was given one when it was made.
    assert_eq!(listed(root).await, ["default"]);
    let revoke = doc! { "revokeRolesFromUser": "root", "roles": ["admin"] };
    let reply = server.mongodb.admin().run("milvus", revoke);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    assert!(listed(root).await.is_empty());

    let server = Server::start_with(&["--noauth"]);
    assert_eq!(listed(&mut server.client().await).await, ["default"]);
}

/// HTTP/2 by hand (RFC 9113): a client library sends pings as seldom as it likes.
struct Wire(TcpStream);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const ACKNOWLEDGED: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Wire {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut wire = Self(stream);
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        wire.0.write_all(preface).await.unwrap();
        wire.send(SETTINGS, 0, 0, &[]).await;
        wire
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// Flags and payload of the next frame of that kind.
    async fn next(&mut self, kind: u8) -> (u8, Vec<u8>) {
        loop {
            let mut head = [0; 9];
            let read = timeout(PATIENCE, self.0.read_exact(&mut head)).await;
            read.unwrap().unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            assert_ne!(head[3], GO_AWAY, "{}", String::from_utf8_lossy(&payload));
            if head[3] == kind {
                return (head[4], payload);
            }
            if (head[3], head[4]) == (SETTINGS, 0) {
                self.send(SETTINGS, ACKNOWLEDGED, 0, &[]).await;
            }
        }
    }

    /// Calls `GetVersion` as root.
    async fn version(&mut self, stream: u32) -> GetVersionResponse {
        let authorization = encoded(&format!("root:{ROOT_PASSWORD}"));
        let mut fields = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/milvus.proto.milvus.MilvusService/GetVersion"),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("authorization", &authorization),
        ] {
            // As they are (RFC 7541, section 6.2.2).
            fields.push(0);
            for text in [name, value] {
                fields.push(u8::try_from(text.len()).unwrap());
                fields.extend(text.as_bytes());
            }
        }
        self.send(HEADERS, END_HEADERS, stream, &fields).await;
        self.send(DATA, END_STREAM, stream, &[0; 5]).await;
        let (_, message) = self.next(DATA).await;
        GetVersionResponse::decode(&message[5..]).unwrap()
    }
}

#[tokio::test]
async fn pings_are_answered_however_often_they_come_and_though_nothing_is_called() {
    let server = Server::start();
    let mut wire = Wire::open(server.port).await;
    let version = wire.version(1).await;
    assert_eq!(told(version.status), Ok(()));
    for number in 0..20 {
        wire.send(PING, 0, 0, &[number; 8]).await;
        assert_eq!(wire.next(PING).await, (ACKNOWLEDGED, vec![number; 8]));
        sleep(Duration::from_millis(50)).await;
    }
    let again = wire.version(3).await;
    assert_eq!(
        (told(again.status), again.version),
        (Ok(()), version.version)
    );
}

#[tokio::test]
async fn who_gives_a_call_up_is_told_at_once_what_came_of_it() {
    let server = Server::start();
    let root = &mut server.root().await;
    let _: GetVersionResponse = root.call("GetVersion", ()).await.unwrap();
    let mut admin = server.mongodb.admin();
    let mut set = |memory_kib: i32, iterations: i32| {
        for (name, value) in [
            ("argon2MemoryKiB", memory_kib),
            ("argon2Iterations", iterations),
        ] {
            let reply = admin.run("admin", doc! { "setParameter": 1, name: value });
            assert!(reply.get_i32("was").is_ok(), "{reply}");
        }
    };
    // Some seconds.
    set(65_536, 100);
    let hurried = timeout(
        Duration::from_millis(200),
        create_user(root, "ann", "the first"),
    );
    assert!(hurried.await.is_err());
    set(7_168, 1);
    let users: ListCredUsersResponse = root
        .call("ListCredUsers", ListCredUsersRequest {})
        .await
        .unwrap();
    assert_eq!(users.usernames, ["root"]);
    // Nor does it come later.
    create_user(root, "ann", "the second").await.unwrap();
    let mut first = server.client_as("ann", "the first").await;
    let wrong: Result<GetVersionResponse, _> = first.call("GetVersion", ()).await;
    assert_eq!(wrong.unwrap_err().code(), Code::Unauthenticated);
    let mut second = server.client_as("ann", "the second").await;
    let right: GetVersionResponse = second.call("GetVersion", ()).await.unwrap();
    assert_eq!(told(right.status), Ok(()));
}
