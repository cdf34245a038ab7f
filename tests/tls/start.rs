//! What keeps a server with TLS from starting: one sentence, and nothing of a key in it.

use std::fs;

use crate::support::Options;
use crate::support::tls_client::{certificate_file, tls_arguments};

/// Runs the server to its end, which must be a refusal; its last line.
fn refusal(arguments: &[String]) -> String {
    let options = arguments
        .iter()
        .fold(Options::default(), |options, argument| {
            options.argument(argument)
        });
    let output = options.command().output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{stderr}");
    assert!(output.status.code().is_some(), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let line = stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("portcullis: "), "{stderr}");
    line.to_owned()
}

/// All options but the one of this name, and `more`.
fn without(name: &str, more: &[String]) -> Vec<String> {
    let mut arguments = tls_arguments("requireTLS");
    arguments.retain(|argument| !argument.starts_with(&format!("--{name}=")));
    arguments.extend_from_slice(more);
    arguments
}

#[test]
fn options_that_belong_together() {
    let file = certificate_file("server").display().to_string();
    let cases: Vec<(Vec<String>, &str)> = vec![
        (
            without("tlsCertificateKeyFile", &[]),
            "option '--tlsMode' on the command line is 'requireTLS'; expected \
             net.tls.certificateKeyFile beside it",
        ),
        (
            without("tlsCAFile", &[]),
            "option '--tlsMode' on the command line is 'requireTLS'; expected net.tls.CAFile beside it",
        ),
        (
            without("tlsMode", &[]),
            "expected net.tls.mode beside it that is not disabled",
        ),
        (
            without("tlsMode", &["--tlsMode=disabled".to_owned()]),
            "expected net.tls.mode beside it that is not disabled",
        ),
        (
            vec!["--tlsAllowConnectionsWithoutCertificates".to_owned()],
            "option '--tlsAllowConnectionsWithoutCertificates'",
        ),
        (
            vec!["--tlsMode=requireSSL".to_owned()],
            "expected 'disabled' or 'allowTLS' or 'preferTLS' or 'requireTLS'",
        ),
        (
            without("", &["--tlsDisabledProtocols=TLS1_2,TLS1_3".to_owned()]),
            "expected TLS1_2 or TLS1_3 to be left",
        ),
        (
            without("", &["--tlsDisabledProtocols=SSL3".to_owned()]),
            "expected 'none' or a list of",
        ),
        (
            without("", &[format!("--tlsClusterFile={file}")]),
            "option '--tlsClusterFile' on the command line is one of mongod's that Portcullis does not \
             support",
        ),
    ];
    for (arguments, part) in cases {
        let line = refusal(&arguments);
        assert!(line.contains(part), "{part:?} is not in {line:?}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (flag, path) in [
        (
            "tlsAllowInvalidCertificates",
            "allowInvalidCertificates: true",
        ),
        ("tlsAllowInvalidHostnames", "allowInvalidHostnames: true"),
        (
            "tlsCertificateKeyFilePassword=x",
            "certificateKeyFilePassword: x",
        ),
        ("tlsCertificateSelector=x", "certificateSelector: x"),
        ("tlsClusterFile=x", "clusterFile: x"),
        ("tlsClusterCAFile=x", "clusterCAFile: x"),
        ("tlsFIPSMode", "FIPSMode: true"),
        ("tlsLogVersions=TLS1_2", "logVersions: TLS1_2"),
    ] {
        let reason = "one of mongod's that Portcullis does not support";
        let line = refusal(&without("", &[format!("--{flag}")]));
        assert!(line.contains(reason), "{line}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.yaml");
        fs::write(&file, format!("net:\n  tls:\n    {path}\n")).unwrap();
        let line = refusal(&[format!("--config={}", file.display())]);
        assert!(line.contains(reason), "{line}");
        assert!(line.contains(path.split(':').next().unwrap()), "{line}");
    }
    let line = refusal(&[
        "--tlsMode=requireTLS".to_owned(),
        "--setParameter=tlsUseSystemCA=true".to_owned(),
    ]);
    assert!(
        line.contains("tlsUseSystemCA") || line.contains("certificateKeyFile"),
        "{line}"
    );
}

#[test]
fn files_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let server = fs::read_to_string(certificate_file("server")).unwrap();
    let other = fs::read_to_string(certificate_file("server-renewed")).unwrap();
    let key = "-----BEGIN PRIVATE KEY-----";
    let certificate = &server[..server.find(key).unwrap()];
    let mixed = folder.path().join("mixed.pem");
    let other_key = &other[other.find(key).unwrap()..];
    fs::write(&mixed, format!("{certificate}{other_key}")).unwrap();
    for (option, yaml, file, reason) in [
        (
            "tlsCertificateKeyFile",
            "net.tls.certificateKeyFile",
            mixed,
            "its private key does not belong to its first certificate",
        ),
        (
            "tlsCertificateKeyFile",
            "net.tls.certificateKeyFile",
            certificate_file("client-expired"),
            "expired or not yet valid",
        ),
        (
            "tlsCAFile",
            "net.tls.CAFile",
            folder.path().join("missing.pem"),
            "cannot be read: No such file or directory",
        ),
        (
            "tlsCRLFile",
            "net.tls.CRLFile",
            certificate_file("ca"),
            "there is no certificate revocation list in it",
        ),
    ] {
        let line = refusal(&without(
            option,
            &[format!("--{option}={}", file.display())],
        ));
        let start = format!("portcullis: cannot use {yaml} {}: ", file.display());
        assert!(line.starts_with(&start), "{line}");
        assert!(line.contains(reason), "{line}");
        for secret in other_key.lines().filter(|line| !line.starts_with('-')) {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[test]
fn the_file_takes_the_same_options() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.yaml");
    let path = |name: &str| certificate_file(name).display().to_string();
    let yaml = format!(
        "net:\n  tls:\n    mode: requireTLS\n    certificateKeyFile: {}\n    CAFile: {}\n    \
         CRLFile: {}\n    allowConnectionsWithoutCertificates: true\n    disabledProtocols: \
         TLS1_0,TLS1_1\n",
        path("server"),
        path("ca"),
        path("crl")
    );
    fs::write(&file, yaml).unwrap();
    let server = Options::default()
        .argument(format!("--config={}", file.display()))
        .start();
    let client = crate::TlsClient::without_certificate();
    crate::ping(&mut client.raw(&server)).unwrap();
    assert!(crate::ping(&mut server.raw()).is_err());
}

#[test]
fn a_certificate_that_clients_will_not_like_is_warned_of() {
    let mut arguments = without("tlsCertificateKeyFile", &[]);
    let path = certificate_file("client").display().to_string();
    arguments.push(format!("--tlsCertificateKeyFile={path}"));
    let options = arguments
        .into_iter()
        .fold(Options::default(), Options::argument);
    let server = options.start();
    crate::wait_for_log(&server, &["no compatible Subject Alternative Name"]);
    crate::wait_for_log(&server, &["extended key usage is not for servers"]);
}
