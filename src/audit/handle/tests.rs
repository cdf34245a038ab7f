//! What waits for the thread.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;

use super::*;
use crate::config::AuditFormat;

#[tokio::test]
async fn events_of_those_who_cannot_wait_wait_where_the_queue_is_full() {
    // What fits into the pipe and the queue many times over.
    const EVENTS: usize = 20 * QUEUE_JOBS_MAX;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let config = AuditConfig {
        destination: AuditDestination::File {
            path: path.clone(),
            format: AuditFormat::Json,
            sync: false,
        },
        filter: None,
        on_failure: OnAuditFailure::Refuse,
    };
    let audit = Audit::start(Some(&config), &Secret::new([7; 32])).unwrap();
    for _ in 0..EVENTS {
        audit.record_later(&Event::shutdown());
    }
    assert_eq!(audit.counters().unwrap().1, 0);
    let read = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(File::open(path).unwrap()).lines();
        lines.take(EVENTS).map_while(Result::ok).count()
    });
    audit.close().await;
    assert_eq!(read.await.unwrap(), EVENTS);
    assert_eq!(audit.counters(), Some((EVENTS as u64, 0)));
}
