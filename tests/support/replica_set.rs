//! Servers that form a replica set over an etcd of their own; every link from a server to etcd goes
//! through a [`Proxy`].

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use tempfile::TempDir;

use super::clock::Clock;
use super::etcd::{ETCD_USER, Etcd, EtcdOptions, endpoints};
use super::ports::ClaimedPort;
use super::proxy::Proxy;
use super::tls_client::certificate_file;
use super::waiting::{self, LOOK_AGAIN};
use super::{ADMIN, Options, PATIENCE, RawClient, TestServer};

/// The name of the set.
pub const SET_NAME: &str = "rs0";
/// How long a primary that is gone keeps its place: no machine is so busy that it is lost by that.
const LEASE_TTL_SECS: u64 = 15;
/// The same where tests wait for it: the shortest that is allowed.
pub const SHORT_LEASE_TTL_SECS: u64 = 3;
/// Longest one `hello` waits for a change while several members are watched.
const TURN_MS: i64 = 100;

/// What kind of set to start.
#[derive(Debug, Clone)]
pub struct ReplicaSetOptions {
    pub nodes: usize,
    pub etcd: EtcdOptions,
    /// How long a primary that is gone keeps its place.
    pub lease_ttl_secs: u64,
    /// Arguments of every node.
    pub arguments: Vec<String>,
    /// Of each node, `dc:east,rack:1`; may be shorter.
    pub tags: Vec<&'static str>,
    /// Each node has a wall clock of its own, see [`ReplicaSet::turn_clock`].
    pub with_clocks: bool,
}

impl Default for ReplicaSetOptions {
    fn default() -> Self {
        Self {
            nodes: 3,
            etcd: EtcdOptions {
                members: 1,
                ..EtcdOptions::default()
            },
            lease_ttl_secs: LEASE_TTL_SECS,
            arguments: Vec::new(),
            tags: Vec::new(),
            with_clocks: false,
        }
    }
}

/// A running replica set with [`ADMIN`] in it.
pub struct ReplicaSet {
    nodes: Vec<Node>,
    pub etcd: Etcd,
}

struct Node {
    port: ClaimedPort,
    links: Vec<Proxy>,
    folder: Arc<TempDir>,
    arguments: Vec<String>,
    clock: Option<Clock>,
    server: Option<TestServer>,
    is_paused: bool,
}

impl ReplicaSet {
    /// Three nodes over one member of etcd.
    pub fn three() -> Self {
        Self::start(&ReplicaSetOptions::default())
    }

    /// The same for tests in which a member that is gone is replaced.
    pub fn three_with_short_leases() -> Self {
        Self::start(&ReplicaSetOptions {
            lease_ttl_secs: SHORT_LEASE_TTL_SECS,
            ..ReplicaSetOptions::default()
        })
    }

    /// Starts the nodes and waits until each knows the primary.
    pub fn start(options: &ReplicaSetOptions) -> Self {
        let etcd = Etcd::start(options.etcd);
        let nodes = (0..options.nodes)
            .map(|index| Node::new(options, index, &etcd))
            .collect();
        let mut set = Self { nodes, etcd };
        for node in 0..options.nodes {
            set.start_node(node);
        }
        set.create_admin();
        for node in 0..options.nodes {
            set.wait_for_admin(node);
        }
        for node in 0..options.nodes {
            set.wait_until(node, |hello| {
                let hosts = hello.get_array("hosts").map_or(0, Vec::len);
                hosts == options.nodes && hello.contains_key("primary")
            });
        }
        set
    }

    /// Whoever was just elected may not be primary for long.
    fn create_admin(&self) {
        let create = doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] };
        let started = Instant::now();
        loop {
            let primary = self.primary();
            let created = self.raw(primary).run("admin", create.clone());
            let is_there = || self.raw(primary).sign_in("admin", ADMIN.0, ADMIN.1).is_ok();
            if created.get_f64("ok").ok() == Some(1.0) || is_there() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{created}");
        }
    }

    fn wait_for_admin(&self, node: usize) {
        waiting::until(&format!("node {node} has the administrator"), || {
            self.raw(node).sign_in("admin", ADMIN.0, ADMIN.1).is_ok()
        });
    }

    /// The number of nodes, running or not.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub fn address(&self, node: usize) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.nodes[node].port.number)
    }

    /// `host:port`, as the set calls the node.
    pub fn host(&self, node: usize) -> String {
        self.address(node).to_string()
    }

    /// The node of that `host:port`.
    pub fn node_of(&self, host: &str) -> usize {
        let mut nodes = 0..self.nodes();
        nodes.find(|node| self.host(*node) == host).unwrap()
    }

    /// The server of a node that runs.
    pub fn server(&self, node: usize) -> &TestServer {
        self.nodes[node].server.as_ref().expect("the node runs")
    }

    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].server.is_some()
    }

    /// Neither killed nor paused.
    pub fn is_awake(&self, node: usize) -> bool {
        self.is_running(node) && !self.nodes[node].is_paused
    }

    /// A connection to the node, not signed in.
    pub fn raw(&self, node: usize) -> RawClient {
        self.server(node).raw()
    }

    /// A connection to the node, signed in as [`ADMIN`].
    pub fn admin(&self, node: usize) -> RawClient {
        self.server(node).admin()
    }

    /// The node that says that it is primary; waits for it.
    pub fn primary(&self) -> usize {
        self.primary_but(None)
    }

    /// Like [`Self::primary`]; `not` is not believed any more.
    pub fn primary_but(&self, not: Option<usize>) -> usize {
        let started = Instant::now();
        loop {
            let awake = (0..self.nodes()).filter(|node| self.is_awake(*node) && Some(*node) != not);
            let mut waits = None;
            for node in awake {
                let hello = self.hello(node);
                if hello.get_bool("isWritablePrimary").ok() == Some(true) {
                    return node;
                }
                waits = Some((node, hello));
            }
            assert!(started.elapsed() < PATIENCE, "nobody becomes primary");
            let (node, hello) = waits.expect("a node runs");
            next_hello(&mut self.raw(node), &hello);
        }
    }

    /// A node that is awake and not primary.
    pub fn secondary(&self) -> usize {
        let primary = self.primary();
        let mut nodes = 0..self.nodes();
        let found = nodes.find(|node| *node != primary && self.is_awake(*node));
        found.expect("a secondary")
    }

    /// The nodes that are awake, the primary first.
    pub fn primary_and_secondaries(&self) -> Vec<usize> {
        let primary = self.primary();
        let others = (0..self.nodes()).filter(|node| *node != primary && self.is_awake(*node));
        [primary].into_iter().chain(others).collect()
    }

    pub fn hello(&self, node: usize) -> Document {
        self.raw(node).run("admin", doc! { "hello": 1 })
    }

    /// Waits until the node's `hello` is as wanted; returns it.
    pub fn wait_until(&self, node: usize, is_wanted: impl Fn(&Document) -> bool) -> Document {
        let started = Instant::now();
        let mut client = self.raw(node);
        let mut hello = client.run("admin", doc! { "hello": 1 });
        while !is_wanted(&hello) {
            assert!(
                started.elapsed() < PATIENCE,
                "node {node} stays so: {hello}"
            );
            hello = next_hello(&mut client, &hello);
        }
        hello
    }

    /// Waits until every node that is awake has applied everything acknowledged so far.
    pub fn wait_until_all_have_everything(&self) {
        let started = Instant::now();
        let mark = uuid::Uuid::new_v4().to_string();
        let marking = doc! { "updateUser": ADMIN.0, "customData": { "mark": &mark } };
        // Somebody else may become primary meanwhile.
        loop {
            let reply = self.admin(self.primary()).run("admin", marking.clone());
            match reply.get_i32("code").ok() {
                None => break,
                Some(_) => assert!(started.elapsed() < PATIENCE, "{reply}"),
            }
        }
        for node in (0..self.nodes()).filter(|node| self.is_awake(*node)) {
            let mut admin = self.admin(node);
            let asking = doc! {
                "usersInfo": ADMIN.0, "$readPreference": { "mode": "secondaryPreferred" },
            };
            while !admin
                .run("admin", asking.clone())
                .to_string()
                .contains(&mark)
            {
                assert!(started.elapsed() < PATIENCE, "node {node} stays behind");
                std::thread::sleep(LOOK_AGAIN);
            }
        }
    }

    /// Starts a node that is not running, with its data if it has any.
    pub fn start_node(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        assert!(node.server.is_none());
        let mut options = Options::in_folder(Arc::clone(&node.folder));
        for argument in &node.arguments {
            options = options.argument(argument);
        }
        for (name, value) in node.clock.iter().flat_map(Clock::environment) {
            options = options.environment(name, &value);
        }
        node.server = Some(options.start());
    }

    /// Restarts a node with further arguments, from now on.
    pub fn restart_with(&mut self, node: usize, arguments: &[&str]) {
        self.stop(node);
        let more = arguments.iter().map(ToString::to_string);
        self.nodes[node].arguments.extend(more);
        self.start_node(node);
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].is_paused = false;
        if let Some(server) = self.nodes[node].server.take() {
            server.kill();
        }
    }

    /// SIGTERM, and waits for the end; returns the log.
    pub fn stop(&mut self, node: usize) -> String {
        self.terminate(node);
        self.wait_for_end(node)
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self, node: usize) {
        self.server(node).signal("TERM");
    }

    /// Waits for the end of a node that was told to stop; returns the log.
    pub fn wait_for_end(&mut self, node: usize) -> String {
        let server = self.nodes[node].server.take().expect("the node runs");
        let (status, log) = server.wait();
        assert!(status.success(), "{log}");
        log
    }

    /// SIGSTOP.
    pub fn pause(&mut self, node: usize) {
        self.server(node).signal("STOP");
        self.nodes[node].is_paused = true;
    }

    /// SIGCONT.
    pub fn resume(&mut self, node: usize) {
        self.server(node).signal("CONT");
        self.nodes[node].is_paused = false;
    }

    /// The links of the node to the members of etcd.
    pub fn links(&self, node: usize) -> &[Proxy] {
        &self.nodes[node].links
    }

    /// Cuts the node off from etcd: its connections are closed.
    pub fn cut(&self, node: usize) {
        self.links(node).iter().for_each(|link| link.cut());
    }

    /// Cuts the node off from etcd: its connections stay and carry nothing.
    pub fn stall(&self, node: usize) {
        self.links(node).iter().for_each(|link| link.stall());
    }

    /// The wall clock of the node is `ahead_secs` ahead from now on; the monotonic one stays.
    pub fn turn_clock(&self, node: usize, ahead_secs: i64) {
        let clock = self.nodes[node].clock.as_ref();
        clock.expect("it has one").turn(ahead_secs);
    }

    pub fn heal(&self, node: usize) {
        self.links(node).iter().for_each(|link| link.heal());
    }

    /// The connection string of drivers, signed in as [`ADMIN`]; `more` are options after `&`.
    pub fn uri(&self, more: &str) -> String {
        let hosts: Vec<String> = (0..self.nodes()).map(|node| self.host(node)).collect();
        let (user, password) = ADMIN;
        let password = password.replace('\'', "%27").replace(' ', "%20");
        format!(
            "mongodb://{user}:{password}@{}/?authSource=admin&replicaSet={SET_NAME}{more}",
            hosts.join(",")
        )
    }
}

impl Node {
    fn new(options: &ReplicaSetOptions, index: usize, etcd: &Etcd) -> Self {
        let to = |port: &u16| Proxy::to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), *port));
        let links: Vec<Proxy> = etcd.ports().iter().map(to).collect();
        let ports: Vec<u16> = links.iter().map(|link| link.port).collect();
        let port = ClaimedPort::new();
        let mut arguments = vec![
            format!("--port={}", port.number),
            "--storageEngine=etcd".into(),
            format!("--replSet={SET_NAME}"),
            format!("--etcd.endpoints={}", endpoints(etcd.scheme(), &ports)),
            format!("--etcd.leaseTtlSecs={}", options.lease_ttl_secs),
            // Less hashing, more changes.
            "--setParameter=scramIterationCount=5000".into(),
            "--setParameter=scramSHA256IterationCount=5000".into(),
        ];
        let folder = Arc::new(tempfile::tempdir().unwrap());
        arguments.extend(credentials(options.etcd, folder.path()));
        if let Some(tags) = options.tags.get(index) {
            arguments.push(format!("--replication.tags={tags}"));
        }
        arguments.extend(options.arguments.iter().cloned());
        let clock = options.with_clocks.then(|| Clock::new(folder.path()));
        Self {
            port,
            links,
            folder,
            arguments,
            clock,
            server: None,
            is_paused: false,
        }
    }
}

/// What a node needs for an etcd that does not trust everybody.
fn credentials(etcd: EtcdOptions, folder: &Path) -> Vec<String> {
    let mut arguments = Vec::new();
    if etcd.with_tls {
        let (authority, client) = (certificate_file("ca"), certificate_file("client"));
        arguments.push(format!("--etcd.CAFile={}", authority.display()));
        arguments.push(format!("--etcd.certificateKeyFile={}", client.display()));
    }
    if etcd.with_user {
        let (user, password) = ETCD_USER;
        let file = folder.join("etcd-password");
        std::fs::write(&file, password).unwrap();
        arguments.push(format!("--etcd.username={user}"));
        arguments.push(format!("--etcd.passwordFile={}", file.display()));
    }
    arguments
}

impl Drop for ReplicaSet {
    fn drop(&mut self) {
        // A paused process is killed all the same, but one that is being stopped would wait.
        for node in &mut self.nodes {
            let server = node.server.take();
            let process_id = server.as_ref().map(TestServer::process_id);
            drop(server);
            if let Some(process_id) = process_id.filter(|_| node.clock.is_some()) {
                Clock::clean_up(process_id);
            }
        }
    }
}

/// The node's answer after a change of the topology, or after a while.
fn next_hello(client: &mut RawClient, hello: &Document) -> Document {
    let version = hello.get_document("topologyVersion").unwrap();
    let wait = doc! { "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": TURN_MS };
    client.run("admin", wait)
}

/// How long something takes at most that has to happen within [`PATIENCE`].
pub fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = what();
    (result, started.elapsed())
}
