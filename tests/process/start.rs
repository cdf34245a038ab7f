//! Starting wrongly: one clear sentence and an exit code; and what starting leaves behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::Arc;

use bson::doc;
use redb::{Database, TableDefinition};

use crate::support::{Options, TestServer, fixture};

/// Runs the server to its end, which must be a refusal in one line; the line.
pub(crate) fn refusal(options: &Options) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = options.command().output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert!(
        !status.success() && status.code().is_some(),
        "{status}: {stderr}"
    );
    assert_eq!(stdout, "");
    // A start that gets far enough logs before it fails; the sentence is the last line.
    let line = stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("portcullis: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    line.to_owned()
}

fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (argument, part) in [
        ("--help", "--dbpath"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let output = Options::default()
            .argument(argument)
            .command()
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_contains(&String::from_utf8(output.stdout).unwrap(), part);
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn an_unknown_option_with_the_nearest_known_one() {
    let line = refusal(&Options::default().argument("--dbpth=x"));
    assert_contains(&line, "--dbpth");
    assert_contains(&line, "--dbpath");
    let line = refusal(&Options::default().arguments(&["--setParameter", "scramIterationCont=1"]));
    assert_contains(&line, "scramIterationCount");
}

#[test]
fn a_bad_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.yaml");
    for (yaml, part) in [
        ("net:\n  port: 1\n port: [", "portcullis.yaml"),
        ("net:\n  prt: 27017\n", "net.prt"),
        ("net:\n  port: many\n", "net.port"),
        ("storage: [a]\n", "storage"),
    ] {
        fs::write(&file, yaml).unwrap();
        let line = refusal(&Options::default().argument(format!("--config={}", file.display())));
        assert_contains(&line, part);
    }
    fs::remove_file(&file).unwrap();
    let line = refusal(&Options::default().argument(format!("--config={}", file.display())));
    assert_contains(&line, "portcullis.yaml");
}

#[test]
fn a_port_in_use() {
    let server = TestServer::start();
    let line = refusal(&Options::default().argument(format!("--port={}", server.port)));
    assert_contains(&line, &server.port.to_string());
    server.raw().run("admin", doc! { "ping": 1 });
}

#[test]
fn a_folder_in_use() {
    let server = TestServer::with_admin();
    let line = refusal(&Options::in_folder(server.folder()));
    assert_contains(&line, "is in use by another process");
    assert_contains(&line, &server.data().display().to_string());
    server.admin();
}

#[test]
fn a_folder_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    // Root may write everywhere but below a file and into /proc.
    for path in [file.clone(), file.join("below"), "/proc/portcullis".into()] {
        let line = refusal(&Options::default().argument(format!("--dbpath={}", path.display())));
        assert_contains(&line, &path.display().to_string());
    }
}

#[test]
fn a_port_file_that_cannot_be_written() {
    let line = refusal(&Options::default().argument("--portFile=/proc/portcullis/port"));
    assert_contains(&line, "/proc/portcullis/port");
}

#[test]
fn a_damaged_catalog() {
    for (damage, reason) in [
        (truncate as fn(&mut Vec<u8>), "is damaged: "),
        (|bytes| bytes.fill(0xa5), "is not a catalog file"),
        (
            |bytes| bytes.splice(..0, *b"garbage").for_each(drop),
            "is not a catalog file",
        ),
    ] {
        let server = TestServer::with_admin();
        let catalog = server.data().join("catalog.redb");
        let folder = server.kill();
        let mut bytes = fs::read(&catalog).unwrap();
        damage(&mut bytes);
        fs::write(&catalog, &bytes).unwrap();
        // Not only at the first start: the first must not turn it into something that opens.
        for _ in 0..2 {
            let line = refusal(&Options::in_folder(Arc::clone(&folder)));
            assert_contains(&line, "catalog.redb");
            assert_contains(&line, reason);
        }
    }
}

fn truncate(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 3);
}

#[test]
fn something_that_is_no_catalog() {
    let options = Options::default();
    fs::create_dir_all(options.data()).unwrap();
    fs::write(options.data().join("catalog.redb"), "a shopping list\n").unwrap();
    assert_contains(&refusal(&options), "is not a catalog file");
}

#[test]
fn a_catalog_of_a_newer_server() {
    const META: TableDefinition<'_, &[u8], u64> = TableDefinition::new("meta");
    let server = TestServer::with_admin();
    let catalog = server.data().join("catalog.redb");
    let folder = server.kill();
    let database = Database::create(&catalog).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(META)
        .unwrap()
        .insert(&b"formatVersion"[..], 4)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let line = refusal(&Options::in_folder(folder));
    assert_contains(
        &line,
        "has format version 4, this program knows versions up to 3",
    );
}

#[test]
fn an_old_catalog_is_read() {
    let options = Options::default();
    fs::create_dir_all(options.data()).unwrap();
    let catalog = fixture("journal/v1/catalog.redb");
    fs::copy(catalog, options.data().join("catalog.redb")).unwrap();
    let server = options.start();
    // Somebody is in it, so the localhost exception is closed.
    let root = doc! { "createUser": "eve", "pwd": "secret", "roles": ["root"] };
    assert_eq!(server.raw().run("admin", root).get_i32("code").unwrap(), 13);
}

#[test]
fn a_stale_port_file_is_replaced_and_holds_nothing_but_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let port_file = folder.path().join("port");
    fs::write(&port_file, "stale stale stale").unwrap();
    let argument = format!("--portFile={}", port_file.display());
    let config = folder.path().join("portcullis.yaml");
    fs::write(
        &config,
        format!("net:\n  portFile: {}\n", port_file.display()),
    )
    .unwrap();
    // Once by the command line, once by the file; not by the test's own option, which comes later.
    for options in [
        Options::default().argument(argument),
        Options::default().argument(format!("--config={}", config.display())),
    ] {
        let mut child = options.command().spawn().unwrap();
        let mut greeting = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !greeting.contains("Ctrl-C") {
            assert_ne!(
                stdout.read_line(&mut greeting).unwrap(),
                0,
                "it did not start"
            );
        }
        let port = fs::read_to_string(&port_file).unwrap();
        assert_contains(&greeting, &format!("mongodb://127.0.0.1:{}\n", port.trim()));
        assert_eq!(port, format!("{}\n", port.trim().parse::<u16>().unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        fs::write(&port_file, "stale stale stale").unwrap();
    }
}

#[test]
fn the_data_is_for_the_owner_only() {
    let server = TestServer::with_admin();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.data()), 0o700);
    let mut files = 0;
    for file in fs::read_dir(server.data()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files > 0);
}

#[test]
fn the_first_administrator_comes_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "from a file\n").unwrap();
    let options = || {
        let path = file.to_str().unwrap();
        Options::default()
            .environment("PORTCULLIS_INITDB_ROOT_USERNAME", "captain")
            .environment("PORTCULLIS_INITDB_ROOT_PASSWORD_FILE", path)
    };
    let server = options().start();
    server
        .raw()
        .sign_in("admin", "captain", "from a file")
        .unwrap();
    fs::remove_file(&file).unwrap();
    assert_contains(&refusal(&options()), "password");
    let half = Options::default().environment("PORTCULLIS_INITDB_ROOT_USERNAME", "captain");
    assert_contains(&refusal(&half), "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE");
}
