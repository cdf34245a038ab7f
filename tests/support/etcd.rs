//! etcd processes of one's own on loopback, killed when dropped.
//!
//! A single member or a cluster of three, plain or with TLS and client certificates, with or without
//! a user who must sign in. Members can be killed, started again, paused and resumed one by one.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::ports::ClaimedPort;
use super::tls_client::certificate_file;
use super::waiting::LOOK_AGAIN;
use super::{PATIENCE, signal};

/// The user of [`EtcdOptions::with_user`].
pub const ETCD_USER: (&str, &str) = ("root", "etcd's secret");
/// Times a member is started again that found a port of its own taken.
const STARTS_MAX: usize = 3;
/// What etcdctl allows by itself is shorter than an election among busy members may take.
const PATIENT: [&str; 2] = ["--command-timeout=60s", "--dial-timeout=30s"];

/// What kind of etcd to start.
#[derive(Debug, Clone, Copy, Default)]
pub struct EtcdOptions {
    pub members: usize,
    /// Encrypted, and clients must present a certificate of the authority `ca`.
    pub with_tls: bool,
    /// Clients must sign in as [`ETCD_USER`].
    pub with_user: bool,
    /// Larger requests are refused; 1.5 MiB unless set.
    pub request_bytes_max: Option<u32>,
    /// With more it is full; 2 GiB unless set.
    pub quota_bytes: Option<u32>,
}

/// A running etcd.
pub struct Etcd {
    options: EtcdOptions,
    members: Vec<Member>,
    folder: TempDir,
}

struct Member {
    name: String,
    client: ClaimedPort,
    peer: ClaimedPort,
    health: ClaimedPort,
    process: Option<Child>,
}

impl Etcd {
    /// One member.
    pub fn single() -> Self {
        Self::start(EtcdOptions {
            members: 1,
            ..EtcdOptions::default()
        })
    }

    /// A cluster of three, which lives on when one is gone.
    pub fn three() -> Self {
        Self::start(EtcdOptions {
            members: 3,
            ..EtcdOptions::default()
        })
    }

    /// Starts the members and waits until each answers.
    pub fn start(options: EtcdOptions) -> Self {
        let members = (0..options.members).map(Member::new).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut etcd = Self {
            options,
            members,
            folder,
        };
        for index in 0..options.members {
            etcd.spawn(index);
        }
        for index in 0..options.members {
            etcd.wait_until_healthy(index);
        }
        if options.with_user {
            let (user, password) = ETCD_USER;
            etcd.control(&["user", "add", &format!("{user}:{password}")]);
            etcd.control(&["user", "grant-role", user, "root"]);
            etcd.control(&["auth", "enable"]);
        }
        etcd
    }

    /// The number of members, running or not.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The port for clients of each member, on 127.0.0.1.
    pub fn ports(&self) -> Vec<u16> {
        self.members
            .iter()
            .map(|member| member.client.number)
            .collect()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.options.with_tls {
            "https"
        } else {
            "http"
        }
    }

    /// The addresses for clients, with commas between.
    pub fn endpoints(&self) -> String {
        endpoints(self.scheme(), &self.ports())
    }

    pub fn is_running(&self, member: usize) -> bool {
        self.members[member].process.is_some()
    }

    /// kill -9; its data stays.
    pub fn kill(&mut self, member: usize) {
        if let Some(mut process) = self.members[member].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts a member that was killed; does not wait until it answers.
    pub fn restart(&mut self, member: usize) {
        assert!(!self.is_running(member), "{member} runs");
        self.spawn(member);
    }

    /// Keeps a copy of the data of a member that does not run, instead of an earlier one.
    pub fn back_up(&self, member: usize) {
        assert!(!self.is_running(member), "{member} runs");
        copy_folder(&self.data(member), &self.backup(member));
    }

    /// Puts the copy in the place of the data of a member that does not run.
    pub fn put_back(&self, member: usize) {
        assert!(!self.is_running(member), "{member} runs");
        copy_folder(&self.backup(member), &self.data(member));
    }

    fn data(&self, member: usize) -> PathBuf {
        self.folder.path().join(&self.members[member].name)
    }

    fn backup(&self, member: usize) -> PathBuf {
        self.data(member).with_extension("backup")
    }

    /// SIGSTOP.
    pub fn pause(&self, member: usize) {
        signal(self.process_id(member), "STOP");
    }

    /// SIGCONT.
    pub fn resume(&self, member: usize) {
        signal(self.process_id(member), "CONT");
    }

    fn process_id(&self, member: usize) -> u32 {
        let process = self.members[member].process.as_ref();
        process.expect("the member runs").id()
    }

    /// Waits until the member answers and knows a leader.
    pub fn wait_until_healthy(&mut self, member: usize) {
        let started = Instant::now();
        let mut starts = 1;
        while !is_healthy(self.members[member].health.number) {
            let process = self.members[member].process.as_mut().unwrap();
            if let Some(status) = process.try_wait().unwrap() {
                let log = self.log(member);
                assert!(
                    starts < STARTS_MAX && log.contains("address already in use"),
                    "etcd ended with {status}: {log}"
                );
                starts += 1;
                self.spawn(member);
            }
            assert!(started.elapsed() < PATIENCE, "{}", self.log(member));
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// The member that leads the others.
    pub fn leader(&self) -> usize {
        let started = Instant::now();
        loop {
            let leads = |&index: &usize| {
                let port = self.members[index].client.number;
                let one = endpoints(self.scheme(), &[port]);
                let status = self.try_control_at(&one, &["endpoint", "status", "-w", "fields"]);
                status.is_ok_and(|status| {
                    let field = |name: &str| {
                        let line = status.lines().find(|line| line.starts_with(name));
                        line.and_then(|line| line.split(" : ").nth(1).map(str::to_owned))
                    };
                    field("\"Leader\"").is_some_and(|leader| leader != "0")
                        && field("\"Leader\"") == field("\"MemberID\"")
                })
            };
            if let Some(leader) = (0..self.members.len()).find(leads) {
                return leader;
            }
            assert!(started.elapsed() < PATIENCE, "etcd has no leader");
        }
    }

    /// Forgets every revision before the newest one; returns that.
    pub fn compact(&self) -> i64 {
        let revision = self.revision();
        let compact = ["compact", &revision.to_string(), "--physical"];
        if let Err(error) = self.try_control(&[&compact, &PATIENT[..]].concat()) {
            // Nothing was written since it was told so last.
            let is_done = error.contains("required revision has been compacted");
            assert!(is_done, "etcdctl {compact:?}: {error}");
        }
        revision
    }

    /// The newest revision.
    pub fn revision(&self) -> i64 {
        let answer = self.control(&["get", "no-such-key", "-w", "fields"]);
        let line = answer.lines().find(|line| line.starts_with("\"Revision\""));
        let (_, revision) = line.unwrap().split_once(" : ").unwrap();
        revision.parse().unwrap()
    }

    /// Runs etcdctl, which must succeed; returns what it prints.
    pub fn control(&self, arguments: &[&str]) -> String {
        self.try_control(&[arguments, &PATIENT].concat())
            .unwrap_or_else(|error| panic!("etcdctl {arguments:?}: {error}"))
    }

    /// Runs etcdctl; what it prints, or its error.
    pub fn try_control(&self, arguments: &[&str]) -> Result<String, String> {
        self.try_control_at(&self.endpoints(), arguments)
    }

    fn try_control_at(&self, endpoints: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--endpoints");
        command.arg(endpoints);
        if self.options.with_tls {
            let client = certificate_file("client");
            command.arg("--cacert").arg(certificate_file("ca"));
            command.arg("--cert").arg(&client).arg("--key").arg(&client);
        }
        if self.options.with_user && !arguments.starts_with(&["user"]) && arguments[0] != "auth" {
            let (user, password) = ETCD_USER;
            command.arg("--user").arg(format!("{user}:{password}"));
        }
        let output = command.args(arguments).output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// What a member has printed.
    pub fn log(&self, member: usize) -> String {
        fs::read_to_string(self.log_file(member)).unwrap_or_default()
    }

    fn log_file(&self, member: usize) -> PathBuf {
        let name = &self.members[member].name;
        self.folder.path().join(format!("{name}.log"))
    }

    fn spawn(&mut self, index: usize) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file(index))
            .unwrap();
        let process = self.command(index).stderr(log).spawn();
        self.members[index].process = Some(process.expect("etcd is installed"));
    }

    fn command(&self, index: usize) -> Command {
        let member = &self.members[index];
        let client = endpoints(self.scheme(), &[member.client.number]);
        let peer = endpoints("http", &[member.peer.number]);
        let cluster: Vec<String> = self.members.iter().map(Member::initial).collect();
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(self.data(index));
        for (option, value) in [
            ("--name", member.name.as_str()),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            (
                "--listen-metrics-urls",
                &endpoints("http", &[member.health.number]),
            ),
            ("--initial-cluster", &cluster.join(",")),
            ("--logger", "zap"),
            ("--log-outputs", "stderr"),
            ("--log-level", "warn"),
        ] {
            command.arg(option).arg(value);
        }
        if self.options.with_tls {
            let server = certificate_file("server");
            command.arg("--cert-file").arg(&server);
            command.arg("--key-file").arg(&server);
            command.arg("--client-cert-auth");
            command.arg("--trusted-ca-file").arg(certificate_file("ca"));
        }
        if let Some(bytes) = self.options.request_bytes_max {
            command.arg("--max-request-bytes").arg(bytes.to_string());
        }
        if let Some(bytes) = self.options.quota_bytes {
            command.arg("--quota-backend-bytes").arg(bytes.to_string());
        }
        if self.members.len() == 1 {
            // Nobody to wait for.
            command.args(["--heartbeat-interval", "20", "--election-timeout", "100"]);
        }
        // Processes are killed here, the machine never is: what was written is not lost with them. An etcd
        // too old for it only warns.
        command.env("ETCD_UNSAFE_NO_FSYNC", "true");
        if cfg!(target_arch = "aarch64") {
            command.env("ETCD_UNSUPPORTED_ARCH", "arm64");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            if let Some(mut process) = self.members[index].process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        if std::thread::panicking() {
            for index in 0..self.members.len() {
                eprintln!("the log of etcd {index}:\n{}", self.log(index));
            }
        }
    }
}

impl Member {
    fn new(index: usize) -> Self {
        Self {
            name: format!("etcd-{index}"),
            client: ClaimedPort::new(),
            peer: ClaimedPort::new(),
            health: ClaimedPort::new(),
            process: None,
        }
    }

    fn initial(&self) -> String {
        let peer = endpoints("http", &[self.peer.number]);
        format!("{}={peer}", self.name)
    }
}

/// Makes `to` what `from` is.
fn copy_folder(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    let copied = Command::new("cp").arg("-R").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// URLs of ports of 127.0.0.1, with commas between.
pub fn endpoints(scheme: &str, ports: &[u16]) -> String {
    let urls: Vec<String> = ports
        .iter()
        .map(|port| format!("{scheme}://127.0.0.1:{port}"))
        .collect();
    urls.join(",")
}

fn is_healthy(port: u16) -> bool {
    health(port).is_ok_and(|answer| answer.contains(r#""health":"true""#))
}

fn health(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
