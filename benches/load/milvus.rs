//! Milvus clients: `create_user` with few and many users there, first and repeated calls, and a storm
//! of wrong passwords.

use std::cell::Cell;
use std::fs;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::doc;
use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, GetVersionRequest, GetVersionResponse,
};
use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use super::client::{Connection, PASSWORD, frame};
use super::grpc::Grpc;
use super::measure::{Sample, Work, as_float, closed_loop, in_background};
use super::options::Options;
use super::population::{ARGON2_COST, name, populate_milvus};
use super::process::{Process, Start, own_cpu};
use super::table::{Table, Target};
use super::throughput::{BESIDE_P99_MICROS_MAX, CONNECTIONS, Calls, NowAndThen};

/// The small directory.
const FEW_USERS: u32 = 1_000;
const ROOT: &str = "root";
/// Wrong passwords under way on each connection.
const STORM_CALLS: usize = 64;
const STORM_CONNECTIONS: usize = 64;

/// A server that Milvus clients can call.
struct Server {
    _folder: TempDir,
    process: Process,
    port: u16,
}

/// Creates one user after the other.
struct Creating {
    grpc: Grpc,
    next: Rc<Cell<u64>>,
}

impl Work for Creating {
    async fn once(&mut self) -> io::Result<()> {
        let number = self.next.get();
        self.next.set(number + 1);
        let message = CreateCredentialRequest {
            username: format!("created{number:08}"),
            password: STANDARD.encode(PASSWORD),
            description: None,
        };
        let status: Status = succeed(self.grpc.call("CreateCredential", message).await)?;
        if status.code == 0 {
            Ok(())
        } else {
            Err(io::Error::other(status.reason))
        }
    }
}

/// Asks for the version, as the same user or as another one each time.
struct Asking {
    grpc: Grpc,
    /// The next user of the directory.
    next: Option<Rc<Cell<u32>>>,
}

impl Work for Asking {
    async fn once(&mut self) -> io::Result<()> {
        if let Some(next) = &self.next {
            let number = next.get();
            next.set(number + 1);
            self.grpc.sign(&name(number), PASSWORD);
        }
        let answer = self.grpc.call("GetVersion", GetVersionRequest {}).await;
        let _: GetVersionResponse = succeed(answer)?;
        Ok(())
    }
}

/// Guesses.
struct Guessing(Grpc);

impl Work for Guessing {
    async fn once(&mut self) -> io::Result<()> {
        let called = self
            .0
            .call::<_, GetVersionResponse>("GetVersion", GetVersionRequest {});
        match called.await {
            Err(status) if [Code::Unauthenticated, Code::Unavailable].contains(&status.code()) => {
                Ok(())
            }
            Err(status) => Err(io::Error::other(status.to_string())),
            Ok(_) => Err(io::Error::other("a wrong password was right")),
        }
    }
}

/// Measures what `options` want.
pub async fn run(options: &Options, table: &mut Table) -> io::Result<()> {
    if !options.wants("milvus") {
        return Ok(());
    }
    creating(options, table).await?;
    asking(options).await?;
    storm(options, table).await
}

/// Few users are held against Argon2id alone, many against few.
async fn creating(options: &Options, table: &mut Table) -> io::Result<()> {
    let (few, many) = (start(FEW_USERS)?, start(options.milvus_users)?);
    let next = Rc::new(Cell::new(0));
    for connections in [1, 16] {
        let (mut floor, mut of_few, mut of_many) =
            (Sample::default(), Sample::default(), Sample::default());
        for _ in 0..options.rounds {
            floor.merge(argon2_alone(connections, options.duration)?);
            for (server, sample) in [(&few, &mut of_few), (&many, &mut of_many)] {
                let mut workers = Vec::new();
                for _ in 0..connections {
                    let next = Rc::clone(&next);
                    let grpc = server.root().await?;
                    workers.push(Creating { grpc, next });
                }
                sample.merge(closed_loop(workers, options.duration, &server.process).await?);
            }
        }
        let work = format!("create_user, {FEW_USERS} users");
        table.speed(&work, connections, (&of_few, &floor), Target::None);
        let work = format!(
            "create_user, {} users against {FEW_USERS}",
            options.milvus_users
        );
        table.speed(
            &work,
            connections,
            (&of_many, &of_few),
            Target::AtLeast(0.9),
        );
    }
    Ok(())
}

async fn asking(options: &Options) -> io::Result<()> {
    let server = start(options.milvus_users)?;
    for connections in CONNECTIONS {
        let mut sample = Sample::default();
        for _ in 0..options.rounds {
            let mut workers = Vec::new();
            for _ in 0..connections {
                let grpc = server.root().await?;
                workers.push(Asking { grpc, next: None });
            }
            sample.merge(closed_loop(workers, options.duration, &server.process).await?);
        }
        Table::alone("GetVersion, repeated", connections, &sample);
    }
    let next = Rc::new(Cell::new(0));
    for connections in [1, 16] {
        let mut workers = Vec::new();
        for _ in 0..connections {
            let (grpc, next) = (server.root().await?, Some(Rc::clone(&next)));
            workers.push(Asking { grpc, next });
        }
        let sample = closed_loop(workers, options.duration, &server.process).await?;
        Table::alone("GetVersion, first call of a user", connections, &sample);
    }
    Ok(())
}

async fn storm(options: &Options, table: &mut Table) -> io::Result<()> {
    let server = start(FEW_USERS)?;
    drop(server.root().await?);
    let before = server.process.resident_bytes()?;
    let mut workers = Vec::new();
    for connection in 0..STORM_CONNECTIONS {
        let mut grpc = Grpc::connect(server.port).await?;
        grpc.sign(&name(u32::try_from(connection).unwrap_or(0)), "wrong");
        workers.extend((0..STORM_CALLS).map(|_| Guessing(grpc.clone())));
    }
    let address = server.process.address;
    let pinging = in_background(move || async move {
        let frames: Rc<[Vec<u8>]> = Rc::new([frame("admin", doc! { "hello": 1 })]);
        let connection = Connection::open(address).await?;
        Ok(NowAndThen(Calls::new(connection, &frames, 0)))
    });
    let length = options.duration * options.rounds;
    let sample = closed_loop(workers, length, &server.process).await?;
    let after = server.process.resident_bytes()?;
    let hellos = pinging()?;
    let calls = STORM_CONNECTIONS * STORM_CALLS;
    Table::alone("wrong passwords", calls, &sample);
    let what = format!("resident for {calls} wrong passwords at one time: MiB");
    let grown = as_float(after.saturating_sub(before)) / 1024.0 / 1024.0;
    table.figure(&what, grown, Target::AtMost(160.0));
    let what = "hello beside them, MongoDB's face: p99 us";
    let target = Target::AtMost(BESIDE_P99_MICROS_MAX);
    table.figure(what, hellos.latency_micros(990), target);
    Ok(())
}

fn start(users: u32) -> io::Result<Server> {
    let folder = tempfile::tempdir()?;
    populate_milvus(folder.path(), users)?;
    let port_file = folder.path().join("milvus-port");
    let port_argument = format!("--milvus.portFile={}", port_file.display());
    let password = format!("--milvus.defaultRootPassword={PASSWORD}");
    let process = Process::server(&Start {
        folder: folder.path(),
        arguments: &[
            "--milvus.enabled",
            "--milvus.port=0",
            "--milvus.maxUserNum=10000000",
            &port_argument,
            &password,
        ],
    })?;
    let port = fs::read_to_string(port_file)?;
    Ok(Server {
        _folder: folder,
        process,
        port: port.trim().parse().map_err(io::Error::other)?,
    })
}

impl Server {
    /// A connection whose user was right already.
    async fn root(&self) -> io::Result<Grpc> {
        let mut grpc = Grpc::connect(self.port).await?;
        grpc.sign(ROOT, PASSWORD);
        let answer = grpc.call("GetVersion", GetVersionRequest {}).await;
        let _: GetVersionResponse = succeed(answer)?;
        Ok(grpc)
    }
}

fn succeed<R: Message>(called: Result<R, tonic::Status>) -> io::Result<R> {
    called.map_err(|status| io::Error::other(status.to_string()))
}

/// Hashing by Argon2id and nothing else, on as many threads as the server hashes on, unless there are
/// fewer connections.
fn argon2_alone(connections: usize, duration: Duration) -> io::Result<Sample> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(connections);
    let count = AtomicU64::new(0);
    let (began, cpu) = (Instant::now(), own_cpu()?);
    let params = argon2::Params::new(
        ARGON2_COST.memory_kib,
        ARGON2_COST.iterations,
        ARGON2_COST.parallelism,
        None,
    );
    let params = params.map_err(|error| io::Error::other(error.to_string()))?;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
                let argon2 = argon2::Argon2::new(algorithm, version, params.clone());
                while began.elapsed() < duration {
                    let mut hash = [0; 32];
                    let done = argon2.hash_password_into(PASSWORD.as_bytes(), &[7; 16], &mut hash);
                    std::hint::black_box((hash, done.is_ok()));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let cpu = own_cpu()?.saturating_sub(cpu);
    Ok(Sample::counted(count.into_inner(), began.elapsed(), cpu))
}
