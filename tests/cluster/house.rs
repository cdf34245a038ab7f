//! The house itself: etcd and the proxy do what the tests rely on.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::etcd::{Etcd, EtcdOptions};
use crate::support::proxy::Proxy;

#[test]
fn three_members_outlive_their_leader() {
    let mut etcd = Etcd::three();
    etcd.control(&["put", "key", "before"]);
    let leader = etcd.leader();
    etcd.kill(leader);
    assert_ne!(etcd.leader(), leader);
    etcd.control(&["put", "key", "after"]);
    etcd.restart(leader);
    etcd.wait_until_healthy(leader);
    let revision = etcd.compact();
    assert_eq!(etcd.compact(), revision);
    assert_eq!(etcd.revision(), revision);
    assert_eq!(
        etcd.control(&["get", "key", "--print-value-only"]),
        "after\n"
    );
}

#[test]
fn a_member_that_is_paused_answers_again_when_resumed() {
    let mut etcd = Etcd::single();
    etcd.pause(0);
    etcd.resume(0);
    etcd.wait_until_healthy(0);
    etcd.kill(0);
    assert!(!etcd.is_running(0));
}

#[test]
fn strangers_are_refused_by_etcd_with_tls_and_a_user() {
    let options = EtcdOptions {
        members: 1,
        with_tls: true,
        with_user: true,
        ..EtcdOptions::default()
    };
    let etcd = Etcd::start(options);
    etcd.control(&["put", "key", "value"]);
    assert_eq!(
        etcd.control(&["get", "key", "--print-value-only"]),
        "value\n"
    );
    let stranger = std::process::Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", &etcd.endpoints(), "get", "key"])
        .args(["--insecure-skip-tls-verify", "--command-timeout", "1s"])
        .output();
    assert!(!stranger.unwrap().status.success());
}

/// A server that answers each byte with it.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let (mut from, mut to) = (client.try_clone().unwrap(), client);
                let _ = std::io::copy(&mut from, &mut to);
            });
        }
    });
    address
}

#[test]
fn a_proxy_is_cut_stalled_delayed_and_healed() {
    let proxy = Proxy::to(echo());
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    let answer = |stream: &mut TcpStream| {
        stream.write_all(b"x")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        Ok::<_, std::io::Error>(byte[0])
    };
    let mut stream = connect();
    assert_eq!(answer(&mut stream).unwrap(), b'x');
    proxy.delay(Duration::from_millis(50));
    let started = Instant::now();
    assert_eq!(answer(&mut stream).unwrap(), b'x');
    assert!(started.elapsed() >= Duration::from_millis(100));
    proxy.heal();

    proxy.stall();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let kind = answer(&mut stream).unwrap_err().kind();
    assert!(
        matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{kind}"
    );
    proxy.heal();
    stream.set_read_timeout(None).unwrap();
    stream.read_exact(&mut [0]).unwrap();

    proxy.cut();
    assert!(answer(&mut stream).is_err());
    assert!(answer(&mut connect()).is_err());
    proxy.heal();
    assert_eq!(answer(&mut connect()).unwrap(), b'x');
}
