//! TLS: the same certificates and modes as the other port, and HTTP/2 agreed upon in the handshake.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bson::doc;
use portcullis::milvus::proto::milvus::{ListCredUsersRequest, ListCredUsersResponse};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::client::{Client, ROOT_PASSWORD, Server};
use crate::support::tls_client::{TLS_VERSIONS, TlsClient, tls_arguments};
use crate::support::{Options, RawClient, binary};

fn server(mode: &str) -> Server {
    let arguments = tls_arguments(mode);
    let options = arguments
        .into_iter()
        .fold(Options::default(), Options::argument);
    Server::without_admin(Server::face(options))
}

/// A port that leads one connection to the server, inside TLS.
async fn tunnel(server: &Server, client: &TlsClient) -> std::io::Result<u16> {
    let mut config = client.config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).await?;
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut encrypted = connector.connect(name, tcp).await?;
    // Clients of gRPC hang up without it.
    assert_eq!(encrypted.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut plain, _) = listener.accept().await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut plain, &mut encrypted).await;
    });
    Ok(port)
}

async fn is_served(port: u16) -> bool {
    let Ok(mut client) = Client::connect(port).await else {
        return false;
    };
    client.sign("root", ROOT_PASSWORD);
    let listed: Result<ListCredUsersResponse, _> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    listed.is_ok_and(|listed| listed.usernames == ["root"])
}

#[tokio::test]
async fn calls_are_served_inside_tls() {
    let server = server("requireTLS");
    for version in TLS_VERSIONS {
        let client = TlsClient::with("client").version(version);
        let port = tunnel(&server, &client).await.unwrap();
        assert!(is_served(port).await, "{version:?}");
    }
}

#[tokio::test]
async fn the_mode_decides_about_calls_in_clear() {
    assert!(!is_served(server("requireTLS").port).await);
    assert!(is_served(server("preferTLS").port).await);
}

#[tokio::test]
async fn a_client_without_the_certificate_that_is_asked_for_is_not_served() {
    let server = server("requireTLS");
    for client in [
        TlsClient::without_certificate(),
        TlsClient::with("client-of-other-ca"),
    ] {
        // With TLS 1.3 the client learns of it after its part of the handshake.
        if let Ok(port) = tunnel(&server, &client).await {
            assert!(!is_served(port).await);
        }
    }
}

/// The code of `saslStart`, 0 for success.
fn sign_in_plainly(client: &mut RawClient, db: &str, user: &str, password: &str) -> i32 {
    let payload = binary(format!("\0{user}\0{password}").as_bytes());
    let start = doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": payload };
    client.run(db, start).get_i32("code").unwrap_or_default()
}

#[test]
fn users_of_milvus_may_use_plain_on_the_other_face_though_it_is_not_enabled() {
    let server = server("requireTLS");
    let client = || TlsClient::with("client").raw(&server.mongodb);
    let sign_in = |db, user, password| sign_in_plainly(&mut client(), db, user, password);
    assert_eq!(sign_in("milvus", "root", ROOT_PASSWORD), 0);
    assert_eq!(sign_in("milvus", "root", "wrong"), 18);
    // As drivers send it.
    assert_eq!(sign_in("$external", "root@milvus", ROOT_PASSWORD), 0);
    assert_eq!(sign_in("$external", "root@milvus", "wrong"), 18);
    for (db, user) in [
        ("admin", "root"),
        ("shop", "root"),
        ("$external", "root@admin"),
    ] {
        assert_eq!(sign_in(db, user, ROOT_PASSWORD), 334, "{user} on {db}");
    }
}
