//! The processes that are measured: starting, watching and stopping them.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::echo;

/// Last line of the server's greeting.
const READY: &str = "Ctrl-C";

/// A process that is stopped when dropped.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to the greeting that follows the opening of its sockets.
    pub started_in: Duration,
}

/// How to start the server.
pub struct Start<'a> {
    /// Where it keeps its data, its log and its port.
    pub folder: &'a Path,
    /// Further options.
    pub arguments: &'a [&'a str],
}

impl Process {
    /// Starts the server and waits until it listens.
    pub fn server(start: &Start<'_>) -> io::Result<Self> {
        let file = |name: &str| -> PathBuf { start.folder.join(name) };
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["--port", "0", "--nounixsocket"])
            .arg("--dbpath")
            .arg(file("data"))
            .arg("--portFile")
            .arg(file("port"))
            .arg("--logpath")
            .arg(file("log"))
            .args(start.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = child.stdout.take().map(|pipe| BufReader::new(pipe).lines());
        let ready = lines
            .into_iter()
            .flatten()
            .map_while(Result::ok)
            .any(|line| line.contains(READY));
        let started_in = began.elapsed();
        // Made before anything can fail, so that the process is stopped if it does.
        let mut process = Self {
            child,
            address: loopback(0),
            started_in,
        };
        if !ready {
            return Err(io::Error::other("the server did not start"));
        }
        let port = fs::read_to_string(file("port"))?;
        process.address = loopback(port.trim().parse().map_err(io::Error::other)?);
        Ok(process)
    }

    /// Starts an echo server that gives these replies to the frames of a connection, in turn.
    pub fn echo(replies: &[Vec<u8>]) -> io::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .arg(echo::ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let mut process = Self {
            child,
            address: loopback(0),
            started_in: Duration::ZERO,
        };
        let (mut to, mut from) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        for reply in replies {
            to.write_all(reply)?;
        }
        drop(to);
        let mut port = [0; 2];
        from.read_exact(&mut port)?;
        process.address = loopback(u16::from_le_bytes(port));
        process.started_in = began.elapsed();
        Ok(process)
    }

    /// Processor time spent so far, by all threads, in user and kernel mode.
    pub fn cpu(&self) -> io::Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Kills it: it has no say in that.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Tells it to stop; how long it took to end.
    pub fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.end();
        began.elapsed()
    }

    /// Bytes of memory that are resident.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kilobytes
            .map(|kilobytes| kilobytes * 1024)
            .ok_or_else(|| io::Error::other("no VmRSS"))
    }
}

impl Process {
    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return; // the number may be another process's by now
        }
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let patience = Instant::now() + Duration::from_secs(30);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > patience {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Processor time that this process has spent so far.
pub fn own_cpu() -> io::Result<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before the last parenthesis may hold anything; utime and stime are the 12th and 13th
    // field behind it (proc_pid_stat(5)).
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum::<u64>();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

/// Allows as many open files as the system lets this process have; children inherit it.
pub fn raise_file_limit() -> io::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(rustix::process::setrlimit(Resource::Nofile, raised)?)
}

/// How many files this process may have open.
pub fn file_limit() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}
