//! Time to start, memory of users and of idle connections.

use std::io;
use std::time::Duration;

use bson::doc;

use super::client::{Connection, frame};
use super::measure::as_float;
use super::options::Options;
use super::population::populate;
use super::process::{Process, Start, file_limit};
use super::table::{Table, Target};

/// Starts from which the quickest counts: others have the machine's noise in them.
const STARTS: usize = 5;
/// Files a process needs beside its connections.
const OTHER_FILES: usize = 64;

/// Measures what `options` want.
pub async fn run(options: &Options, table: &mut Table) -> io::Result<()> {
    if options.wants("start") || options.wants("memory") {
        users(options, table)?;
    }
    if options.wants("idle") {
        idle_connections(options, table).await?;
    }
    Ok(())
}

fn users(options: &Options, table: &mut Table) -> io::Result<()> {
    let mut first_starts = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        first_starts.push(
            Process::server(&Start {
                folder: folder.path(),
                arguments: &[],
            })?
            .started_in,
        );
    }
    let empty_folder = tempfile::tempdir()?;
    let empty = Start {
        folder: empty_folder.path(),
        arguments: &[],
    };
    drop(Process::server(&empty)?);
    let of_empty = several_starts(&empty)?;
    let full_folder = tempfile::tempdir()?;
    populate(full_folder.path(), options.users)?;
    let of_full = several_starts(&Start {
        folder: full_folder.path(),
        arguments: &[],
    })?;
    if options.wants("start") {
        let first = first_starts.into_iter().min().unwrap_or_default();
        table.figure(
            "first start, folder made: ms",
            millis(first),
            Target::AtMost(20.0),
        );
        table.figure(
            "start with an empty directory: ms",
            millis(of_empty.quickest),
            Target::AtMost(20.0),
        );
        let what = format!("start with {} users: ms", options.users);
        table.figure(&what, millis(of_full.quickest), Target::AtMost(3_000.0));
        table.figure("its processor time: ms", millis(of_full.cpu), Target::None);
        let what = format!("stop with {} users: ms", options.users);
        table.figure(&what, millis(of_full.quickest_stop), Target::None);
    }
    if options.wants("memory") {
        table.figure(
            "resident without users: KiB",
            as_float(of_empty.resident_bytes) / 1024.0,
            Target::None,
        );
        let bytes = as_float(
            of_full
                .resident_bytes
                .saturating_sub(of_empty.resident_bytes),
        ) / f64::from(options.users);
        let what = format!("resident for a user, of {}: bytes", options.users);
        table.figure(&what, bytes, Target::AtMost(700.0));
    }
    Ok(())
}

/// The shortest times, and the rest of the last start.
struct Starts {
    quickest: Duration,
    quickest_stop: Duration,
    cpu: Duration,
    resident_bytes: u64,
}

fn several_starts(start: &Start<'_>) -> io::Result<Starts> {
    let mut starts = Starts {
        quickest: Duration::MAX,
        quickest_stop: Duration::MAX,
        cpu: Duration::ZERO,
        resident_bytes: 0,
    };
    for _ in 0..STARTS {
        let server = Process::server(start)?;
        starts.quickest = starts.quickest.min(server.started_in);
        starts.cpu = server.cpu()?;
        starts.resident_bytes = server.resident_bytes()?;
        starts.quickest_stop = starts.quickest_stop.min(server.stop());
    }
    Ok(starts)
}

async fn idle_connections(options: &Options, table: &mut Table) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Process::server(&Start {
        folder: folder.path(),
        arguments: &[],
    })?;
    let hello = frame("admin", doc! { "hello": 1 });
    // One connection first, so that what is made once is not counted.
    let mut open = vec![Connection::open(server.address).await?];
    open[0].call(&hello).await?;
    let before = server.resident_bytes()?;
    let possible = file_limit().saturating_sub(OTHER_FILES);
    for count in options.idle_connections.map(|count| count.min(possible)) {
        while open.len() <= count {
            let mut connection = Connection::open(server.address).await?;
            connection.call(&hello).await?;
            open.push(connection);
        }
        let bytes = server.resident_bytes()?.saturating_sub(before);
        let kibibytes = as_float(bytes) / 1024.0 / as_float(u64::try_from(count).unwrap_or(1));
        let what = format!("resident for an idle connection, of {count}: KiB");
        table.figure(&what, kibibytes, Target::AtMost(16.0));
    }
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
