//! What TLS connections begin with: read at the start, and again.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::tls_support::{BOTH_VERSIONS, connect, der, file, options, start, tls};
use crate::net::{Tls, TlsOptions, TlsVersion};

#[tokio::test]
async fn rotation_is_for_connections_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.pem");
    std::fs::copy(file("server"), &path).unwrap();
    let tls = tls(|options| options.certificate_key_file.clone_from(&path));
    let server = start(&tls).await;
    let shown = async || {
        let mut client = connect(&server, Some("client"), &BOTH_VERSIONS)
            .await
            .unwrap();
        client.ping().await;
        let (_, connection) = client.0.get_ref();
        let leaf = connection.peer_certificates().unwrap()[0].to_vec();
        (client, leaf)
    };
    let (mut old, leaf) = shown().await;
    assert_eq!(
        (leaf, tls.certificate().to_vec()),
        (der("server"), der("server"))
    );

    std::fs::copy(file("server-renewed"), &path).unwrap();
    assert_eq!(shown().await.1, der("server"), "nobody has asked yet");
    tls.rotate().await.unwrap();
    assert_eq!(shown().await.1, der("server-renewed"));
    assert_eq!(tls.certificate().to_vec(), der("server-renewed"));
    old.ping().await;

    std::fs::write(&path, "nonsense").unwrap();
    let error = tls.rotate().await.unwrap_err();
    assert_eq!(error.option(), "net.tls.certificateKeyFile");
    assert_eq!(shown().await.1, der("server-renewed"));
    old.ping().await;
}

#[tokio::test]
async fn a_version_can_be_switched_off() {
    let only_1_3 = tls(|options| options.versions = vec![TlsVersion::Tls13]);
    let server = start(&only_1_3).await;
    let [tls12, tls13] = BOTH_VERSIONS;
    let old = connect(&server, Some("client"), &[tls12]).await;
    assert!(old.is_err());
    let mut client = connect(&server, Some("client"), &[tls13]).await.unwrap();
    client.ping().await;
}

#[test]
fn keys_in_their_older_forms() {
    // PKCS #1.
    Tls::load(options(|options| {
        options.certificate_key_file = file("server-rsa");
    }))
    .unwrap();

    // SEC 1 is what PKCS #8 wraps: it ends with an octet string of 109 bytes.
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_file(file("server")).unwrap() else {
        panic!("another form");
    };
    let key = key.secret_pkcs8_der();
    let (head, sec1) = key.split_at(key.len() - 109);
    assert!(head.ends_with(&[4, 109]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.pem");
    let certificate = pem("CERTIFICATE", &der("server"));
    let key = pem("EC PRIVATE KEY", sec1);
    std::fs::write(&path, [certificate, key].concat()).unwrap();
    Tls::load(options(|options| options.certificate_key_file = path)).unwrap();
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let text = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let key_of = |name: &str| {
        let text = text(name);
        text[text.find("-----BEGIN PRIVATE KEY").unwrap()..].to_owned()
    };
    let certificate = text("ca");
    let mixed = [&text("ca")[..], &key_of("server")].concat();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let key_files = [
        (folder.path().join("missing"), "No such file"),
        (write("empty", ""), "there is no certificate in it"),
        (
            write("key", &key_of("server")),
            "there is no certificate in it",
        ),
        (
            write("certificate", &certificate),
            "there is no private key in it",
        ),
        (
            write("mixed", &mixed),
            "does not belong to its first certificate",
        ),
        (
            write("encrypted", &[&certificate, encrypted].concat()),
            "encrypted",
        ),
        (
            write("no-key", &[&certificate, no_key].concat()),
            "of no supported kind",
        ),
        (file("client-expired"), "expired or not yet valid"),
        (
            write(
                "bad",
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            ),
            "not valid PEM",
        ),
    ];
    for (path, reason) in key_files {
        check(&path, "net.tls.certificateKeyFile", reason, |options| {
            options.certificate_key_file.clone_from(&path);
        });
    }
    for (path, reason) in [
        (folder.path().to_owned(), "cannot be read"),
        (file("crl"), "there is no certificate in it"),
        (file("client-expired"), "expired or not yet valid"),
    ] {
        check(&path, "net.tls.CAFile", reason, |options| {
            options.ca_file.clone_from(&path);
        });
    }
    let bad_list = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    for (path, reason) in [
        (file("ca"), "there is no certificate revocation list in it"),
        (write("crl", bad_list), ""),
    ] {
        check(&path, "net.tls.CRLFile", reason, |options| {
            options.crl_file = Some(path.clone());
        });
    }
}

fn check(path: &Path, option: &str, reason: &str, change: impl FnOnce(&mut TlsOptions)) {
    let error = Tls::load(options(change)).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.option(), option);
    assert!(
        text.starts_with(&format!("{option} {}: ", path.display())),
        "{text}"
    );
    assert!(text.contains(reason), "{reason:?} is not in {text:?}");
}
