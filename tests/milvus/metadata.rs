//! Who calls, and the order of the checks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::milvus::proto::common;
use portcullis::milvus::proto::milvus::{
    ConnectRequest, ConnectResponse, CreateCredentialRequest, GetVersionRequest,
    GetVersionResponse, ListCredUsersRequest, ListCredUsersResponse,
};
use tokio::net::TcpStream;
use tonic::Code;

use crate::client::{ROOT_PASSWORD, Server, encoded, told};

/// A message that no message of the API is: field 2 as a number instead of a text.
#[derive(Clone, PartialEq, prost::Message)]
struct Odd {
    #[prost(int64, tag = "2")]
    number: i64,
}

/// Metadata as sent, code and text.
const REFUSED: [(Option<&str>, &str); 9] = [
    (None, "missing authorization in header"),
    (Some("Basic cm9vdDpNaWx2dXM="), "invalid token format"),
    (Some("Bearer cm9vdDpNaWx2dXM="), "invalid token format"),
    (Some("cm9vdDpNaWx2dX"), "invalid token format"),
    (Some("!"), "invalid token format"),
    (
        Some("YW4tYXBpLWtleQ=="),
        "auth check failure, please check api key is correct",
    ),
    (
        Some(""),
        "auth check failure, please check api key is correct",
    ),
    // root:wrong and nobody:wrong
    (
        Some("cm9vdDp3cm9uZw=="),
        "auth check failure, please check username and password are correct",
    ),
    (
        Some("bm9ib2R5Ondyb25n"),
        "auth check failure, please check username and password are correct",
    ),
];

#[tokio::test]
async fn who_cannot_say_who_it_is_is_told_in_which_way() {
    let server = Server::start();
    let mut client = server.client().await;
    for (authorization, text) in REFUSED {
        client.authorization = authorization.map(str::to_owned);
        for method in [
            "GetVersion",
            "Connect",
            "CheckHealth",
            "CreateCredential",
            "Insert",
        ] {
            let refused: Result<common::Status, _> = client.call(method, ()).await;
            let refused = refused.unwrap_err();
            let told = (refused.code(), refused.message());
            assert_eq!(
                told,
                (Code::Unauthenticated, text),
                "{method}, {authorization:?}"
            );
        }
    }
    for (user, password) in [
        ("ROOT", ROOT_PASSWORD),
        ("root", ""),
        ("", ""),
        (" root", "x"),
    ] {
        let mut client = server.client_as(user, password).await;
        let refused: Result<common::Status, _> = client.call("GetVersion", ()).await;
        assert_eq!(
            refused.unwrap_err().code(),
            Code::Unauthenticated,
            "{user:?}"
        );
    }
    // It has all of its log out when it has ended.
    let (_, logs) = server.mongodb.stop();
    assert!(logs.contains("nobody@milvus") && logs.contains("Failed to authenticate"));
    assert!(!logs.contains(ROOT_PASSWORD) && !logs.contains(&encoded(ROOT_PASSWORD)));
    assert!(!logs.contains(&STANDARD.encode(format!("root:{ROOT_PASSWORD}"))));
}

#[tokio::test]
async fn the_method_is_looked_at_first_and_the_message_next() {
    let server = Server::start();
    let mut stranger = server.client().await;
    let unknown = [
        (
            "/milvus.proto.milvus.MilvusService/Nothing",
            "unknown method Nothing for service milvus.proto.milvus.MilvusService",
        ),
        ("/milvus.Other/GetVersion", "unknown service milvus.Other"),
    ];
    for (path, text) in unknown {
        let refused: Result<common::Status, _> = stranger.call_path(path, ()).await;
        let refused = refused.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::Unimplemented, text)
        );
    }
    let odd = Odd { number: 7 };
    let refused: Result<common::Status, _> = stranger.call("CreateCredential", odd.clone()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(
        refused
            .message()
            .starts_with("grpc: error unmarshalling request"),
        "{refused:?}"
    );
    let huge = CreateCredentialRequest {
        username: "a".repeat(100_000),
        ..CreateCredentialRequest::default()
    };
    let refused: Result<common::Status, _> = stranger.call("CreateCredential", huge).await;
    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
    let mut root = server.root().await;
    let refused: Result<common::Status, _> = root.call("Insert", odd).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(
        refused.message().starts_with("Insert is not served"),
        "{refused:?}"
    );
}

/// `grpc-status` of a call whose body is this.
async fn status_of_body(port: u16, body: &str) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request =
        hyper::Request::post("http://localhost/milvus.proto.milvus.MilvusService/GetVersion");
    let request = request
        .header("content-type", "application/grpc")
        .header("authorization", encoded(&format!("root:{ROOT_PASSWORD}")))
        .body(body.to_owned())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let status = response.headers().get("grpc-status").unwrap();
    status.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_frame_that_is_none_is_nothing_that_clients_repeat() {
    const INVALID_ARGUMENT: &str = "3";
    let server = Server::start();
    for body in [
        "",
        "\0",
        // Compressed, without saying how; no flag at all; shorter than it says.
        "\u{1}\0\0\0\0",
        "\u{2}\0\0\0\0",
        "\0\0\0\0\t",
    ] {
        let status = status_of_body(server.port, body).await;
        assert_eq!(status, INVALID_ARGUMENT, "{body:?}");
    }
}

#[tokio::test]
async fn a_client_connects_and_learns_the_version() {
    let server = Server::start();
    let mut root = server.root().await;
    let connected: ConnectResponse = root
        .call("Connect", ConnectRequest::default())
        .await
        .unwrap();
    assert_eq!(told(connected.status), Ok(()));
    let version: GetVersionResponse = root.call("GetVersion", GetVersionRequest {}).await.unwrap();
    assert_eq!(version.version, connected.server_info.unwrap().build_tags);
    root.db = Some("nowhere".to_owned());
    let refused: ConnectResponse = root
        .call("Connect", ConnectRequest::default())
        .await
        .unwrap();
    let text = "database not found[database=nowhere]".to_owned();
    assert_eq!(told(refused.status), Err((800, 1, text)));
    let users: ListCredUsersResponse = root
        .call("ListCredUsers", ListCredUsersRequest {})
        .await
        .unwrap();
    assert_eq!(users.usernames, ["root"]);
}

#[tokio::test]
async fn metadata_without_end_is_nothing_that_clients_repeat() {
    let server = Server::start();
    for bytes in [20_000, 150_000] {
        let mut client = server.client_as("root", &"x".repeat(bytes)).await;
        let refused: Result<GetVersionResponse, _> =
            client.call("GetVersion", GetVersionRequest {}).await;
        let refused = refused.unwrap_err();
        let text = "grpc: received metadata larger than max 16384";
        let told = (refused.code(), refused.message());
        assert_eq!(told, (Code::ResourceExhausted, text), "{bytes}");
        client.sign("root", ROOT_PASSWORD);
        let version: Result<GetVersionResponse, _> =
            client.call("GetVersion", GetVersionRequest {}).await;
        assert!(version.is_ok());
    }
    // The path is as good a place for it as any other.
    let path = "/milvus.proto.milvus.MilvusService/GetVersion?";
    let path = format!("{path}{}", "x".repeat(20_000));
    let mut root = server.root().await;
    let refused: Result<GetVersionResponse, _> = root.call_path(&path, GetVersionRequest {}).await;
    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
}
