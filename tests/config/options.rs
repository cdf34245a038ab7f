//! The command line.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bson::doc;
use portcullis::config::parameters::Mechanism;
use portcullis::config::{
    AuditConfig, AuditDestination, AuditFormat, Compressor, LogDestination, LogFormat,
    OnAuditFailure, Start, StorageEngine, TlsConfig, TlsMode, TlsProtocol,
};
use portcullis::model::restriction::Cidr;

use crate::{refusal, run, start_with};

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn nothing_set_gives_the_defaults() {
    let config = run(&[]);
    assert_eq!(config.net.port, 27017);
    assert_eq!(config.net.port_file, None);
    assert_eq!(config.net.bind_addresses, addresses(&["127.0.0.1"]));
    assert_eq!(config.net.connections_max, 65536);
    let socket = config.net.unix_socket.unwrap();
    assert_eq!(socket.path_prefix, Path::new("/tmp"));
    assert_eq!(socket.file_permissions, 0o700);
    let all = [Compressor::Snappy, Compressor::Zstd, Compressor::Zlib];
    assert_eq!(config.net.compressors, all);
    assert_eq!(config.net.tls, None);
    assert_eq!(config.storage.engine, StorageEngine::Redb);
    assert_eq!(config.storage.db_path, Path::new("portcullis-data"));
    assert!(config.security.authorization);
    assert_eq!(config.log.destination, LogDestination::Stderr);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.log.verbosity, 0);
    assert!(!config.log.quiet);
    assert!(config.first_admin.is_none());
    assert_eq!(config.argv, ["portcullis"]);
    assert_eq!(config.parsed, doc! {});
}

#[test]
fn every_option_arrives() {
    let words = [
        "--port=0",
        "--portFile",
        "port",
        "--bind_ip",
        "192.0.2.1, localhost,::1",
        "--ipv6",
        "--maxConns",
        "100",
        "--unixSocketPrefix",
        "/run/x",
        "--filePermissions",
        "0660",
        "--networkMessageCompressors",
        "zlib,snappy",
        "--dbpath",
        "d",
        "--storageEngine",
        "ephemeralForTest",
        "--noauth",
        "--logpath",
        "log",
        "--logappend",
        "--logFormat",
        "json",
        "-vvv",
        "--quiet",
        "--setParameter",
        "scramIterationCount=5000",
        "--setParameter",
        "authenticationMechanisms=SCRAM-SHA-256",
        "--setParameter",
        "enableLocalhostAuthBypass=0",
        "--setParameter",
        "idleTimeoutMs=250",
    ];
    let config = run(&words);
    assert_eq!(config.net.port, 0);
    assert_eq!(config.net.port_file, Some(PathBuf::from("port")));
    let expected = addresses(&["192.0.2.1", "127.0.0.1", "::1"]);
    assert_eq!(config.net.bind_addresses, expected);
    assert_eq!(config.net.connections_max, 100);
    let socket = config.net.unix_socket.unwrap();
    assert_eq!(socket.path_prefix, Path::new("/run/x"));
    assert_eq!(socket.file_permissions, 0o660);
    let compressors = [Compressor::Zlib, Compressor::Snappy];
    assert_eq!(config.net.compressors, compressors);
    assert_eq!(config.storage.engine, StorageEngine::EphemeralForTest);
    assert_eq!(config.storage.db_path, Path::new("d"));
    assert!(!config.security.authorization);
    let destination = LogDestination::File {
        path: PathBuf::from("log"),
        append: true,
    };
    assert_eq!(config.log.destination, destination);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.verbosity, 3);
    assert!(config.log.quiet);
    let parameters = &config.parameters;
    assert_eq!(parameters.scram_sha1_iteration_count(), 5000);
    assert_eq!(
        parameters.authentication_mechanisms(),
        [Mechanism::ScramSha256]
    );
    assert!(!parameters.enable_localhost_auth_bypass());
    assert_eq!(parameters.idle_timeout().unwrap().as_millis(), 250);
    assert_eq!(config.argv.len(), words.len() + 1);
}

#[test]
fn auditing() {
    assert_eq!(run(&[]).audit, None);
    let file = run(&[
        "--auditDestination=file",
        "--auditPath=a.bson",
        "--auditFormat=BSON",
        "--auditFilter={}",
        "--auditOnFailure=continue",
        "--auditSync",
    ]);
    let expected = AuditConfig {
        destination: AuditDestination::File {
            path: "a.bson".into(),
            format: AuditFormat::Bson,
            sync: true,
        },
        filter: Some("{}".to_owned()),
        on_failure: OnAuditFailure::Continue,
    };
    assert_eq!(file.audit, Some(expected));
    let least = run(&["--auditDestination=file", "--auditPath=a"])
        .audit
        .unwrap();
    assert_eq!(
        least.destination,
        AuditDestination::File {
            path: "a".into(),
            format: AuditFormat::Json,
            sync: false,
        }
    );
    assert_eq!(
        (least.filter, least.on_failure),
        (None, OnAuditFailure::Refuse)
    );
    let syslog = run(&["--auditDestination=syslog"]).audit.unwrap();
    assert_eq!(syslog.destination, AuditDestination::Syslog);

    let rows: [(&[&str], &str); 5] = [
        (
            &["--auditDestination=file"],
            "option '--auditDestination' on the command line is 'file'; expected auditLog.path beside it",
        ),
        (
            &["--auditDestination=printer"],
            "option '--auditDestination' on the command line is 'printer'; expected 'file' or 'syslog' \
             or 'console'",
        ),
        (
            &["--auditDestination=syslog", "--auditFormat=JSON"],
            "option '--auditFormat' on the command line is 'JSON'; expected auditLog.destination 'file'",
        ),
        (
            &["--auditFilter={}"],
            "option '--auditFilter' on the command line is '{}'; expected auditLog.destination beside it",
        ),
        (
            &["--auditPath=a"],
            "option '--auditPath' on the command line is 'a'; expected auditLog.destination beside it",
        ),
    ];
    for (words, sentence) in rows {
        assert_eq!(refusal(words), sentence);
    }
}

#[test]
fn tls_arrives() {
    let least = [
        "--tlsMode=allowTLS",
        "--tlsCertificateKeyFile=s.pem",
        "--tlsCAFile=ca.pem",
    ];
    let mut expected = TlsConfig {
        mode: TlsMode::AllowTls,
        certificate_key_file: PathBuf::from("s.pem"),
        ca_file: PathBuf::from("ca.pem"),
        crl_file: None,
        allow_connections_without_certificates: false,
        protocols: vec![TlsProtocol::Tls1_2, TlsProtocol::Tls1_3],
    };
    assert_eq!(run(&least).net.tls.unwrap(), expected);

    let more = [
        "--tlsCRLFile=crl.pem",
        "--tlsAllowConnectionsWithoutCertificates",
        "--tlsDisabledProtocols=TLS1_1, TLS1_2",
    ];
    let all = run(&[&least[..], &more].concat());
    expected.crl_file = Some(PathBuf::from("crl.pem"));
    expected.allow_connections_without_certificates = true;
    expected.protocols = vec![TlsProtocol::Tls1_3];
    assert_eq!(all.net.tls.unwrap(), expected);
    assert_eq!(
        all.parsed,
        doc! { "net": { "tls": {
            "mode": "allowTLS", "certificateKeyFile": "s.pem", "CAFile": "ca.pem",
            "CRLFile": "crl.pem", "allowConnectionsWithoutCertificates": true,
            "disabledProtocols": "TLS1_1, TLS1_2",
        } } }
    );
}

#[test]
fn get_cmd_line_opts_shows_what_was_set() {
    let config = run(&[
        "--port",
        "27018",
        "--auth",
        "--nounixsocket",
        "--logpath",
        "x.log",
        "--verbose",
        "--setParameter",
        "authFailedDelayMs=5",
    ]);
    assert_eq!(
        config.parsed,
        doc! {
            "net": { "port": 27018, "unixDomainSocket": { "enabled": false } },
            "security": { "authorization": "enabled" },
            "systemLog": { "path": "x.log", "verbosity": 1 },
            "setParameter": { "authFailedDelayMs": "5" },
        }
    );
    assert!(config.net.unix_socket.is_none());
}

#[test]
fn addresses_to_bind() {
    let bound = |words: &[&str]| run(words).net.bind_addresses;
    assert_eq!(bound(&["--bind_ip_all"]), addresses(&["0.0.0.0"]));
    assert_eq!(bound(&["--bind_ip", "*"]), addresses(&["0.0.0.0"]));
    let both = addresses(&["0.0.0.0", "::"]);
    assert_eq!(bound(&["--bind_ip_all", "--ipv6"]), both);
    assert_eq!(bound(&["--ipv6"]), addresses(&["127.0.0.1", "::1"]));
    let once = bound(&["--bind_ip", "localhost,127.0.0.1"]);
    assert_eq!(once, addresses(&["127.0.0.1"]));
}

#[test]
fn addresses_that_may_connect() {
    let config = run(&[]);
    assert_eq!(config.net.allowlist, []);
    assert_eq!(config.net.trusted_proxies, []);
    let config = run(&[
        "--ipSourceAllowlist",
        "10.0.0.0/8, 2001:db8::1",
        "--proxyProtocolTrustedPeers=192.0.2.9",
    ]);
    let allowlist: Vec<&str> = config.net.allowlist.iter().map(Cidr::as_str).collect();
    assert_eq!(allowlist, ["10.0.0.0/8", "2001:db8::1"]);
    assert_eq!(config.net.trusted_proxies[0].as_str(), "192.0.2.9");
}

#[test]
fn no_compressors() {
    let config = run(&["--networkMessageCompressors", "disabled"]);
    assert_eq!(config.net.compressors, []);
}

#[test]
fn help_and_version_are_printed() {
    for (word, expected) in [("--help", "--bind_ip"), ("--version", "portcullis 0.")] {
        match start_with(&[word], &[]) {
            Ok(Start::Print(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wrong_command_line_is_refused_with_one_sentence() {
    for (words, sentence) in [
        (
            &["--prot", "1"][..],
            "unknown option '--prot' on the command line; did you mean '--port'?",
        ),
        (
            &["--nothing-like-it"],
            "unknown option '--nothing-like-it' on the command line",
        ),
        (&["stray"], "unknown option 'stray' on the command line"),
        (
            &["--oplogSize", "5"],
            "option '--oplogSize' on the command line is one of mongod's that Portcullis does not \
             support",
        ),
        (
            &["--sslMode=requireSSL"],
            "option '--sslMode' on the command line is one of mongod's that Portcullis does not \
             support",
        ),
        (
            &["--port", "70000"],
            "option '--port' on the command line is '70000'; expected an integer from 0 to 65535",
        ),
        (
            &["--port", "-1"],
            "option '--port' on the command line is '-1'; expected an integer from 0 to 65535",
        ),
        (
            &["--port"],
            "option '--port' on the command line needs a value",
        ),
        (
            &["--port", "1", "--port", "2"],
            "option '--port' on the command line is given twice",
        ),
        (
            &["--auth=true"],
            "option '--auth' on the command line takes no value",
        ),
        (
            &["--auth", "--noauth"],
            "options '--noauth' and '--auth' exclude each other",
        ),
        (
            &["--bind_ip", "::1"],
            "option '--bind_ip' on the command line is '::1'; expected no IPv6 address without \
             --ipv6 (net.ipv6: true)",
        ),
        (
            &["--bind_ip", "db.example"],
            "option '--bind_ip' on the command line is 'db.example'; expected IP addresses, \
             'localhost' or '*', separated by commas",
        ),
        (
            &["--bind_ip", "localhost,"],
            "option '--bind_ip' on the command line is 'localhost,'; expected words separated by \
             commas",
        ),
        (
            &["--bind_ip", "localhost", "--bind_ip_all"],
            "options '--bind_ip' and '--bind_ip_all' exclude each other",
        ),
        (
            &["--ipSourceAllowlist", "10.0.0.0/33"],
            "option '--ipSourceAllowlist' on the command line is '10.0.0.0/33'; expected IP \
             addresses and ranges such as 10.0.0.0/8, separated by commas",
        ),
        (
            &["--ipSourceAllowlist", ""],
            "option '--ipSourceAllowlist' on the command line is ''; expected words separated by \
             commas",
        ),
        (
            &["--proxyProtocolTrustedPeers", "proxy.example"],
            "option '--proxyProtocolTrustedPeers' on the command line is 'proxy.example'; expected \
             IP addresses and ranges such as 10.0.0.0/8, separated by commas",
        ),
        (
            &["--proxyPort", "1"],
            "option '--proxyPort' on the command line is one of mongod's that Portcullis does not \
             support",
        ),
        (
            &["--filePermissions", "0999"],
            "option '--filePermissions' on the command line is '0999'; expected octal digits from \
             0 to 0777",
        ),
        (
            &["--networkMessageCompressors", "lz4"],
            "option '--networkMessageCompressors' on the command line is 'lz4'; expected \
             'disabled' or a list of 'snappy', 'zstd' and 'zlib', each once",
        ),
        (
            &["--storageEngine", "wiredTiger"],
            "option '--storageEngine' on the command line is 'wiredTiger'; expected \
             'redb' or 'etcd' or 'ephemeralForTest'",
        ),
        (
            &["--dbpath", ""],
            "option '--dbpath' on the command line is ''; expected text that is not empty",
        ),
        (
            &["-vvvvvv"],
            "option '--verbose' on the command line is '6'; expected an integer from 0 to 5",
        ),
        (
            &["--setParameter", "nonsense"],
            "'nonsense' after --setParameter on the command line is not of the form NAME=VALUE",
        ),
        (
            &["--setParameter", "scramIterationCont=1"],
            "unknown server parameter 'scramIterationCont' on the command line; did you mean \
             'scramIterationCount'?",
        ),
        (
            &["--setParameter", "scramIterationCount=4999"],
            "option 'scramIterationCount' on the command line is '4999'; expected an integer from \
             5000 to 10000000",
        ),
        (
            &[
                "--setParameter",
                "authenticationMechanisms=SCRAM-SHA-256,GSSAPI",
            ],
            "option 'authenticationMechanisms' on the command line is 'SCRAM-SHA-256,GSSAPI'; \
             expected a list of SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509, PLAIN",
        ),
        (
            &["--setParameter", "authSchemaVersion=5"],
            "option 'authSchemaVersion' on the command line is '5'; expected nothing, it cannot \
             be set",
        ),
        (
            &[
                "--setParameter",
                "idleTimeoutMs=1",
                "--setParameter",
                "idleTimeoutMs=1",
            ],
            "option 'idleTimeoutMs' on the command line is given twice",
        ),
    ] {
        assert_eq!(refusal(words), sentence);
    }
}

#[test]
fn a_socket_path_too_long_for_the_system_is_refused() {
    let folder = format!("/{}", "x".repeat(88));
    let fits = run(&["--unixSocketPrefix", &folder[..88]]);
    assert!(fits.net.unix_socket.is_some());
    let sentence = refusal(&["--unixSocketPrefix", &folder]);
    assert!(sentence.ends_with("has at most 107 bytes"), "{sentence}");
}
