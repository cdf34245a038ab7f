//! The official driver over TLS.

use std::time::Duration;

use bson::doc;
use mongodb::Client;
use mongodb::options::{Credential, Tls, TlsOptions};

use crate::support::tls_client::certificate_file;
use crate::support::{ADMIN, PATIENCE, TestServer};
use crate::{options, server_with_admin};

/// How long the driver tries to reach a server that does not let it in.
const REFUSED: Duration = Duration::from_secs(2);

fn client(server: &TestServer, ca: &str, certificate: Option<&str>, patience: Duration) -> Client {
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
    options.server_selection_timeout = Some(patience);
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
    assert!(works(&client(&server, "ca", Some("client"), PATIENCE)).await);
    assert!(
        !works(&client(&server, "other-ca", Some("client"), REFUSED)).await,
        "it trusts nobody"
    );
    assert!(
        !works(&client(&server, "ca", None, REFUSED)).await,
        "it has no certificate"
    );
    assert!(!works(&client(&server, "ca", Some("client-of-other-ca"), REFUSED)).await);
    assert!(works(&client(&server, "ca", Some("client"), PATIENCE)).await);
}
