//! The options of a replica set.

use std::time::Duration;

use crate::{refusal, run};

const SET: [&str; 4] = ["--storageEngine", "etcd", "--replSet", "rs0"];
const ETCD: [&str; 2] = ["--etcd.endpoints", "http://127.0.0.1:2379"];

#[test]
fn a_member_needs_a_set_and_an_etcd() {
    let config = run(&[&SET[..], &ETCD].concat());
    let replication = config.replication.unwrap();
    assert_eq!(replication.set_name, "rs0");
    assert_eq!(replication.host, None);
    assert!(replication.tags.is_empty());
    let etcd = replication.etcd;
    assert_eq!(etcd.endpoints, ["http://127.0.0.1:2379"]);
    assert_eq!(etcd.prefix, "/portcullis");
    assert_eq!(etcd.lease_ttl, Duration::from_secs(5));
    assert_eq!(etcd.staleness_max, None);
    assert!(etcd.credentials.is_none());
    assert!(run(&[]).replication.is_none());
}

#[test]
fn every_option_of_a_member_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "etcd's secret\n").unwrap();
    let more = [
        "--replication.host=db1.example:27017",
        "--replication.tags=dc:east, rack:1",
        "--etcd.prefix=/access",
        "--etcd.leaseTtlSecs=9",
        "--etcd.maxStalenessSecs=60",
        "--etcd.CAFile=ca.pem",
        "--etcd.certificateKeyFile=me.pem",
        "--etcd.username=portcullis",
        "--etcd.passwordFile",
        password.to_str().unwrap(),
    ];
    let config = run(&[&SET[..], &ETCD, &more].concat());
    let replication = config.replication.unwrap();
    assert_eq!(replication.host.as_deref(), Some("db1.example:27017"));
    let tags = [("dc", "east"), ("rack", "1")];
    let tags = tags.map(|(tag, value)| (tag.to_owned(), value.to_owned()));
    assert_eq!(replication.tags, tags.into());
    let etcd = replication.etcd;
    assert_eq!(etcd.prefix, "/access");
    assert_eq!(etcd.lease_ttl, Duration::from_secs(9));
    assert_eq!(etcd.staleness_max, Some(Duration::from_mins(1)));
    assert_eq!(etcd.ca_file, Some("ca.pem".into()));
    assert_eq!(etcd.certificate_key_file, Some("me.pem".into()));
    let (name, secret) = etcd.credentials.unwrap();
    assert_eq!(name, "portcullis");
    assert!(secret.matches(b"etcd's secret"));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let cases: [(&[&str], &str); 7] = [
        (
            &["--replSet", "rs0"],
            "option '--replSet' on the command line is 'rs0'; expected storage.engine: etcd beside it",
        ),
        (
            &["--storageEngine", "etcd"],
            "option '--storageEngine' on the command line is 'etcd'; expected \
             replication.replSetName beside it",
        ),
        (
            &["--etcd.endpoints", "http://127.0.0.1:2379"],
            "option '--etcd.endpoints' on the command line is 'http://127.0.0.1:2379'; expected \
             replication.replSetName beside it",
        ),
        (
            &SET,
            "option '--replSet' on the command line is 'rs0'; expected etcd.endpoints beside it",
        ),
        (
            &[
                "--storageEngine=etcd",
                "--replSet=rs0",
                "--etcd.endpoints=127.0.0.1:2379",
            ],
            "option '--etcd.endpoints' on the command line is '127.0.0.1:2379'; expected URLs such as \
             http://127.0.0.1:2379, separated by commas",
        ),
        (
            &[
                "--storageEngine=etcd",
                "--replSet=rs0",
                "--etcd.endpoints=http://127.0.0.1:2379",
                "--replication.tags=east",
            ],
            "option '--replication.tags' on the command line is 'east'; expected tags such as \
             dc:east,rack:1",
        ),
        (
            &[
                "--storageEngine=etcd",
                "--replSet=rs0",
                "--etcd.endpoints=http://127.0.0.1:2379",
                "--replication.host=a b:::",
            ],
            "option '--replication.host' on the command line is 'a b:::'; expected host:port",
        ),
    ];
    for (words, sentence) in cases {
        assert_eq!(refusal(words), sentence);
    }
}
