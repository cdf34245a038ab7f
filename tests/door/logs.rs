//! A log that nobody reads holds up nobody.

use std::io::{BufRead, BufReader, Read};

use bson::doc;

use crate::common::options;
use crate::support::{RawClient, error_of};

/// More than a pipe holds, less than what waits for the writer.
const LINES: usize = 2000;

#[test]
fn failed_sign_ins_are_answered_while_the_log_is_stuck_and_all_are_logged_in_the_end() {
    let options = options(&[]);
    let port_file = options.data().with_file_name("port");
    let mut child = options
        .command()
        .arg("--portFile")
        .arg(&port_file)
        .spawn()
        .unwrap();
    let mut greeting = BufReader::new(child.stdout.take().unwrap()).lines();
    while !greeting.next().unwrap().unwrap().contains("Ctrl-C") {}
    let port: u16 = std::fs::read_to_string(&port_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let mut client = RawClient::connect(([127, 0, 0, 1], port).into(), None);
    for _ in 0..LINES {
        let refused = client.sasl_start("shop", "SCRAM-SHA-256", "no scram at all");
        assert_eq!(error_of(&refused).0, 18);
    }
    assert_eq!(client.run("admin", doc! { "ping": 1 }), doc! { "ok": 1.0 });

    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    drop(client);
    let terminated = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status();
    assert!(terminated.unwrap().success());
    assert!(child.wait().unwrap().success());
    let text = reader.join().unwrap();
    let lines = text
        .lines()
        .filter(|line| line.contains("Failed to authenticate"));
    assert_eq!(lines.count(), LINES);
    assert!(
        text.lines().last().unwrap().contains("Stopped"),
        "flushed at the end"
    );
}
