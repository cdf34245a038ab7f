//! Who gets in with which certificate, and what the log says of who does not.

use crate::support::tls_client::{TLS_VERSIONS, TlsClient, certificate_file};
use crate::support::{Options, TestServer};
use crate::{is_refused, options, ping, wait_for_log};

const REASONS: [(&str, &str); 4] = [
    ("client-expired", "certificate expired"),
    ("client-of-other-ca", "UnknownIssuer"),
    (
        "client-wrong-usage",
        "certificate does not allow extended key usage",
    ),
    ("client-revoked", "Revoked"),
];

fn with_revocations(options: Options) -> Options {
    options.argument(format!(
        "--tlsCRLFile={}",
        certificate_file("crl").display()
    ))
}

fn good_is_served(server: &TestServer) {
    for version in TLS_VERSIONS {
        ping(&mut TlsClient::with("client").version(version).raw(server)).unwrap();
    }
}

#[test]
fn bad_certificates_are_refused_and_the_log_says_why() {
    for (certificate, reason) in REASONS {
        let server = with_revocations(options("requireTLS")).start();
        for version in TLS_VERSIONS {
            let client = TlsClient::with(certificate).version(version);
            assert!(is_refused(&client, &server), "{certificate}");
        }
        wait_for_log(
            &server,
            &["SSL handshake failed: invalid peer certificate", reason],
        );
        good_is_served(&server);
    }
}

#[test]
fn many_failures_are_counted_and_make_few_lines() {
    const MANY: usize = 20;
    let server = options("requireTLS").start();
    let begun = std::time::Instant::now();
    for _ in 0..MANY {
        assert!(is_refused(&TlsClient::without_certificate(), &server));
    }
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    let (_, logs) = server.stop();
    let is_failure = |line: &&str| line.contains("SSL handshake failed");
    let lines = logs.lines().filter(is_failure).count();
    assert!((1..=seconds + 2).contains(&lines), "{lines} in {seconds} s");
}

#[test]
fn a_certificate_has_to_be_presented_unless_it_need_not() {
    let strict = options("requireTLS").start();
    for version in TLS_VERSIONS {
        let client = TlsClient::without_certificate().version(version);
        assert!(is_refused(&client, &strict));
    }
    wait_for_log(
        &strict,
        &["SSL handshake failed", "peer sent no certificates"],
    );
    good_is_served(&strict);

    let lenient = options("requireTLS").argument("--tlsAllowConnectionsWithoutCertificates");
    let lenient = with_revocations(lenient).start();
    for version in TLS_VERSIONS {
        ping(
            &mut TlsClient::without_certificate()
                .version(version)
                .raw(&lenient),
        )
        .unwrap();
    }
    good_is_served(&lenient);
    for (certificate, _) in REASONS {
        assert!(
            is_refused(&TlsClient::with(certificate), &lenient),
            "{certificate}"
        );
    }
}

#[test]
fn without_a_list_nothing_is_revoked() {
    let server = options("requireTLS").start();
    ping(&mut TlsClient::with("client-revoked").raw(&server)).unwrap();
}

#[test]
fn a_certificate_without_a_subject_encrypts_and_names_nobody() {
    let server = options("requireTLS").start();
    ping(&mut TlsClient::with("client-without-subject").raw(&server)).unwrap();
}
