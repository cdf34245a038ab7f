//! What the socket tests share: a server of one's own, and clients for it.
//!
//! Each test starts its own process on port 0 with a folder of its own and stops it when done.

// Each test binary uses its own part of it; a helper that fails fails its test.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unused_async
)]

pub mod clock;
pub mod etcd;
pub mod peers;
pub mod ports;
pub mod proxy;
mod raw_client;
pub mod replica_set;
pub mod scram_client;
pub mod tls_client;
pub mod waiting;

pub use raw_client::RawClient;

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::Client;
use mongodb::options::{AuthMechanism, ClientOptions, Credential, ServerAddress};
use tempfile::TempDir;

/// Longest a test waits for the server to say anything.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// The administrator that [`TestServer::with_admin`] makes.
pub const ADMIN: (&str, &str) = ("admin", "admin's secret");

/// A running server; killed when dropped.
pub struct TestServer {
    child: Child,
    pub port: u16,
    folder: Arc<TempDir>,
    logs: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How to start one.
pub struct Options {
    with_unix_socket: bool,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Arc<TempDir>,
}

impl Default for Options {
    fn default() -> Self {
        Self::in_folder(Arc::new(tempfile::tempdir().unwrap()))
    }
}

impl Options {
    /// With the data of a server that has stopped.
    pub fn in_folder(folder: Arc<TempDir>) -> Self {
        Self {
            with_unix_socket: false,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder,
        }
    }

    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Listens on a Unix socket in the server's folder too, see [`TestServer::raw_unix`].
    pub fn unix_socket(mut self) -> Self {
        self.with_unix_socket = true;
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The command line of the server, not started yet; arguments win over what is usual here. The
    /// variable `PORTCULLIS` names another program than the one just built.
    pub fn command(&self) -> Command {
        let built = env!("CARGO_BIN_EXE_portcullis").into();
        let program = std::env::var_os("PORTCULLIS").unwrap_or(built);
        let mut command = Command::new(program);
        let is_given = |name: &str| {
            self.arguments
                .iter()
                .any(|argument| argument.starts_with(name))
        };
        if self.with_unix_socket {
            command.arg("--unixSocketPrefix").arg(self.folder.path());
        } else {
            command.arg("--nounixsocket");
        }
        if !is_given("--port=") {
            command.arg("--port=0");
        }
        if !is_given("--dbpath=") {
            command.arg("--dbpath").arg(self.data());
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server and waits until it listens.
    pub fn start(self) -> TestServer {
        let port_file = self.folder.path().join("port");
        let _ = std::fs::remove_file(&port_file);
        let mut child = self
            .command()
            .arg("--portFile")
            .arg(&port_file)
            .spawn()
            .unwrap();
        let logs = Arc::new(Mutex::new(String::new()));
        let stderr = collect(child.stderr.take().unwrap(), Arc::clone(&logs), None);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let stdout = collect(child.stdout.take().unwrap(), Arc::clone(&logs), Some(ready));
        // The greeting is printed once the sockets are open; a server that fails closes its pipe.
        if is_ready.recv_timeout(PATIENCE) != Ok(()) {
            let _ = child.kill();
            // Its last words may still be on their way.
            let _ = (stderr.join(), stdout.join());
            let logs = logs.lock().unwrap().clone();
            panic!("the server did not start: {logs}");
        }
        let port = std::fs::read_to_string(&port_file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        TestServer {
            child,
            port,
            folder: self.folder,
            logs,
            readers: vec![stderr, stdout],
        }
    }
}

fn collect(
    pipe: impl Read + Send + 'static,
    logs: Arc<Mutex<String>>,
    ready: Option<std::sync::mpsc::Sender<()>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if line.contains("Ctrl-C")
                && let Some(ready) = &ready
            {
                let _ = ready.send(());
            }
            let mut logs = logs.lock().unwrap();
            logs.push_str(&line);
            logs.push('\n');
        }
    })
}

impl TestServer {
    /// A server with authorization and nobody in it.
    pub fn start() -> Self {
        Options::default().start()
    }

    /// A server with authorization and [`ADMIN`], who may do everything.
    pub fn with_admin() -> Self {
        Self::with_admin_and(Options::default())
    }

    pub fn with_admin_and(options: Options) -> Self {
        let server = options.start();
        let created = server.raw().run(
            "admin",
            doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] },
        );
        assert_eq!(created, doc! { "ok": 1.0 });
        server
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)
    }

    pub fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Everything the server has printed so far.
    pub fn logs(&self) -> String {
        self.logs.lock().unwrap().clone()
    }

    /// A connection that speaks `OP_MSG` and nothing else.
    pub fn raw(&self) -> RawClient {
        RawClient::connect(self.address(), None)
    }

    /// A connection from one loopback address to another (127.0.0.0/8).
    pub fn raw_between(&self, from: &str, to: &str) -> RawClient {
        let to = SocketAddr::new(to.parse().unwrap(), self.port);
        RawClient::connect(to, Some(from.parse().unwrap()))
    }

    /// A connection by the Unix socket that [`Options::unix_socket`] asks for.
    pub fn raw_unix(&self) -> RawClient {
        let path = self
            .folder
            .path()
            .join(format!("mongodb-{}.sock", self.port));
        RawClient::connect_unix(&path)
    }

    /// A raw connection signed in as [`ADMIN`].
    pub fn admin(&self) -> RawClient {
        let mut client = self.raw();
        client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
        client
    }

    /// The official driver, not signed in.
    pub async fn driver(&self) -> Client {
        Client::with_options(self.driver_options()).unwrap()
    }

    /// The official driver, signed in; `mechanism: None` lets it negotiate.
    pub async fn driver_as(
        &self,
        db: &str,
        user: &str,
        password: &str,
        mechanism: Option<AuthMechanism>,
    ) -> Client {
        let mut options = self.driver_options();
        let mut credential = Credential::default();
        credential.source = Some(db.into());
        credential.username = Some(user.into());
        credential.password = Some(password.into());
        credential.mechanism = mechanism;
        options.credential = Some(credential);
        Client::with_options(options).unwrap()
    }

    pub fn driver_options(&self) -> ClientOptions {
        let host = ServerAddress::Tcp {
            host: "127.0.0.1".into(),
            port: Some(self.port),
        };
        ClientOptions::builder()
            .hosts(vec![host])
            .direct_connection(true)
            .server_selection_timeout(PATIENCE)
            .build()
    }

    /// SIGTERM, and how the server ended.
    pub fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.wait()
    }

    /// How a server ended that was told to stop, and its log.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.logs())
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// SIGKILL; the folder stays for another server.
    pub fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.folder)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.logs());
        }
    }
}

/// Sends a signal to a process by the signal's name.
pub fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status();
    assert!(status.unwrap().success());
    if name == "STOP" {
        waiting::until_stopped(process);
    }
}

/// The reply, or the reply as an error.
pub fn checked(reply: Document) -> Result<Document, Document> {
    if reply.get_f64("ok").ok() == Some(1.0) {
        Ok(reply)
    } else {
        Err(reply)
    }
}

/// `(code, errmsg)` of a reply that must be an error.
pub fn error_of(reply: &Document) -> (i32, String) {
    assert_eq!(
        reply.get_f64("ok").ok(),
        Some(0.0),
        "an error was expected: {reply}"
    );
    (
        reply.get_i32("code").unwrap(),
        reply.get_str("errmsg").unwrap().to_owned(),
    )
}

pub fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    })
}

fn text(reply: &Document) -> String {
    let payload = reply.get_binary_generic("payload").unwrap();
    String::from_utf8(payload.clone()).unwrap()
}

/// A file under `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(path)
}
