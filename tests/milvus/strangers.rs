//! Connections on which nobody signs in.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::milvus::proto::milvus::{
    DeleteCredentialRequest, ListCredUsersRequest, ListCredUsersResponse,
};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::client::{Client, ROOT_PASSWORD, Server, create_user};
use crate::support::waiting::LOOK_AGAIN;
use crate::support::{PATIENCE, TestServer};

/// The cheapest passwords there are: signing in has to be over before a limit is.
const QUICK: [&str; 2] = ["argon2MemoryKiB=7168", "argon2Iterations=1"];

fn server(parameters: &[&str]) -> Server {
    let options = parameters.iter().fold(Server::options(), |options, set| {
        options.argument(format!("--setParameter={set}"))
    });
    Server::of(options)
}

/// A connection from 127.0.0.2, which nobody else here comes from.
pub(crate) async fn connect(server: &Server) -> TcpStream {
    connect_from(server, Ipv4Addr::new(127, 0, 0, 2)).await
}

async fn connect_from(server: &Server, address: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let to = (Ipv4Addr::LOCALHOST, server.port).into();
    socket.connect(to).await.unwrap()
}

/// Whether the server speaks HTTP/2 on it, which it begins with, or ends it.
async fn is_served(stream: &mut TcpStream) -> bool {
    let mut first = [0];
    let read = timeout(PATIENCE, stream.read(&mut first)).await.unwrap();
    read.is_ok_and(|count| count == 1)
}

/// Tries until a connection is served.
async fn room_again(server: &Server) {
    while !is_served(&mut connect(server).await).await {
        sleep(LOOK_AGAIN).await;
    }
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
    timeout(PATIENCE, room_again(&server)).await.unwrap();
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
}

#[tokio::test]
async fn strangers_are_asked_to_leave_and_users_stay() {
    let server = server(&[QUICK[0], QUICK[1], "unauthenticatedTimeoutMs=8000"]);
    let (mut root, open) = client_on(connect(&server).await).await;
    root.sign("root", ROOT_PASSWORD);
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
    let (mut stranger, strangers) = client_on(connect(&server).await).await;
    assert_eq!(list(&mut stranger).await, Err(Code::Unauthenticated));
    timeout(PATIENCE, strangers).await.unwrap().unwrap();
    assert!(!open.is_finished());
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
}

/// `ann` on a connection from 127.0.0.2, once she has called something.
async fn ann(server: &Server) -> (Client, JoinHandle<()>) {
    let (mut ann, open) = client_on(connect(server).await).await;
    ann.sign("ann", "secret");
    assert_eq!(list(&mut ann).await, Err(Code::PermissionDenied));
    (ann, open)
}

async fn drop_ann(root: &mut Client) {
    let drop = DeleteCredentialRequest {
        username: "ann".to_owned(),
    };
    assert_eq!(root.change("DeleteCredential", drop).await, Ok(()));
}

#[tokio::test]
async fn who_was_dropped_is_a_stranger_again() {
    let server = server(&[QUICK[0], QUICK[1], "unauthenticatedTimeoutMs=8000"]);
    let mut root = server.root().await;
    create_user(&mut root, "ann", "secret").await.unwrap();
    let (_idle, idle) = ann(&server).await;
    let (mut busy, busy_one) = ann(&server).await;
    drop_ann(&mut root).await;
    assert_eq!(list(&mut busy).await, Err(Code::Unauthenticated));
    for open in [idle, busy_one] {
        timeout(PATIENCE, open).await.unwrap().unwrap();
    }
    // Who is still there stays, longer than the limit.
    assert_eq!(list(&mut root).await.unwrap(), ["root"]);
}

#[tokio::test]
async fn who_was_dropped_takes_a_place_for_strangers() {
    let server = server(&[
        "failedSignInLimitsOnLoopback=true",
        "unauthenticatedConnectionsPerAddressMax=1",
    ]);
    let (mut root, _roots) =
        client_on(connect_from(&server, Ipv4Addr::new(127, 0, 0, 3)).await).await;
    root.sign("root", ROOT_PASSWORD);
    create_user(&mut root, "ann", "secret").await.unwrap();
    let (mut ann, _open) = ann(&server).await;
    assert!(is_served(&mut connect(&server).await).await);
    drop_ann(&mut root).await;
    assert_eq!(list(&mut ann).await, Err(Code::Unauthenticated));
    assert!(!is_served(&mut connect(&server).await).await);
    // The same name is another user, and as good as any.
    create_user(&mut root, "ann", "secret").await.unwrap();
    assert_eq!(list(&mut ann).await, Err(Code::PermissionDenied));
    timeout(PATIENCE, room_again(&server)).await.unwrap();
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

/// A message that is begun and never ends.
struct Begun(Option<Bytes>);

impl Body for Begun {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

/// `grpc-status` of calls that each send so much of a message of 64,000 bytes, on a few connections.
async fn statuses_of_begun(server: &Server, calls: usize, bytes: usize) -> Vec<String> {
    const CALLS_OF_A_CONNECTION: usize = 20;
    let mut statuses = JoinSet::new();
    let mut sender = None;
    for call in 0..calls {
        if call % CALLS_OF_A_CONNECTION == 0 {
            let io = TokioIo::new(connect(server).await);
            let (opened, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender = Some(opened);
        }
        let mut sender = sender.clone().unwrap();
        let mut frame = vec![0, 0, 0, 250, 0];
        frame.resize(bytes, 0);
        let uri = "http://localhost/milvus.proto.milvus.MilvusService/GetVersion";
        let request = hyper::Request::post(uri)
            .header("content-type", "application/grpc")
            .body(Begun(Some(frame.into())))
            .unwrap();
        statuses.spawn(async move {
            let response = sender.send_request(request).await.unwrap();
            let status = response.headers().get("grpc-status").unwrap();
            status.to_str().unwrap().to_owned()
        });
    }
    statuses.join_all().await
}

#[tokio::test]
async fn what_strangers_have_under_way_has_an_end_for_all_of_an_address() {
    const OF_AN_ADDRESS: usize = 1024 * 1024;
    // Three times what an address may have under way: all are begun before the first is too late.
    const CALLS: usize = 60;
    const EACH: usize = 60_000;
    const TOO_LATE: &str = "4";
    const TOO_MUCH: &str = "14";
    let server = server(&[
        "failedSignInLimitsOnLoopback=true",
        "handshakeTimeoutMs=8000",
    ]);
    let mut root = server.root().await;
    let (begun, ()) = tokio::join!(statuses_of_begun(&server, CALLS, EACH), async {
        // Others have room.
        for _ in 0..20 {
            assert_eq!(list(&mut root).await.unwrap(), ["root"]);
            let mut near = server.root().await;
            assert_eq!(list(&mut near).await.unwrap(), ["root"]);
        }
    });
    let count = |code: &str| begun.iter().filter(|status| *status == code).count();
    let kept = count(TOO_LATE);
    assert_eq!(kept + count(TOO_MUCH), CALLS, "{begun:?}");
    assert!(kept > 10 && kept * EACH <= OF_AN_ADDRESS, "{kept}");
    // All of it is given back.
    let begun = statuses_of_begun(&server, kept, EACH).await;
    assert!(begun.iter().all(|status| status == TOO_LATE), "{begun:?}");
}
