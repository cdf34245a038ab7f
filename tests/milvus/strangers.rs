//! Connections on which nobody signs in.

use std::net::Ipv4Addr;

use portcullis::milvus::proto::milvus::{ListCredUsersRequest, ListCredUsersResponse};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::client::{Client, ROOT_PASSWORD, Server};
use crate::support::{PATIENCE, TestServer};

fn server(parameters: &[&str]) -> Server {
    let options = parameters.iter().fold(Server::options(), |options, set| {
        options.argument(format!("--setParameter={set}"))
    });
    Server::of(options)
}

/// A connection from 127.0.0.2, which nobody else here comes from.
pub(crate) async fn connect(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind((Ipv4Addr::new(127, 0, 0, 2), 0).into())
        .unwrap();
    let to = (Ipv4Addr::LOCALHOST, server.port).into();
    socket.connect(to).await.unwrap()
}

/// Whether the server speaks HTTP/2 on it, which it begins with, or ends it.
async fn is_served(stream: &mut TcpStream) -> bool {
    let mut first = [0];
    let read = timeout(PATIENCE, stream.read(&mut first)).await.unwrap();
    read.is_ok_and(|count| count == 1)
}

/// A client on the connection, and what ends with it.
pub(crate) async fn client_on(mut connection: TcpStream) -> (Client, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut connection).await;
    });
    (Client::connect(port).await.unwrap(), open)
}

async fn list(client: &mut Client) -> Result<Vec<String>, Code> {
    let listed: Result<ListCredUsersResponse, Status> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    let listed = listed.map_err(|status| status.code());
    listed.map(|listed| listed.usernames)
}

fn refused(server: &TestServer) -> i64 {
    let status = server
        .admin()
        .run("admin", bson::doc! { "serverStatus": 1 });
    let text = status.to_string();
    let (_, rest) = text.split_once("\"unauthenticated\": ").unwrap();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_address_has_so_many_places_for_strangers() {
    let server = server(&[
        "failedSignInLimitsOnLoopback=true",
        "unauthenticatedConnectionsPerAddressMax=2",
    ]);
    let (mut root, _open) = client_on(connect(&server).await).await;
    // A wrong password makes no room.
    root.sign("root", "wrong");
    assert_eq!(list(&mut root).await, Err(Code::Unauthenticated));
    let mut second = connect(&server).await;
    assert!(is_served(&mut second).await);
    assert!(!is_served(&mut connect(&server).await).await);
    assert_eq!(refused(&server.mongodb), 1);
    // Who signs in does.
    root.sign("root", ROOT_PASSWORD);
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
    let mut third = connect(&server).await;
    assert!(is_served(&mut third).await);
    assert!(!is_served(&mut connect(&server).await).await);
    // And so does who leaves.
    drop(second);
    let again = async { while !is_served(&mut connect(&server).await).await {} };
    timeout(PATIENCE, again).await.unwrap();
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
}

#[tokio::test]
async fn strangers_are_asked_to_leave_and_users_stay() {
    let server = server(&["unauthenticatedTimeoutMs=3000"]);
    let (mut root, open) = client_on(connect(&server).await).await;
    root.sign("root", ROOT_PASSWORD);
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
    let (mut stranger, strangers) = client_on(connect(&server).await).await;
    assert_eq!(list(&mut stranger).await, Err(Code::Unauthenticated));
    timeout(PATIENCE, strangers).await.unwrap().unwrap();
    assert!(!open.is_finished());
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
}

#[tokio::test]
async fn the_rest_of_a_call_is_not_waited_for_without_end() {
    let server = server(&["handshakeTimeoutMs=2000"]);
    let (mut client, open) = client_on(connect(&server).await).await;
    for password in ["wrong", ROOT_PASSWORD] {
        client.sign("root", password);
        let answer = client.call_without_message("ListCredUsers");
        let status = timeout(PATIENCE, answer).await.unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    // The connection may go on.
    assert_eq!(list(&mut client).await.unwrap(), ["root"]);
    assert!(!open.is_finished());
}
