//! A trusted proxy and TLS: the header comes first, in clear, and TLS after it.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::support::{Client, Event, TestServer, loopback, soon};
use super::tls_support::{client_config, tls};
use crate::net::{Address, Door};

#[tokio::test]
async fn the_header_comes_before_tls() {
    let door = Door {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        tls: Some(tls(|options| options.is_required = true)),
        ..Door::default()
    };
    let mut server = TestServer::start_behind(&loopback(), door).await;
    let mut tcp = server.connect_unseen().await.0;
    tcp.write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")
        .await
        .unwrap();
    tcp.write_all(&[192, 0, 2, 7, 198, 51, 100, 1, 0, 80, 0, 81])
        .await
        .unwrap();
    let connector = TlsConnector::from(Arc::clone(&client_config(Some("client"), &[&TLS13])));
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = Client(soon(connector.connect(name, tcp)).await.unwrap());
    client.ping().await;
    let Event::Connected(peer) = server.event().await else {
        panic!("not connected");
    };
    assert_eq!(peer.remote, Address::Ip("192.0.2.7:80".parse().unwrap()));
    assert_eq!(peer.local, Address::Ip("198.51.100.1:81".parse().unwrap()));
    assert_eq!(peer.proxy.unwrap().ip(), "127.0.0.1".parse().ok());
    assert!(peer.tls.unwrap().client_certificate.is_some());

    // A proxy that begins with TLS has sent no header.
    let tcp = server.connect_unseen().await.0;
    let connector = TlsConnector::from(client_config(Some("client"), &[&TLS13]));
    let name = ServerName::try_from("localhost").unwrap();
    assert!(soon(connector.connect(name, tcp)).await.is_err());
    assert_eq!(server.counters.proxy_headers_refused(), 1);
}
