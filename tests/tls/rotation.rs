//! New certificates for a server that runs.

use std::fs;
use std::path::{Path, PathBuf};

use bson::doc;

use crate::support::tls_client::{TlsClient, certificate_der, certificate_file};
use crate::support::{Options, TestServer, error_of, waiting};
use crate::{admin, is_refused, ping, server_with_admin, wait_for_log};

/// A server whose files may be exchanged.
struct Renewable {
    server: TestServer,
    folder: PathBuf,
}

impl Renewable {
    fn start() -> Self {
        let options = Options::default();
        let folder = options.data().with_extension("certificates");
        fs::create_dir(&folder).unwrap();
        for name in ["server", "ca", "crl"] {
            put(&folder, name, name);
        }
        let path = |name: &str| folder.join(name).display().to_string();
        let server = server_with_admin(
            options
                .argument("--tlsMode=requireTLS")
                .argument(format!("--tlsCertificateKeyFile={}", path("server")))
                .argument(format!("--tlsCAFile={}", path("ca")))
                .argument(format!("--tlsCRLFile={}", path("crl"))),
        );
        Self { server, folder }
    }

    fn put(&self, name: &str, from: &str) {
        put(&self.folder, name, from);
    }

    /// The certificate that new connections are shown.
    fn shown(&self) -> Vec<u8> {
        let stream = TlsClient::with("client").connect(&self.server).unwrap();
        stream.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

fn put(folder: &Path, name: &str, from: &str) {
    fs::copy(certificate_file(from), folder.join(name)).unwrap();
}

#[test]
fn by_command() {
    let renewable = Renewable::start();
    let mut admin = admin(&renewable.server);
    renewable.put("server", "server-renewed");
    assert_eq!(renewable.shown(), certificate_der("server"));
    let rotate = doc! { "rotateCertificates": 1, "message": "a new year" };
    assert_eq!(admin.run("admin", rotate), doc! { "ok": 1.0 });
    assert_eq!(renewable.shown(), certificate_der("server-renewed"));
    let done = "Certificate rotation completed successfully";
    wait_for_log(&renewable.server, &[done, "a new year"]);
    // The connection that asked goes on, as it began.
    ping(&mut admin).unwrap();
}

#[test]
fn by_signal() {
    let renewable = Renewable::start();
    let mut admin = admin(&renewable.server);
    renewable.put("server", "server-renewed");
    renewable.server.signal("HUP");
    wait_for_log(
        &renewable.server,
        &["Certificate rotation completed successfully"],
    );
    assert_eq!(renewable.shown(), certificate_der("server-renewed"));
    ping(&mut admin).unwrap();
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let renewable = Renewable::start();
    let mut admin = admin(&renewable.server);
    for name in ["server", "ca", "crl"] {
        renewable.put("server", "server-renewed");
        fs::write(renewable.folder.join(name), "nonsense").unwrap();
        let reply = admin.run("admin", doc! { "rotateCertificates": 1 });
        let option = match name {
            "server" => "net.tls.certificateKeyFile",
            "ca" => "net.tls.CAFile",
            _ => "net.tls.CRLFile",
        };
        assert_eq!(
            reply.get_str("codeName").unwrap(),
            "InvalidSSLConfiguration"
        );
        let text = format!(
            "{option} cannot be used, the certificates in use stay; the server's log has the reason"
        );
        assert_eq!(error_of(&reply), (140, text));
        let path = renewable.folder.join(name).display().to_string();
        let failed = "Certificate rotation failed, those in use stay";
        wait_for_log(&renewable.server, &[failed, option, &path]);
        assert_eq!(renewable.shown(), certificate_der("server"));
        renewable.put(name, name);
    }
    renewable.server.signal("HUP");
    wait_for_log(
        &renewable.server,
        &["Certificate rotation completed successfully"],
    );
    ping(&mut admin).unwrap();
}

#[test]
fn authorities_and_revocations_are_rotated_too() {
    let renewable = Renewable::start();
    let mut admin = admin(&renewable.server);
    assert!(is_refused(
        &TlsClient::with("client-of-other-ca"),
        &renewable.server
    ));
    let both = ["ca", "other-ca"].map(|name| fs::read(certificate_file(name)).unwrap());
    fs::write(renewable.folder.join("ca"), both.concat()).unwrap();
    let rotated = admin.run("admin", doc! { "rotateCertificates": 1 });
    assert_eq!(rotated, doc! { "ok": 1.0 });
    wait_for_log(&renewable.server, &["UnknownIssuer"]);
    // Known now, but no list of revocations is of this authority. There is one line a second.
    let other = TlsClient::with("client-of-other-ca");
    waiting::until("the line about revocations", || {
        assert!(is_refused(&other, &renewable.server));
        let logs = renewable.server.logs();
        logs.contains("UnknownRevocationStatus")
    });
}

#[test]
fn a_hang_up_does_not_end_a_server_without_tls() {
    let server = TestServer::with_admin();
    server.signal("HUP");
    let mut admin = server.admin();
    ping(&mut admin).unwrap();
    let (status, _) = server.stop();
    assert!(status.success());
}
