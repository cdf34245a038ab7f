//! Every mode by plain and TLS clients, on one port.

use bson::doc;

use crate::support::tls_client::TlsClient;
use crate::support::{Options, TestServer};
use crate::{options, ping, wait_for_log};

/// Whether plain and TLS clients are served.
fn served(server: &TestServer) -> (bool, bool) {
    let plain = ping(&mut server.raw()).is_ok();
    let encrypted = TlsClient::with("client")
        .connect(server)
        .is_ok_and(|stream| ping(&mut crate::RawClient::over(stream)).is_ok());
    (plain, encrypted)
}

#[test]
fn who_is_served_in_which_mode() {
    let disabled = Options::default().argument("--tlsMode=disabled").start();
    assert_eq!(served(&disabled), (true, false));
    for mode in ["allowTLS", "preferTLS"] {
        assert_eq!(served(&options(mode).start()), (true, true), "{mode}");
    }
    let required = options("requireTLS").start();
    assert_eq!(served(&required), (false, true));
    let reason = "The server is configured to only allow SSL connections";
    let line = wait_for_log(&required, &[reason]);
    assert!(line.contains("remote=\"127.0.0.1:"), "{line}");
}

#[test]
fn a_hello_of_tls_is_no_message_where_tls_is_disabled() {
    let server = TestServer::start();
    assert!(TlsClient::without_certificate().connect(&server).is_err());
    ping(&mut server.raw()).unwrap();
}

#[test]
fn unix_sockets_are_never_encrypted() {
    let server = options("requireTLS").unix_socket().start();
    assert_eq!(ping(&mut server.raw_unix()).unwrap(), doc! { "ok": 1.0 });
}

#[test]
fn the_greeting_says_how_to_connect() {
    let required = options("requireTLS").start();
    let address = required.address();
    wait_for_log(
        &required,
        &[&format!("mongosh mongodb://{address}/?tls=true")],
    );
    let allowed = options("allowTLS").start();
    let address = allowed.address();
    wait_for_log(&allowed, &[&format!("mongosh mongodb://{address}")]);
    assert!(!allowed.logs().contains("tls=true"));
}

#[test]
fn connections_are_counted_by_version() {
    let server = crate::server_with_admin(options("preferTLS"));
    for version in crate::support::tls_client::TLS_VERSIONS {
        ping(&mut TlsClient::with("client").version(version).raw(&server)).unwrap();
    }
    // The one that made the administrator and this one speak 1.3.
    let status = crate::admin(&server).run("admin", doc! { "serverStatus": 1 });
    assert_eq!(
        status.get_document("transportSecurity").unwrap(),
        &doc! { "1.0": 0_i64, "1.1": 0_i64, "1.2": 1_i64, "1.3": 3_i64, "unknown": 0_i64 }
    );
    let connections = status.get_document("connections").unwrap();
    assert_eq!(connections.get_i32("totalCreated").unwrap(), 4);
}

#[test]
fn the_name_a_client_asked_for_is_logged() {
    let server = options("requireTLS").argument("--verbose").start();
    ping(&mut TlsClient::with("client").raw(&server)).unwrap();
    let parts = [
        "Ingress TLS handshake complete",
        "server_name=\"localhost\"",
        "TLSv1.3",
    ];
    wait_for_log(&server, &parts);
}
