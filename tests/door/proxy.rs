//! PROXY protocol, version 2: who the client is is what a trusted proxy says, and nobody else.

use bson::{Document, doc};

use crate::common::{count, create, failed, from, ok, options};
use crate::support::tls_client::tls_arguments;
use crate::support::{ADMIN, Options, RawClient, TestServer, error_of};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const PROXY: &str = "127.0.0.2";
const CLIENT: [u8; 4] = [192, 0, 2, 7];
const OTHER_CLIENT: [u8; 4] = [192, 0, 2, 8];

/// The server's address in these headers is always 198.51.100.1:27017, the client's port 50000.
fn header_v4(client: [u8; 4]) -> Vec<u8> {
    let rest = [&client[..], &[198, 51, 100, 1, 0xc3, 0x50, 0x69, 0x89]].concat();
    header(0x21, 0x11, &rest)
}

fn header(version_and_command: u8, family_and_transport: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let fixed = [version_and_command, family_and_transport];
    [&SIGNATURE[..], &fixed, &length, rest].concat()
}

fn server() -> TestServer {
    let options = options(&[]).argument(format!("--proxyProtocolTrustedPeers={PROXY},10.0.0.0/8"));
    TestServer::with_admin_and(options)
}

/// A connection of the proxy that begins with this header.
fn proxied(server: &TestServer, header: &[u8]) -> RawClient {
    let mut client = from(server, PROXY);
    client.send_bytes(header);
    client
}

fn uri(client: &mut RawClient) -> String {
    let reply = client.run("admin", doc! { "whatsmyuri": 1 });
    reply.get_str("you").unwrap().to_owned()
}

#[test]
fn the_client_is_whom_the_proxy_names() {
    let server = server();
    let mut client = proxied(&server, &header_v4(CLIENT));
    assert_eq!(uri(&mut client), "192.0.2.7:50000");
    let mut split = from(&server, PROXY);
    split.send_one_by_one(&header_v4(CLIENT));
    assert_eq!(uri(&mut split), "192.0.2.7:50000");

    let mut v6 = vec![0; 36];
    v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    v6[15] = 7;
    v6[33] = 80;
    let mut client = proxied(&server, &header(0x21, 0x21, &v6));
    assert_eq!(uri(&mut client), "[2001:db8::7]:80");

    let extended = [&header_v4(CLIENT)[16..], &[4, 0, 1, 0]].concat();
    let mut client = proxied(&server, &header(0x21, 0x11, &extended));
    assert_eq!(uri(&mut client), "192.0.2.7:50000");
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    let (_, logs) = server.stop();
    let line = logs.lines().find(|line| line.contains("Successfully"));
    assert!(line.unwrap().contains("192.0.2.7:50000"), "{line:?}");
}

#[test]
fn restrictions_hold_for_the_client_and_not_for_the_proxy() {
    let server = server();
    let mut admin = server.admin();
    let users = [
        ("of_client", doc! { "clientSource": ["192.0.2.7"] }),
        ("of_proxy", doc! { "clientSource": [PROXY] }),
        ("of_server", doc! { "serverAddress": ["198.51.100.0/24"] }),
        ("of_socket", doc! { "serverAddress": ["127.0.0.1"] }),
    ];
    for (user, restriction) in users {
        let no_roles: [Document; 0] = [];
        let create = doc! {
            "createUser": user, "pwd": "secret", "roles": no_roles,
            "authenticationRestrictions": [restriction],
        };
        ok(&mut admin, "shop", create);
    }
    let sign_in = |client: &mut RawClient, user: &str| {
        let result = client.sign_in("shop", user, "secret");
        result.map_err(|refusal| error_of(&refusal))
    };
    let at_door = |user: &str, header: Option<&[u8]>| {
        let mut client = match header {
            Some(header) => proxied(&server, header),
            None => server.raw(),
        };
        sign_in(&mut client, user).is_ok()
    };
    let (right, wrong) = (header_v4(CLIENT), header_v4(OTHER_CLIENT));
    let local = header(0x20, 0x00, &[]);
    for (user, by_right, by_wrong, by_local, direct) in [
        ("of_client", true, false, false, false),
        ("of_proxy", false, false, true, false),
        ("of_server", true, true, false, false),
        ("of_socket", false, false, true, true),
    ] {
        let seen = [Some(&right), Some(&wrong), Some(&local), None]
            .map(|header| at_door(user, header.map(Vec::as_slice)));
        assert_eq!(seen, [by_right, by_wrong, by_local, direct], "{user}");
    }
    let refused = sign_in(&mut proxied(&server, &wrong), "of_client");
    assert_eq!(refused, Err(failed()));
}

#[test]
fn local_is_the_proxy_itself() {
    let server = server();
    let mut client = proxied(&server, &header(0x20, 0x11, &header_v4(CLIENT)[16..]));
    assert!(uri(&mut client).starts_with("127.0.0.2:"));
}

#[test]
fn a_trusted_proxy_has_to_say_who_it_connects_for() {
    let server = server();
    let mut admin = server.admin();
    let ping = [
        &[0x2b, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0x07, 0, 0][..],
        &[0; 27],
    ];
    let cases = [
        (
            "version 1",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
        ),
        ("a message", ping.concat()),
        (
            "wrong version",
            header(0x31, 0x11, &header_v4(CLIENT)[16..]),
        ),
        (
            "unknown command",
            header(0x2f, 0x11, &header_v4(CLIENT)[16..]),
        ),
        ("nobody", header(0x21, 0x00, &[])),
        ("a Unix socket", header(0x21, 0x31, &[0; 216])),
        ("a datagram", header(0x21, 0x12, &header_v4(CLIENT)[16..])),
        ("no room for addresses", header(0x21, 0x11, &[0; 11])),
        ("too long", header(0x21, 0x11, &[0; 4081])),
    ];
    for (number, (name, bytes)) in (1..).zip(&cases) {
        let mut client = proxied(&server, bytes);
        assert!(client.is_closed(), "{name}");
        assert_eq!(
            count(&mut admin, "connectionsRefused.proxyHeader"),
            number,
            "{name}"
        );
    }
    // Half a header, and then nothing any more.
    drop(proxied(&server, &header_v4(CLIENT)[..20]));
    let all = i64::try_from(cases.len()).unwrap() + 1;
    crate::common::until(&mut admin, "connectionsRefused.proxyHeader", all);
}

#[test]
fn a_header_of_anybody_else_is_a_malformed_message() {
    let server = server();
    let mut admin = server.admin();
    let mut client = from(&server, "127.0.0.3");
    client.send_bytes(&header_v4(CLIENT));
    assert!(client.is_closed());
    assert_eq!(count(&mut admin, "connectionsRefused.proxyHeader"), 0);
    assert!(uri(&mut from(&server, "127.0.0.3")).starts_with("127.0.0.3:"));
}

#[test]
fn who_comes_through_a_proxy_is_not_on_this_machine() {
    let options = options(&[]).argument(format!("--proxyProtocolTrustedPeers={PROXY}"));
    let server = options.start();
    let create_admin = || doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] };
    let mut client = proxied(&server, &header_v4(CLIENT));
    assert_eq!(error_of(&client.run("admin", create_admin())).0, 13);
    // Proxy and client are both here.
    let mut client = proxied(&server, &header_v4([127, 0, 0, 5]));
    ok(&mut client, "admin", create_admin());
    create(&mut server.admin(), &["ann"]);
}

#[test]
fn a_failed_handshake_is_logged_with_the_client_and_not_with_the_proxy() {
    let trusted = format!("--proxyProtocolTrustedPeers={PROXY}");
    let server = tls_arguments("requireTLS")
        .into_iter()
        .fold(options(&[]).argument(trusted), Options::argument)
        .start();
    let mut client = proxied(&server, &header_v4(CLIENT));
    client.send_bytes(b"plain");
    assert!(client.is_closed());
    let (_, logs) = server.stop();
    let line = logs.lines().find(|line| line.contains("only allow SSL"));
    assert!(line.unwrap().contains("192.0.2.7:50000"), "{line:?}");
}
