//! Addresses, ports and Unix sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::UnixStream;

use super::support::{Client, Event, TestServer, loopback, soon};
use crate::net::{Address, BindError, BindOptions, Limits, Listeners, Peer, UnixSocketOptions};

fn unix_options(directory: &Path) -> BindOptions {
    BindOptions {
        unix_socket: Some(UnixSocketOptions {
            directory: directory.to_owned(),
            permissions: 0o600,
        }),
        ..loopback()
    }
}

#[tokio::test]
async fn peers_are_numbered_and_have_addresses() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut clients = Vec::new();
    for expected in [1, 2] {
        let client = server.connect_unseen().await;
        let Event::Connected(peer) = server.event().await else {
            panic!("not connected");
        };
        assert_eq!(peer.connection_id, expected);
        assert_eq!(peer.local, Address::Ip(server.address()));
        let remote = client.0.local_addr().unwrap();
        assert_eq!(peer.remote, Address::Ip(remote));
        clients.push(client);
    }
}

#[tokio::test]
async fn all_addresses_share_a_port() {
    let hosts = ["127.0.0.1", "127.0.0.2", "localhost", "127.0.0.1"];
    let options = BindOptions {
        hosts: hosts.map(str::to_owned).to_vec(),
        ..loopback()
    };
    let listeners = Listeners::bind(&options).await.unwrap();
    let ports: Vec<_> = listeners
        .addresses()
        .iter()
        .map(|address| match address {
            Address::Ip(address) => address.port(),
            Address::Unix(_) => 0,
        })
        .collect();
    assert_eq!(ports.len(), 2, "each address once: {ports:?}");
    assert!(ports[0] != 0 && ports[0] == ports[1]);
}

#[tokio::test]
async fn ipv4_peers_of_an_ipv6_socket_are_ipv4() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // no IPv6 on this machine
    }
    let options = BindOptions {
        hosts: vec!["::".to_owned()],
        ..loopback()
    };
    let mut server = TestServer::start_on(&options, Limits::default()).await;
    let port = server.address().port();
    let stream = soon(tokio::net::TcpStream::connect(("127.0.0.1", port)))
        .await
        .unwrap();
    let Event::Connected(peer) = server.event().await else {
        panic!("not connected");
    };
    assert_eq!(peer.remote, Address::Ip(stream.local_addr().unwrap()));
    Client(stream).ping().await;
}

#[tokio::test]
async fn both_families_share_a_port() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // no IPv6 on this machine
    }
    let options = BindOptions {
        hosts: vec!["*".to_owned()],
        ipv6: true,
        ..loopback()
    };
    let listeners = Listeners::bind(&options).await.unwrap();
    assert_eq!(listeners.addresses().len(), 2);
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = Listeners::bind(&loopback()).await.unwrap();
    let Address::Ip(taken) = first.addresses()[0].clone() else {
        panic!("no port");
    };
    let options = BindOptions {
        port: taken.port(),
        ..loopback()
    };
    let error = Listeners::bind(&options).await.unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");

    let nowhere = BindOptions {
        hosts: Vec::new(),
        ..loopback()
    };
    let error = Listeners::bind(&nowhere).await.unwrap_err();
    assert!(matches!(error, BindError::NoAddress));
}

#[tokio::test]
async fn a_unix_socket_serves_and_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let options = unix_options(directory.path());
    let mut server = TestServer::start_on(&options, Limits::default()).await;
    let port = server.address().port();
    let path = directory.path().join(format!("mongodb-{port}.sock"));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut client = Client(soon(UnixStream::connect(&path)).await.unwrap());
    client.ping().await;
    let Event::Connected(peer) = server.event().await else {
        panic!("not connected");
    };
    assert_eq!(peer.remote, Address::Unix(path.as_path().into()));
    assert_eq!(server.addresses[1], peer.remote);

    server.stop.stop();
    client.ends().await;
    server.served().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn only_a_dead_unix_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some.sock");
    let options = BindOptions {
        hosts: vec![path.to_str().unwrap().to_owned()],
        ..loopback()
    };
    // A listener of the standard library leaves its file behind, as a killed server does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let first = Listeners::bind(&options).await.unwrap();

    let error = Listeners::bind(&options).await.unwrap_err();
    assert!(matches!(error, BindError::Listen { .. }), "{error}");
    assert!(path.exists(), "the living socket was removed");

    drop(first);
    fs::write(&path, "a file").unwrap();
    assert!(Listeners::bind(&options).await.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

#[tokio::test]
async fn sockets_are_accepted_from_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let listeners = Listeners::bind(&unix_options(folder.path())).await.unwrap();
    let [Address::Ip(tcp), Address::Unix(unix)] = listeners.addresses() else {
        panic!("{:?}", listeners.addresses());
    };
    // All are there before the first is accepted.
    let _flood = [(); 3].map(|()| std::net::TcpStream::connect(tcp).unwrap());
    let _single = std::os::unix::net::UnixStream::connect(unix).unwrap();
    let mut order = Vec::new();
    for _ in 0..4 {
        let accepted = soon(listeners.accept()).await.unwrap();
        order.push(accepted.remote.ip().is_some());
    }
    assert_eq!(order, [true, false, true, true]);
}

#[test]
fn who_is_on_this_machine() {
    let ip = |text: &str| Address::Ip(format!("{text}:1").parse().unwrap());
    let unix = Address::Unix(Path::new("/run/server.sock").into());
    let here = ip("127.0.0.1");
    let cases = [
        (&here, None, true),
        (&ip("[::1]"), None, true),
        (&unix, None, true),
        (&ip("192.0.2.1"), None, false),
        (&here, Some(&here), true),
        (&ip("192.0.2.1"), Some(&here), false),
        // What a proxy elsewhere calls local is local to the proxy.
        (&here, Some(&ip("192.0.2.9")), false),
    ];
    for (remote, proxy, expected) in cases {
        let peer = Peer {
            connection_id: 1,
            local: here.clone(),
            remote: remote.clone(),
            proxy: proxy.cloned(),
            tls: None,
        };
        assert_eq!(peer.is_local(), expected, "{peer:?}");
    }
}
