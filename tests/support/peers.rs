//! The network between the members of an etcd, all on loopback: whoever is cut off reaches no other member
//! and is reached by none, while clients still reach it.
//!
//! Each member has a door that it tells the others of. All members connect from 127.0.0.1, so the door looks
//! up whose connection it has accepted: `/proc` says which process holds the other end of it.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::proxy::Wire;

/// The links between the members; they end when dropped.
pub struct Peers {
    /// Where each member is reached.
    doors: Vec<u16>,
    network: Arc<Network>,
}

struct Network {
    /// By the member that connects and then by the one it connects to.
    wires: Vec<Vec<Arc<Wire>>>,
    /// The process of each member, the last one if it does not run.
    processes: Mutex<Vec<Option<u32>>>,
    has_ended: AtomicBool,
}

impl Peers {
    /// Doors of members that listen on these ports.
    pub fn to(ports: &[u16]) -> Self {
        let wire = |port: &u16| {
            let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), *port);
            Arc::new(Wire::to(to))
        };
        let wires = ports.iter().map(|_| ports.iter().map(wire).collect());
        let network = Arc::new(Network {
            wires: wires.collect(),
            processes: Mutex::new(vec![None; ports.len()]),
            has_ended: AtomicBool::new(false),
        });
        let open = |to| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let door = listener.local_addr().unwrap().port();
            let network = Arc::clone(&network);
            thread::spawn(move || network.accept(&listener, to));
            door
        };
        Self {
            doors: (0..ports.len()).map(open).collect(),
            network,
        }
    }

    /// The port at which others reach the member.
    pub fn door(&self, member: usize) -> u16 {
        self.doors[member]
    }

    /// Starts the process of a member; until it is known, nobody's connections are looked up.
    pub fn start<T>(&self, member: usize, start: impl FnOnce() -> (u32, T)) -> T {
        let mut processes = self.network.processes.lock().unwrap();
        let (process, started) = start();
        processes[member] = Some(process);
        started
    }

    /// Closes every connection between the member and others, and refuses new ones.
    pub fn cut_off(&self, member: usize) {
        self.network.wires_of(member).for_each(|wire| wire.cut());
    }

    pub fn heal(&self, member: usize) {
        self.network.wires_of(member).for_each(|wire| wire.heal());
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.network.has_ended.store(true, Ordering::SeqCst);
        self.network
            .wires
            .iter()
            .flatten()
            .for_each(|wire| wire.end());
        for door in &self.doors {
            // Wakes the thread that accepts.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, *door));
        }
    }
}

impl Network {
    /// From the member and to it.
    fn wires_of(&self, member: usize) -> impl Iterator<Item = &Arc<Wire>> {
        let from = self.wires[member].iter();
        from.chain(self.wires.iter().map(move |from| &from[member]))
    }

    fn accept(&self, listener: &TcpListener, to: usize) {
        for client in listener.incoming() {
            if self.has_ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else {
                continue;
            };
            // Whoever cannot be found has gone, or is looked for again when it tries again.
            if let Ok(Some(from)) = self.member_of(&client) {
                self.wires[from][to].carry(client);
            }
        }
    }

    /// The member whose process has connected.
    fn member_of(&self, client: &TcpStream) -> io::Result<Option<usize>> {
        let processes = self.processes.lock().unwrap().clone();
        let Some(socket) = socket_of(client)? else {
            return Ok(None);
        };
        let holds = |process: &Option<u32>| process.is_some_and(|it| holds(it, &socket));
        Ok(processes.iter().position(holds))
    }
}

/// The socket at the other end of a connection within this machine, as `/proc` names it (`proc_net(5)`).
fn socket_of(client: &TcpStream) -> io::Result<Option<String>> {
    let (here, there) = (client.local_addr()?.port(), client.peer_addr()?.port());
    let (here, there) = (format!(":{here:04X}"), format!(":{there:04X}"));
    let table = fs::read_to_string("/proc/net/tcp")?;
    let inode = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, _, _, _, _, _, _, inode, ..] = fields[..] else {
            return None;
        };
        (local.ends_with(&there) && remote.ends_with(&here)).then_some(inode)
    });
    Ok(inode.map(|inode| format!("socket:[{inode}]")))
}

/// Whether the process has that socket open.
fn holds(process: u32, socket: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd"));
    files.is_ok_and(|files| {
        files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|file| file.as_os_str() == socket)
    })
}
