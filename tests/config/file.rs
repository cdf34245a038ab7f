//! The configuration file.

use bson::doc;
use portcullis::config::{LogDestination, StorageEngine};

use crate::{TestFile, refusal, run};

fn refusal_of(content: &str) -> String {
    let file = TestFile::new("portcullis.conf", content.as_bytes());
    refusal(&["--config", file.path()]).replace(file.path(), "portcullis.conf")
}

#[test]
fn a_file_in_the_style_of_mongod_is_read() {
    let file = TestFile::new(
        "portcullis.conf",
        b"# a comment
systemLog:
  destination: file
  path: \"portcullis.log\"
  logAppend: true
  verbosity: 2
net:
  port: 27018
  bindIp: 127.0.0.1,192.0.2.1
  unixDomainSocket:
    filePermissions: 0750
storage:
  engine: ephemeralForTest
security:
  # nothing here but this comment
setParameter:
  authFailedDelayMs: 100
  enableLocalhostAuthBypass: false
  authenticationMechanisms: SCRAM-SHA-256
",
    );
    let config = run(&["-f", file.path()]);
    let destination = LogDestination::File {
        path: "portcullis.log".into(),
        append: true,
    };
    assert_eq!(config.log.destination, destination);
    assert_eq!(config.log.verbosity, 2);
    assert_eq!(config.net.port, 27018);
    assert_eq!(config.net.bind_addresses.len(), 2);
    let socket = config.net.unix_socket.unwrap();
    assert_eq!(socket.file_permissions, 0o750);
    assert_eq!(config.storage.engine, StorageEngine::EphemeralForTest);
    assert!(config.security.authorization);
    assert_eq!(config.parameters.auth_failed_delay().as_millis(), 100);
    assert!(!config.parameters.enable_localhost_auth_bypass());
    assert_eq!(
        config.parsed,
        doc! {
            "config": file.path(),
            "net": {
                "port": 27018,
                "bindIp": "127.0.0.1,192.0.2.1",
                "unixDomainSocket": { "filePermissions": "0750" },
            },
            "storage": { "engine": "ephemeralForTest" },
            "systemLog": {
                "destination": "file",
                "path": "portcullis.log",
                "logAppend": true,
                "verbosity": 2,
            },
            "setParameter": {
                "authFailedDelayMs": "100",
                "authenticationMechanisms": "SCRAM-SHA-256",
                "enableLocalhostAuthBypass": "false",
            },
        }
    );
}

#[test]
fn the_command_line_wins_over_the_file() {
    let file = TestFile::new(
        "portcullis.conf",
        b"net: {port: 1, ipv6: true}
security: {authorization: enabled}
setParameter: {idleTimeoutMs: 1, shutdownTimeoutMs: 2}
",
    );
    let config = run(&[
        "--config",
        file.path(),
        "--port",
        "2",
        "--noauth",
        "--setParameter",
        "idleTimeoutMs=3",
    ]);
    assert_eq!(config.net.port, 2);
    assert_eq!(config.net.bind_addresses.len(), 2);
    assert!(!config.security.authorization);
    assert_eq!(config.parameters.idle_timeout().unwrap().as_millis(), 3);
    assert_eq!(config.parameters.shutdown_timeout().as_millis(), 2);
}

#[test]
fn empty_files_and_dotted_keys_are_fine() {
    for content in [&b""[..], b"# only a comment\n", b"---\n", b"net:\n"] {
        let file = TestFile::new("portcullis.conf", content);
        assert_eq!(run(&["-f", file.path()]).net.port, 27017);
    }
    let file = TestFile::new("portcullis.conf", b"net.port: 5\n");
    assert_eq!(run(&["-f", file.path()]).net.port, 5);
}

#[test]
fn a_wrong_file_is_refused_with_place_key_and_reason() {
    for (content, sentence) in [
        (
            "net:\n  bindIp: localhost\n  prot: 1\n",
            "unknown option 'net.prot' in portcullis.conf line 3; did you mean 'net.port'?",
        ),
        (
            "port: 1\n",
            "unknown option 'port' in portcullis.conf line 1; did you mean 'net.port'?",
        ),
        (
            "zebra: 1\n",
            "unknown option 'zebra' in portcullis.conf line 1",
        ),
        (
            "config: other.conf\n",
            "unknown option 'config' in portcullis.conf line 1",
        ),
        (
            "replication:\n  oplogSizeMB: 5\n",
            "option 'replication.oplogSizeMB' in portcullis.conf line 2 is one of mongod's that Portcullis \
             does not support",
        ),
        (
            "net:\n  ssl:\n    mode: requireSSL\n",
            "option 'net.ssl' in portcullis.conf line 2 is one of mongod's that Portcullis does \
             not support",
        ),
        (
            "net:\n  port: \"27017\"\n",
            "option 'net.port' in portcullis.conf line 2 is the text '27017'; expected an integer \
             from 0 to 65535",
        ),
        (
            "net:\n  port: 99999\n",
            "option 'net.port' in portcullis.conf line 2 is '99999'; expected an integer from 0 \
             to 65535",
        ),
        (
            "net:\n  port:\n",
            "option 'net.port' in portcullis.conf line 2 is empty; expected an integer from 0 to \
             65535",
        ),
        (
            "net:\n  ipv6: yes\n",
            "option 'net.ipv6' in portcullis.conf line 2 is the text 'yes'; expected true or false",
        ),
        (
            "net:\n  bindIp: [localhost]\n",
            "option 'net.bindIp' in portcullis.conf line 2 is a list; expected words separated by \
             commas",
        ),
        (
            "security:\n  authorization: true\n",
            "option 'security.authorization' in portcullis.conf line 2 is the boolean true; \
             expected 'enabled' or 'disabled'",
        ),
        (
            "security:\n  authorization: on\n",
            "option 'security.authorization' in portcullis.conf line 2 is 'on'; expected \
             'enabled' or 'disabled'",
        ),
        (
            "systemLog:\n  destination: file\n",
            "option 'systemLog.destination' in portcullis.conf line 2 is 'file'; expected \
             systemLog.path beside it",
        ),
        (
            "systemLog:\n  destination: syslog\n  path: x\n",
            "option 'systemLog.destination' in portcullis.conf line 2 is 'syslog'; expected 'file'",
        ),
        (
            "net:\n  port: 1\n  port: 2\n",
            "option 'port' in portcullis.conf line 3 is given twice",
        ),
        (
            "net:\n  port: 1\nnet.port: 2\n",
            "option 'net.port' in portcullis.conf line 3 is given twice",
        ),
        (
            "net: 5\n",
            "portcullis.conf line 1: net is the integer 5; expected a mapping of options",
        ),
        (
            "- net\n",
            "portcullis.conf line 1: the file is a list; expected a mapping of options",
        ),
        (
            "net:\n  5: x\n",
            "portcullis.conf line 2: a key is the integer 5; expected the name of an option",
        ),
        (
            "net: {}\n---\nnet: {}\n",
            "portcullis.conf line 3: the file holds more than one YAML document",
        ),
        (
            "setParameter:\n  idleTimeoutMs: [1]\n",
            "option 'setParameter.idleTimeoutMs' in portcullis.conf line 2 is a list; expected \
             text, an integer, true or false",
        ),
        (
            "setParameter: 5\n",
            "option 'setParameter' in portcullis.conf line 1 is the integer 5; expected a mapping \
             of names to values",
        ),
        (
            "setParameter:\n  idleTimeutMs: 1\n",
            "unknown server parameter 'idleTimeutMs' in portcullis.conf line 2; did you mean \
             'idleTimeoutMs'?",
        ),
    ] {
        assert_eq!(refusal_of(content), sentence);
    }
}

#[test]
fn what_is_no_yaml_is_refused_with_its_line() {
    for content in [
        "net:\n\tport: 1\n",
        "net: {port: 1\n",
        "net: 'x\n",
        "a: *b\n",
    ] {
        let sentence = refusal_of(content);
        let place = sentence.starts_with("portcullis.conf line ");
        assert!(place && sentence.contains("no valid YAML"), "{sentence}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let sentence = refusal(&["-f", "/nowhere/portcullis.conf"]);
    assert!(
        sentence.starts_with("cannot read /nowhere/portcullis.conf: "),
        "{sentence}"
    );
    let file = TestFile::new("portcullis.conf", &vec![b'#'; 1024 * 1024 + 1]);
    let sentence = refusal(&["-f", file.path()]);
    assert!(
        sentence.ends_with("it has more than 1048576 bytes"),
        "{sentence}"
    );
    let file = TestFile::new("portcullis.conf", b"\xff\n");
    assert!(refusal(&["-f", file.path()]).starts_with("cannot read "));
}
