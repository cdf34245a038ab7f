//! The official driver over TLS.

use bson::doc;
use mongodb::Client;
use mongodb::options::{Credential, Tls, TlsOptions};

use crate::support::tls_client::certificate_file;
use crate::support::{ADMIN, TestServer};
use crate::{options, server_with_admin};

fn client(server: &TestServer, ca: &str, certificate: Option<&str>) -> Client {
    let mut options = server.driver_options();
    let tls = TlsOptions::builder()
        .ca_file_path(certificate_file(ca))
        .build();
    let tls = match certificate {
        Some(name) => TlsOptions::builder()
            .ca_file_path(certificate_file(ca))
            .cert_key_file_path(certificate_file(name))
            .build(),
        None => tls,
    };
    options.tls = Some(Tls::Enabled(tls));
    options.server_selection_timeout = Some(std::time::Duration::from_secs(2));
    let mut credential = Credential::default();
    credential.username = Some(ADMIN.0.to_owned());
    credential.password = Some(ADMIN.1.to_owned());
    options.credential = Some(credential);
    Client::with_options(options).unwrap()
}

async fn works(client: &Client) -> bool {
    let users = doc! { "usersInfo": 1, "comment": "x".repeat(1_000_000) };
    client.database("admin").run_command(users).await.is_ok()
}

#[tokio::test]
async fn signs_in_with_a_certificate_it_trusts() {
    let server = server_with_admin(options("requireTLS"));
    assert!(works(&client(&server, "ca", Some("client"))).await);
    assert!(
        !works(&client(&server, "other-ca", Some("client"))).await,
        "it trusts nobody"
    );
    assert!(
        !works(&client(&server, "ca", None)).await,
        "it has no certificate"
    );
    assert!(!works(&client(&server, "ca", Some("client-of-other-ca"))).await);
    assert!(works(&client(&server, "ca", Some("client"))).await);
}
