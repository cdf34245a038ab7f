//! `createUser`, held against PBKDF2 alone, and `ping` beside it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use sha1::Sha1;
use sha2::Sha256;
use tempfile::TempDir;

use super::client::{ADMIN, Connection, PASSWORD, SignIn, frame};
use super::measure::{Sample, Work, closed_loop, in_background};
use super::options::Options;
use super::population::{DATABASE, SHA_1_ROUNDS, SHA_256_ROUNDS};
use super::process::{Process, Start, own_cpu};
use super::table::{Table, Target};
use super::throughput::{BESIDE_P99_MICROS_MAX, CONNECTIONS, Calls, NowAndThen};

const CREATING_CONNECTIONS: usize = 16;
/// What the server's hashing threads run with.
const HASHING_NICENESS: i32 = 10;

/// Creates one user after the other.
pub struct Creating {
    connection: Connection,
    next: Rc<Cell<u64>>,
    write_concern: Option<Document>,
}

impl Creating {
    /// On this connection; `next` numbers the users of all connections.
    pub fn with(
        connection: Connection,
        next: &Rc<Cell<u64>>,
        write_concern: Option<Document>,
    ) -> Self {
        Self {
            connection,
            next: Rc::clone(next),
            write_concern,
        }
    }
}

impl Work for Creating {
    async fn once(&mut self) -> io::Result<()> {
        let number = self.next.get();
        self.next.set(number + 1);
        let user = format!("created{number:08}");
        let role = doc! { "role": "read", "db": DATABASE };
        let mut command = doc! { "createUser": user, "pwd": PASSWORD, "roles": [role] };
        if let Some(concern) = &self.write_concern {
            command.insert("writeConcern", concern.clone());
        }
        self.connection
            .call(&frame(DATABASE, command))
            .await
            .map(drop)
    }
}

/// Measures what `options` want.
pub async fn run(options: &Options, table: &mut Table) -> io::Result<()> {
    if !options.wants("createuser") && !options.wants("beside") {
        return Ok(());
    }
    for engine in ["redb", "ephemeralForTest"] {
        let (_folder, server) = start(engine).await?;
        let sign_in = SignIn::prepare(server.address).await?;
        let next = Rc::new(Cell::new(0));
        if options.wants("createuser") {
            for connections in CONNECTIONS {
                let (mut created, mut floor) = (Sample::default(), Sample::default());
                for _ in 0..options.rounds {
                    floor.merge(pbkdf2_alone(connections, options.duration)?);
                    let workers = connect(&server, &sign_in, connections, &next).await?;
                    created.merge(closed_loop(workers, options.duration, &server).await?);
                }
                let work = format!("createUser, {engine}");
                // One connection waits for the disk and hashes in turn, so it cannot reach it.
                let is_held = connections > 1;
                let target = if is_held {
                    Target::AtLeast(0.9)
                } else {
                    Target::None
                };
                table.speed(&work, connections, (&created, &floor), target);
            }
        }
        if options.wants("beside") {
            beside(options, table, (engine, &server), &sign_in, &next).await?;
        }
    }
    Ok(())
}

/// A server with an administrator and nobody else.
async fn start(engine: &str) -> io::Result<(TempDir, Process)> {
    let folder = tempfile::tempdir()?;
    let arguments = ["--storageEngine", engine];
    let server = Process::server(&Start {
        folder: folder.path(),
        arguments: &arguments,
    })?;
    let mut connection = Connection::open(server.address).await?;
    let command = doc! { "createUser": ADMIN, "pwd": PASSWORD, "roles": ["root"] };
    connection.call(&frame("admin", command)).await?;
    Ok((folder, server))
}

async fn connect(
    server: &Process,
    sign_in: &SignIn,
    connections: usize,
    next: &Rc<Cell<u64>>,
) -> io::Result<Vec<Creating>> {
    let mut workers = Vec::new();
    for _ in 0..connections {
        let connection = Connection::signed_in(server.address, sign_in).await?;
        workers.push(Creating::with(connection, next, None));
    }
    Ok(workers)
}

async fn beside(
    options: &Options,
    table: &mut Table,
    (engine, server): (&str, &Process),
    sign_in: &SignIn,
    next: &Rc<Cell<u64>>,
) -> io::Result<()> {
    let address = server.address;
    let creating = connect(server, sign_in, CREATING_CONNECTIONS, next).await?;
    let pinging = in_background(move || async move {
        let frames: Rc<[Vec<u8>]> = Rc::new([frame("admin", doc! { "ping": 1 })]);
        let sign_in = SignIn::prepare(address).await?;
        let connection = Connection::signed_in(address, &sign_in).await?;
        Ok(NowAndThen(Calls::new(connection, &frames, 0)))
    });
    closed_loop(creating, options.duration * options.rounds, server).await?;
    let pings = pinging()?;
    for (name, per_mille, target) in [
        ("p50", 500, Target::None),
        ("p99", 990, Target::AtMost(BESIDE_P99_MICROS_MAX)),
    ] {
        let what = format!(
            "ping beside createUser on {CREATING_CONNECTIONS} connections, {engine}: {name} us"
        );
        table.figure(&what, pings.latency_micros(per_mille), target);
    }
    Ok(())
}

/// Deriving the keys for both mechanisms, by `RustCrypto` and nothing else, on as many threads as the
/// server hashes on, unless there are fewer connections, and with the same priority.
pub fn pbkdf2_alone(connections: usize, duration: Duration) -> io::Result<Sample> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(connections);
    let count = AtomicU64::new(0);
    let (began, cpu) = (Instant::now(), own_cpu()?);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // On Linux this is the thread alone; without the right to it the floor is higher.
                let this_thread = Some(rustix::thread::gettid());
                let _ = rustix::process::setpriority_process(this_thread, HASHING_NICENESS);
                while began.elapsed() < duration {
                    let (mut sha_1, mut sha_256) = ([0; 20], [0; 32]);
                    let password = PASSWORD.as_bytes();
                    pbkdf2::pbkdf2_hmac::<Sha1>(password, &[7; 16], SHA_1_ROUNDS, &mut sha_1);
                    pbkdf2::pbkdf2_hmac::<Sha256>(password, &[7; 28], SHA_256_ROUNDS, &mut sha_256);
                    std::hint::black_box((sha_1, sha_256));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let cpu = own_cpu()?.saturating_sub(cpu);
    Ok(Sample::counted(count.into_inner(), began.elapsed(), cpu))
}
