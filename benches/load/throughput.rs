//! Work that is compared with the echo server: `ping`, `hello`, signing in, `usersInfo`.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bson::doc;
use tempfile::TempDir;

use super::client::{Connection, SignIn, frame};
use super::measure::{Sample, Work, closed_loop};
use super::options::Options;
use super::population::{DATABASE, name, populate};
use super::process::{Process, Start};
use super::table::{Table, Target};

/// How many connections work at the same time.
pub const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Different requests for `usersInfo`, sent in turn.
const NAMES_MAX: u32 = 4096;
/// The small directory.
const FEW_USERS: u32 = 1_000;
/// Between two calls beside other work.
const PAUSE: Duration = Duration::from_millis(1);
/// Longest that a call beside other work may take, for 99 of 100.
pub const BESIDE_P99_MICROS_MAX: f64 = 5_000.0;

/// Sends prepared frames in turn on a connection that stays.
pub struct Calls {
    connection: Connection,
    frames: Rc<[Vec<u8>]>,
    next: usize,
}

impl Calls {
    /// `start` is where in the frames to begin.
    pub fn new(connection: Connection, frames: &Rc<[Vec<u8>]>, start: usize) -> Self {
        Self {
            connection,
            frames: Rc::clone(frames),
            next: start,
        }
    }
}

impl Work for Calls {
    async fn once(&mut self) -> io::Result<()> {
        let frame = &self.frames[self.next % self.frames.len()];
        self.next += 1;
        self.connection.call(frame).await.map(drop)
    }
}

/// The same with a pause between two, beside other work.
pub struct NowAndThen(pub Calls);

impl Work for NowAndThen {
    async fn once(&mut self) -> io::Result<()> {
        self.0.once().await
    }

    async fn pause(&mut self) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Connects, signs in and leaves.
struct FreshSignIn {
    address: SocketAddr,
    sign_in: Rc<SignIn>,
}

impl Work for FreshSignIn {
    async fn once(&mut self) -> io::Result<()> {
        Connection::signed_in(self.address, &self.sign_in)
            .await
            .map(drop)
    }
}

/// Measures what `options` want.
pub async fn run(options: &Options, table: &mut Table) -> io::Result<()> {
    let wants_any = ["ping", "hello", "signin", "usersinfo"]
        .iter()
        .any(|name| options.wants(name));
    if !wants_any {
        return Ok(());
    }
    let (_folder, server) = start_with(FEW_USERS)?;
    let sign_in = SignIn::prepare(server.address).await?;
    if options.wants("ping") {
        let frames = Rc::new([frame("admin", doc! { "ping": 1 })]);
        calls(
            options,
            table,
            "ping",
            (&server, &sign_in),
            frames,
            Target::AtMost(1.3),
        )
        .await?;
    }
    if options.wants("hello") {
        let frames = Rc::new([frame("admin", doc! { "hello": 1 })]);
        calls(
            options,
            table,
            "hello",
            (&server, &sign_in),
            frames,
            Target::AtMost(1.3),
        )
        .await?;
    }
    if options.wants("signin") {
        signing_in(options, table, &server, &sign_in).await?;
    }
    if options.wants("usersinfo") {
        drop(server);
        users_info(options, table).await?;
    }
    Ok(())
}

/// A server with a folder of its own that has this many users.
pub fn start_with(users: u32) -> io::Result<(TempDir, Process)> {
    let folder = tempfile::tempdir()?;
    populate(folder.path(), users)?;
    let server = Process::server(&Start {
        folder: folder.path(),
        arguments: &[],
    })?;
    Ok((folder, server))
}

async fn calls(
    options: &Options,
    table: &mut Table,
    work: &str,
    (server, sign_in): (&Process, &Rc<SignIn>),
    frames: Rc<[Vec<u8>]>,
    target: Target,
) -> io::Result<()> {
    let mut first = Connection::signed_in(server.address, sign_in).await?;
    let echo = Process::echo(&[first.call(&frames[0]).await?.to_vec()])?;
    for connections in CONNECTIONS {
        let (mut of_server, mut of_echo) = (Sample::default(), Sample::default());
        for _ in 0..options.rounds {
            let workers = connect(echo.address, connections, None, &frames).await?;
            of_echo.merge(closed_loop(workers, options.duration, &echo).await?);
            let workers = connect(server.address, connections, Some(sign_in), &frames).await?;
            of_server.merge(closed_loop(workers, options.duration, server).await?);
        }
        // The target is set for 64 connections; fewer are there to see what waiting costs.
        let target = if connections == 64 {
            target
        } else {
            Target::None
        };
        table.cpu(work, connections, (&of_server, &of_echo), target);
    }
    Ok(())
}

async fn connect(
    address: SocketAddr,
    connections: usize,
    sign_in: Option<&Rc<SignIn>>,
    frames: &Rc<[Vec<u8>]>,
) -> io::Result<Vec<Calls>> {
    let mut workers = Vec::new();
    for number in 0..connections {
        let connection = match sign_in {
            Some(sign_in) => Connection::signed_in(address, sign_in).await?,
            None => Connection::open(address).await?,
        };
        workers.push(Calls::new(connection, frames, number * 61));
    }
    Ok(workers)
}

async fn signing_in(
    options: &Options,
    table: &mut Table,
    server: &Process,
    sign_in: &Rc<SignIn>,
) -> io::Result<()> {
    let echo = Process::echo(&sign_in.replies(server.address).await?)?;
    for connections in CONNECTIONS {
        let (mut of_server, mut of_echo) = (Sample::default(), Sample::default());
        let workers = |address| -> Vec<FreshSignIn> {
            let one = || FreshSignIn {
                address,
                sign_in: Rc::clone(sign_in),
            };
            (0..connections).map(|_| one()).collect()
        };
        for _ in 0..options.rounds {
            let sample = closed_loop(workers(echo.address), options.duration, &echo).await?;
            of_echo.merge(sample);
            let sample = closed_loop(workers(server.address), options.duration, server).await?;
            of_server.merge(sample);
        }
        table.cpu(
            "sign in",
            connections,
            (&of_server, &of_echo),
            Target::AtMost(2.0),
        );
    }
    Ok(())
}

/// The directory with few users is the floor for that with many.
async fn users_info(options: &Options, table: &mut Table) -> io::Result<()> {
    let (_few, small) = start_with(FEW_USERS)?;
    let (_many, large) = start_with(options.users)?;
    let frames = |users: u32| -> Rc<[Vec<u8>]> {
        let count = NAMES_MAX.min(users);
        let names = (0..count).map(|number| name(number * (users / count)));
        let user = |name| doc! { "usersInfo": { "user": name, "db": DATABASE } };
        names.map(|name| frame("admin", user(name))).collect()
    };
    let (of_few, of_many) = (frames(FEW_USERS), frames(options.users));
    let small_sign_in = SignIn::prepare(small.address).await?;
    let large_sign_in = SignIn::prepare(large.address).await?;
    for connections in CONNECTIONS {
        let (mut of_small, mut of_large) = (Sample::default(), Sample::default());
        for _ in 0..options.rounds {
            let workers =
                connect(small.address, connections, Some(&small_sign_in), &of_few).await?;
            of_small.merge(closed_loop(workers, options.duration, &small).await?);
            let workers =
                connect(large.address, connections, Some(&large_sign_in), &of_many).await?;
            of_large.merge(closed_loop(workers, options.duration, &large).await?);
        }
        let work = format!("usersInfo, {} users against {FEW_USERS}", options.users);
        table.cpu(
            &work,
            connections,
            (&of_large, &of_small),
            Target::AtMost(1.1),
        );
    }
    Ok(())
}
