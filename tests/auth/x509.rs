//! MONGODB-X509: who gets in by a certificate, with which roles, and for how long.

use bson::{Document, doc};

use crate::common::{failed, ok, options};
use crate::support::tls_client::{TlsClient, tls_arguments};
use crate::support::{Options, RawClient, TestServer, error_of};

const ANN: &str = "CN=ann,OU=Clients,O=Portcullis tests";
const CAROL: &str = "CN=carol,OU=Clients,O=Portcullis tests";
const ESCAPED: &str =
    "CN=\\#bob \\+ \\\"c\\;d\\\"\\<e\\>\\\\\\ ,OU=Clients\\, old,O=Portcullis tests";

/// Over TLS and without.
fn tls_options() -> Options {
    tls_arguments("preferTLS")
        .into_iter()
        .fold(options(), Options::argument)
        .argument("--tlsAllowConnectionsWithoutCertificates")
}

fn server() -> TestServer {
    TestServer::with_admin_and(tls_options())
}

fn create(admin: &mut RawClient, subject: &str) {
    let create = doc! { "createUser": subject, "roles": [{ "role": "read", "db": "shop" }] };
    ok(admin, "$external", create);
}

fn command() -> Document {
    doc! { "authenticate": 1, "mechanism": "MONGODB-X509" }
}

fn authenticate(client: &mut RawClient) -> Document {
    client.run("$external", command())
}

/// Who signs in and as whom.
fn signed_in(server: &TestServer, certificate: &str) -> RawClient {
    let mut client = TlsClient::with(certificate).raw(server);
    let reply = authenticate(&mut client);
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    client
}

fn roles(client: &mut RawClient) -> Vec<String> {
    let status = client.run("admin", doc! { "connectionStatus": 1 });
    let info = status.get_document("authInfo").unwrap();
    let name = |role: &bson::Bson| {
        let role = role.as_document().unwrap();
        format!(
            "{}@{}",
            role.get_str("role").unwrap(),
            role.get_str("db").unwrap()
        )
    };
    let roles = info.get_array("authenticatedUserRoles").unwrap();
    roles.iter().map(name).collect()
}

#[test]
fn the_subject_is_the_user() {
    let server = server();
    let mut admin = server.admin();
    for (certificate, subject) in [("client", ANN), ("client-escaped", ESCAPED)] {
        create(&mut admin, subject);
        for user in [None, Some(subject)] {
            let mut client = TlsClient::with(certificate).raw(&server);
            let mut request = command();
            if let Some(user) = user {
                request.insert("user", user);
            }
            let reply = client.run("$external", request);
            assert_eq!(
                reply,
                doc! { "dbname": "$external", "user": subject, "ok": 1.0 }
            );
            let signed_in = format!("{subject}@$external");
            assert_eq!(client.signed_in_user(), Some(signed_in));
            assert_eq!(roles(&mut client), ["read@shop"]);
        }
    }
}

#[test]
fn it_may_come_in_the_hello() {
    let server = server();
    create(&mut server.admin(), ANN);
    let mut with_db = command();
    with_db.insert("db", "$external");
    for request in [command(), with_db] {
        let mut client = TlsClient::with("client").raw(&server);
        let hello = doc! {
            "hello": 1, "saslSupportedMechs": format!("$external.{ANN}"),
            "speculativeAuthenticate": request,
        };
        let reply = client.run("admin", hello);
        let mechanisms = reply.get_array("saslSupportedMechs").unwrap();
        assert_eq!(mechanisms, &vec!["MONGODB-X509".into()]);
        assert_eq!(
            reply.get_document("speculativeAuthenticate").unwrap(),
            &doc! { "dbname": "$external", "user": ANN }
        );
        assert_eq!(client.signed_in_user(), Some(format!("{ANN}@$external")));
    }
}

#[test]
fn what_goes_wrong_in_the_hello_is_left_out() {
    let server = server();
    create(&mut server.admin(), ANN);
    let with = |field: &str, value: &str| {
        let mut request = command();
        request.insert(field, value);
        request
    };
    for (certificate, request) in [
        ("client", with("db", "admin")),
        ("client", with("user", CAROL)),
        ("client", with("mechanism", "MONGODB-CR")),
        ("client-without-user", command()),
        ("client-without-subject", command()),
    ] {
        let mut client = TlsClient::with(certificate).raw(&server);
        let hello = doc! { "hello": 1, "speculativeAuthenticate": request.clone() };
        let reply = client.run("admin", hello);
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0));
        assert!(!reply.contains_key("speculativeAuthenticate"), "{request}");
        assert_eq!(client.signed_in_user(), None);
    }
}

#[test]
fn old_drivers_begin_with_op_query() {
    let server = server();
    create(&mut server.admin(), ANN);
    let mut client = TlsClient::with("client").raw(&server);
    let query = bson::RawDocumentBuf::try_from(&command()).unwrap();
    let mut body = vec![0; 4];
    body.extend_from_slice(b"$external.$cmd\0");
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&(-1_i32).to_le_bytes());
    body.extend_from_slice(query.as_bytes());
    client.send(2004, &body);
    let (op_code, reply) = client.receive();
    assert_eq!(op_code, 1);
    let reply = bson::RawDocumentBuf::from_bytes(reply[20..].to_vec()).unwrap();
    let expected = doc! { "dbname": "$external", "user": ANN, "ok": 1.0 };
    assert_eq!(Document::try_from(reply).unwrap(), expected);
}

#[test]
fn mistakes_of_the_client_are_told() {
    let server = server();
    let refused = |client: &mut RawClient, db: &str| error_of(&client.run(db, command()));
    let no_tls = "SSL support is required for the MONGODB-X509 mechanism.";
    assert_eq!(
        refused(&mut server.raw(), "$external"),
        (17, no_tls.to_owned())
    );
    let mut client = TlsClient::with("client").raw(&server);
    let database = "X.509 authentication must always use the $external database.";
    assert_eq!(refused(&mut client, "admin"), (17, database.to_owned()));
    let nobody = format!("Could not find user \"{ANN}\" for db \"$external\"");
    assert_eq!(refused(&mut client, "$external"), (11, nobody));
}

#[test]
fn every_other_refusal_looks_alike() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, ANN);
    create(&mut admin, "CN=dora,OU=Clients,O=Portcullis tests");
    let other_user = {
        let mut request = command();
        request.insert("user", CAROL);
        request
    };
    let rows = [
        (
            TlsClient::without_certificate(),
            command(),
            "the client showed no certificate",
        ),
        (
            TlsClient::with("client-without-subject"),
            command(),
            "the certificate has no subject",
        ),
        (
            TlsClient::with("client-with-bad-roles"),
            command(),
            "the roles in the certificate cannot be read",
        ),
        (
            TlsClient::with("client-cluster-member"),
            command(),
            "the certificate is that of a member of the cluster",
        ),
        (
            TlsClient::with("client"),
            other_user,
            "the certificate names another user",
        ),
        (
            TlsClient::with("client"),
            doc! { "authenticate": 1, "mechanism": "MONGODB-CR", "user": ANN },
            "the mechanism is not MONGODB-X509",
        ),
    ];
    for (client, request, reason) in &rows {
        let mut client = client.raw(&server);
        let refused = error_of(&client.run("$external", request.clone()));
        assert_eq!(refused, failed(), "{reason}");
        assert_eq!(client.signed_in_user(), None);
    }
    let (_, log) = server.stop();
    for (_, _, reason) in &rows {
        assert!(log.contains(reason), "{reason}");
    }
}

#[test]
fn it_can_be_disabled() {
    let disabled = ["--setParameter", "authenticationMechanisms=SCRAM-SHA-256"];
    let server = TestServer::with_admin_and(tls_options().arguments(&disabled));
    create(&mut server.admin(), ANN);
    let mut client = TlsClient::with("client").raw(&server);
    assert_eq!(error_of(&authenticate(&mut client)), failed());
    let hello = doc! { "hello": 1, "saslSupportedMechs": format!("$external.{ANN}") };
    let reply = client.run("admin", hello);
    assert!(!reply.contains_key("saslSupportedMechs"));
}

#[test]
fn a_member_of_the_cluster_cannot_be_made_a_user() {
    let member = "CN=member,OU=Servers,O=Portcullis tests";
    let with = |arguments: &[&str]| TestServer::with_admin_and(tls_options().arguments(arguments));
    let create = |server: &TestServer, subject: &str| {
        let create = doc! { "createUser": subject, "roles": [] };
        server.admin().run("$external", create)
    };
    let server = with(&[]);
    let text = "Cannot create an x.509 user with a subjectname that would be recognized as an \
                internal cluster member";
    for subject in [
        member,
        "O=portcullis tests,OU=servers",
        "OU=Servers,CN=x+O=Portcullis tests",
    ] {
        assert_eq!(error_of(&create(&server, subject)), (2, text.into()));
    }
    for subject in [ANN, "CN=Servers", "no distinguished name"] {
        assert_eq!(create(&server, subject), doc! { "ok": 1.0 });
    }
    let server = with(&["--setParameter", "enforceUserClusterSeparation=false"]);
    assert_eq!(create(&server, member), doc! { "ok": 1.0 });
    // A user there may be; sign in it cannot.
    let mut client = TlsClient::with("client-cluster-member").raw(&server);
    assert_eq!(error_of(&authenticate(&mut client)), failed());
    let without_tls = TestServer::with_admin_and(options());
    assert_eq!(create(&without_tls, member), doc! { "ok": 1.0 });
}

#[test]
fn roles_may_come_with_the_certificate() {
    let server = server();
    let mut admin = server.admin();
    let mut client = signed_in(&server, "client-with-roles");
    assert_eq!(roles(&mut client), ["read@shop", "clusterMonitor@admin"]);
    assert_eq!(client.signed_in_user(), Some(format!("{CAROL}@$external")));
    let status = client.run("admin", doc! { "serverStatus": 1 });
    assert_eq!(status.get_f64("ok").ok(), Some(1.0));
    let refused = doc! { "createUser": "x", "pwd": "x", "roles": [] };
    assert_eq!(error_of(&client.run("shop", refused)).0, 13);
    // The user's own document gives none, but it may restrict.
    ok(
        &mut admin,
        "$external",
        doc! { "createUser": CAROL, "roles": [{ "role": "root", "db": "admin" }] },
    );
    assert_eq!(roles(&mut client), ["read@shop", "clusterMonitor@admin"]);
    let mut second = signed_in(&server, "client-with-roles");
    assert_eq!(roles(&mut second), ["read@shop", "clusterMonitor@admin"]);
    ok(
        &mut admin,
        "$external",
        doc! { "updateUser": CAROL, "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }] },
    );
    assert_eq!(client.signed_in_user(), None);
    let mut third = TlsClient::with("client-with-roles").raw(&server);
    assert_eq!(error_of(&authenticate(&mut third)), failed());
}

#[test]
fn a_cursor_of_who_is_only_in_a_certificate_is_read_on_from_any_connection() {
    let server = server();
    let mut first = signed_in(&server, "client-with-roles");
    let mut second = signed_in(&server, "client-with-roles");
    let list = doc! {
        "listCollections": 1, "nameOnly": true, "authorizedCollections": true,
        "cursor": { "batchSize": 0 },
    };
    let opened = first.run("admin", list);
    let id = opened
        .get_document("cursor")
        .unwrap()
        .get_i64("id")
        .unwrap();
    assert_ne!(id, 0);
    let more = doc! { "getMore": id, "collection": "$cmd.listCollections" };
    assert_eq!(second.run("admin", more).get_f64("ok").ok(), Some(1.0));
}

#[test]
fn roles_of_certificates_count_only_if_they_may() {
    let arguments = ["--setParameter", "allowRolesFromX509Certificates=false"];
    let server = TestServer::with_admin_and(tls_options().arguments(&arguments));
    let mut client = TlsClient::with("client-with-roles").raw(&server);
    assert_eq!(error_of(&authenticate(&mut client)).0, 11);
    let create = doc! { "createUser": CAROL, "roles": [] };
    ok(&mut server.admin(), "$external", create);
    assert_eq!(authenticate(&mut client).get_f64("ok").ok(), Some(1.0));
    assert_eq!(roles(&mut client), [""; 0]);
    // Unreadable ones keep their owner out all the same.
    let mut client = TlsClient::with("client-with-bad-roles").raw(&server);
    assert_eq!(error_of(&authenticate(&mut client)), failed());
}

#[test]
fn a_user_that_is_dropped_or_changed_is_so_at_once() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, ANN);
    let mut client = signed_in(&server, "client");
    assert_eq!(error_of(&client.run("shop", doc! { "find": "c" })).0, 115);
    ok(
        &mut admin,
        "$external",
        doc! { "updateUser": ANN, "roles": [] },
    );
    assert_eq!(error_of(&client.run("shop", doc! { "find": "c" })).0, 13);
    assert_eq!(client.signed_in_user(), Some(format!("{ANN}@$external")));
    ok(&mut admin, "$external", doc! { "dropUser": ANN });
    assert_eq!(client.signed_in_user(), None);
    assert_eq!(error_of(&authenticate(&mut client)).0, 11);
    create(&mut admin, ANN);
    assert_eq!(client.signed_in_user(), None);
    assert_eq!(authenticate(&mut client).get_f64("ok").ok(), Some(1.0));
}

#[test]
fn restrictions_hold() {
    let server = server();
    let mut admin = server.admin();
    ok(
        &mut admin,
        "$external",
        doc! {
            "createUser": ANN, "roles": [],
            "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }],
        },
    );
    let mut client = TlsClient::with("client").raw(&server);
    assert_eq!(error_of(&authenticate(&mut client)), failed());
    let here = doc! { "updateUser": ANN, "authenticationRestrictions": [{ "clientSource": ["127.0.0.1"] }] };
    ok(&mut admin, "$external", here);
    assert_eq!(authenticate(&mut client).get_f64("ok").ok(), Some(1.0));
}

#[test]
fn one_user_a_connection() {
    let server = server();
    create(&mut server.admin(), ANN);
    let mut client = signed_in(&server, "client");
    assert_eq!(authenticate(&mut client).get_f64("ok").ok(), Some(1.0));
    let refused = client.sign_in("admin", crate::support::ADMIN.0, crate::support::ADMIN.1);
    assert_eq!(error_of(&refused.unwrap_err()).0, 5_626_702);
    let mut client = TlsClient::with("client").raw(&server);
    client
        .sign_in("admin", crate::support::ADMIN.0, crate::support::ADMIN.1)
        .unwrap();
    // As mongod words it for certificates.
    assert_eq!(error_of(&authenticate(&mut client)), failed());
    ok(&mut client, "admin", doc! { "logout": 1 });
    assert_eq!(authenticate(&mut client).get_f64("ok").ok(), Some(1.0));
    ok(&mut client, "$external", doc! { "logout": 1 });
    assert_eq!(client.signed_in_user(), None);
}

#[test]
fn sign_ins_are_counted() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, ANN);
    signed_in(&server, "client");
    authenticate(&mut TlsClient::with("client-without-user").raw(&server));
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    let security = status.get_document("security").unwrap();
    let authentication = security.get_document("authentication").unwrap();
    let x509 = authentication
        .get_document("mechanisms")
        .unwrap()
        .get_document("MONGODB-X509")
        .unwrap();
    assert_eq!(
        x509.get_document("authenticate").unwrap(),
        &doc! { "received": 2_i64, "successful": 1_i64 }
    );
}
