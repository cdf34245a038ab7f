//! `net.ipSourceAllowlist`.

use bson::doc;

use crate::common::{count, from, options};
use crate::support::TestServer;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

#[test]
fn who_is_not_listed_is_closed_before_a_word_is_said() {
    let options = options(&[])
        .unix_socket()
        .argument("--ipSourceAllowlist=127.0.0.1, 192.0.2.0/24")
        .argument("--proxyProtocolTrustedPeers=127.0.0.9");
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    for _ in 0..3 {
        assert!(from(&server, "127.0.0.2").is_closed());
    }
    assert_eq!(count(&mut admin, "connectionsRefused.allowlist"), 3);
    assert_eq!(
        server.raw_unix().run("admin", doc! { "ping": 1 }),
        doc! { "ok": 1.0 }
    );

    // A proxy need not be on the list; its clients do, and so does the proxy where it is the client.
    let proxied = |client: [u8; 4]| {
        let mut connection = from(&server, "127.0.0.9");
        connection.send_bytes(&SIGNATURE);
        connection.send_bytes(&[0x21, 0x11, 0, 12]);
        connection.send_bytes(&client);
        connection.send_bytes(&[198, 51, 100, 1, 0, 1, 0, 2]);
        connection
    };
    let mut listed = proxied([192, 0, 2, 7]);
    assert_eq!(listed.run("admin", doc! { "ping": 1 }), doc! { "ok": 1.0 });
    assert!(proxied([203, 0, 113, 1]).is_closed());
    assert_eq!(count(&mut admin, "connectionsRefused.allowlist"), 4);
    let mut check = from(&server, "127.0.0.9");
    check.send_bytes(&SIGNATURE);
    check.send_bytes(&[0x20, 0, 0, 0]);
    assert!(check.is_closed());
    assert_eq!(count(&mut admin, "connectionsRefused.allowlist"), 5);

    let (_, logs) = server.stop();
    let lines = logs
        .lines()
        .filter(|line| line.contains("net.ipSourceAllowlist"));
    assert!((1..=5).contains(&lines.count()), "{logs}");
}
