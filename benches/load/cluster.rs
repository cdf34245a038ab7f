//! Three servers as a replica set over one etcd: creating users, replacing a primary, starting.
//!
//! Needs the program `etcd`; without it the rows are left out.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use portcullis::catalog::Catalog;
use portcullis::cluster::ReplicaSet;
use portcullis::config::{EtcdConfig, HostAndPort, ReplicationConfig};
use portcullis::store::Setting;
use tempfile::TempDir;

use super::client::{ADMIN, Connection, PASSWORD, SignIn, frame};
use super::creating::{Creating, pbkdf2_alone};
use super::measure::{Sample, as_float, closed_loop};
use super::options::{Options, say};
use super::population::write_users;
use super::process::{Process, Start};
use super::table::{Table, Target};

const SET: &str = "bench";
const MEMBERS: usize = 3;
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Longest that anything may take to be ready.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Users in one batch, which etcd gets in parts.
const BATCH_USERS: u32 = 10_000;

/// Measures what `options` want.
pub async fn run(options: &Options, table: &mut Table) -> io::Result<()> {
    let wanted = ["etcd", "failover", "etcdstart"];
    if !wanted.iter().any(|name| options.wants(name)) {
        return Ok(());
    }
    if Command::new("etcd").arg("--version").output().is_err() {
        say("load: the program etcd is missing, so there are no rows of the replica set");
        return Ok(());
    }
    if options.wants("etcd") {
        for concern in ["1", "majority"] {
            creating(options, table, concern).await?;
        }
    }
    if options.wants("failover") {
        failover(options, table).await?;
    }
    if options.wants("etcdstart") {
        starting(options, table).await?;
    }
    Ok(())
}

async fn creating(options: &Options, table: &mut Table, concern: &str) -> io::Result<()> {
    let etcd = Etcd::start()?;
    let members = Members::start(&etcd).await?;
    let primary = members.primary(None).await?;
    let address = members.servers[primary].address;
    let sign_in = SignIn::prepare(address).await?;
    let w = concern.parse().map_or_else(
        |_| doc! { "w": concern },
        |number: i32| doc! { "w": number },
    );
    let next = Rc::new(Cell::new(0));
    for connections in CONNECTIONS {
        let (mut created, mut floor) = (Sample::default(), Sample::default());
        for _ in 0..options.rounds {
            floor.merge(pbkdf2_alone(connections, options.duration)?);
            let mut workers = Vec::new();
            for _ in 0..connections {
                let connection = Connection::signed_in(address, &sign_in).await?;
                workers.push(Creating::with(connection, &next, Some(w.clone())));
            }
            let server = &members.servers[primary];
            created.merge(closed_loop(workers, options.duration, server).await?);
        }
        let work = format!("createUser, three members over etcd, w: {concern}");
        table.speed(&work, connections, (&created, &floor), Target::None);
    }
    Ok(())
}

/// From the kill -9 of a primary until another one takes writes.
async fn failover(options: &Options, table: &mut Table) -> io::Result<()> {
    let mut longest = Duration::ZERO;
    for _ in 0..options.rounds {
        let etcd = Etcd::start()?;
        let mut members = Members::start(&etcd).await?;
        let primary = members.primary(None).await?;
        let began = Instant::now();
        members.servers[primary].kill()?;
        members.primary(Some(primary)).await?;
        longest = longest.max(began.elapsed());
    }
    let what = format!(
        "longest of {} failovers after kill -9, lease 5 s: ms",
        options.rounds
    );
    table.figure(
        &what,
        longest.as_secs_f64() * 1000.0,
        Target::AtMost(15_000.0),
    );
    Ok(())
}

/// From the start of a member until it serves a directory that is in etcd.
async fn starting(options: &Options, table: &mut Table) -> io::Result<()> {
    let etcd = Etcd::start()?;
    populate(&etcd, options.users).await?;
    let folder = tempfile::tempdir()?;
    let server = start_member(&etcd, &folder)?;
    let what = format!("start of a member with {} users in etcd: s", options.users);
    table.figure(&what, server.started_in.as_secs_f64(), Target::None);
    let bytes = as_float(server.resident_bytes()?) / f64::from(options.users);
    table.figure("resident bytes of it for each user", bytes, Target::None);
    Ok(())
}

/// Writes users as a primary does, but without hashing a password for each.
async fn populate(etcd: &Etcd, users: u32) -> io::Result<()> {
    let options = ReplicationConfig {
        set_name: SET.to_owned(),
        host: None,
        tags: std::collections::BTreeMap::new(),
        etcd: EtcdConfig {
            endpoints: vec![etcd.url.clone()],
            prefix: "/portcullis".to_owned(),
            lease_ttl: Duration::from_mins(1),
            staleness_max: None,
            ca_file: None,
            certificate_key_file: None,
            credentials: None,
        },
    };
    let secret = Setting::random_deployment_secret().map_err(io::Error::other)?;
    // The store waits for the set, so the set needs threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let written = runtime.spawn(async move {
        let catalog = Arc::new(Catalog::new());
        let opened = ReplicaSet::open(options, catalog, secret).await;
        let (set, store) = opened.map_err(io::Error::other)?;
        let host = HostAndPort::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        set.join(&host).await.map_err(io::Error::other)?;
        let mut topologies = set.topologies();
        let elected = topologies.wait_for(|_| set.check_writable().is_ok());
        drop(elected.await.map_err(io::Error::other)?);
        let writing = tokio::task::spawn_blocking(move || write_users(&store, users, BATCH_USERS));
        writing.await.map_err(io::Error::other)??;
        set.leave().await;
        Ok::<_, io::Error>(())
    });
    let result = written.await.map_err(io::Error::other)?;
    runtime.shutdown_background();
    result
}

/// The members, with an administrator.
struct Members {
    servers: Vec<Process>,
    /// Removed with the members.
    #[allow(dead_code)] // kept, not read
    folders: Vec<TempDir>,
}

impl Members {
    async fn start(etcd: &Etcd) -> io::Result<Self> {
        let mut members = Self {
            servers: Vec::new(),
            folders: Vec::new(),
        };
        for _ in 0..MEMBERS {
            let folder = tempfile::tempdir()?;
            members.servers.push(start_member(etcd, &folder)?);
            members.folders.push(folder);
        }
        let primary = members.primary(None).await?;
        let mut connection = Connection::open(members.servers[primary].address).await?;
        let command = doc! { "createUser": ADMIN, "pwd": PASSWORD, "roles": ["root"] };
        connection.call(&frame("admin", command)).await?;
        Ok(members)
    }

    /// The place of the one that takes writes, other than `gone`.
    async fn primary(&self, gone: Option<usize>) -> io::Result<usize> {
        let hello = frame("admin", doc! { "hello": 1 });
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            for (place, server) in self.servers.iter().enumerate() {
                if Some(place) == gone {
                    continue;
                }
                let mut connection = Connection::open(server.address).await?;
                // After the header and the kind of the section.
                let reply = connection.call(&hello).await?;
                let reply = reply.get(21..).map(Document::from_reader);
                let is_primary = reply
                    .and_then(Result::ok)
                    .and_then(|reply| reply.get_bool("isWritablePrimary").ok());
                if is_primary == Some(true) {
                    return Ok(place);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(io::Error::other("nobody became primary"))
    }
}

fn start_member(etcd: &Etcd, folder: &TempDir) -> io::Result<Process> {
    let arguments = [
        "--storageEngine",
        "etcd",
        "--replSet",
        SET,
        "--etcd.endpoints",
        &etcd.url,
    ];
    Process::server(&Start {
        folder: folder.path(),
        arguments: &arguments,
    })
}

/// One etcd with its data on disk; killed when dropped.
struct Etcd {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Etcd {
    fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [client, peer] = [free_port()?, free_port()?];
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let child = Command::new("etcd")
            .env("ETCD_UNSUPPORTED_ARCH", "arm64")
            .args(["--name", "one", "--log-level", "error"])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen-client-urls", &url(client)])
            .args(["--advertise-client-urls", &url(client)])
            .args(["--listen-peer-urls", &url(peer)])
            .args(["--initial-advertise-peer-urls", &url(peer)])
            .args(["--initial-cluster", &format!("one={}", url(peer))])
            // A million users, and the parts they came in.
            .args(["--quota-backend-bytes", "8589934592"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // Servers wait for it.
        Ok(Self {
            child,
            url: url(client),
            _folder: folder,
        })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
