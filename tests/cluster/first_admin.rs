//! The administrator that the environment names, where etcd fails while it is being created.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::etcd::{Etcd, endpoints};
use crate::support::proxy::Proxy;
use crate::support::replica_set::SET_NAME;
use crate::support::waiting::{self, LOOK_AGAIN};
use crate::support::{Options, PATIENCE};

/// A server that is starting.
struct Starting {
    process: Child,
    output: PathBuf,
    /// Gone with the process.
    _folder: Arc<TempDir>,
}

impl Starting {
    fn over(link: &Proxy) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let password = folder.path().join("password");
        std::fs::write(&password, "secret").unwrap();
        let output = folder.path().join("output");
        let log = File::create(&output).unwrap();
        let endpoint = endpoints("http", &[link.port]);
        let process = Options::in_folder(Arc::clone(&folder))
            .arguments(&[
                "--storageEngine=etcd",
                "--etcd.leaseTtlSecs=3",
                // Hashing takes as long as it takes to notice that somebody is elected, and more.
                "--setParameter=scramSHA256IterationCount=200000",
            ])
            .argument(format!("--replSet={SET_NAME}"))
            .argument(format!("--etcd.endpoints={endpoint}"))
            .environment("PORTCULLIS_INITDB_ROOT_USERNAME", "captain")
            .environment(
                "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE",
                password.to_str().unwrap(),
            )
            .command()
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            process,
            output,
            _folder: folder,
        }
    }

    fn wait_for(&mut self, line: &str) {
        let begun = Instant::now();
        loop {
            let output = std::fs::read_to_string(&self.output).unwrap();
            if output.contains(line) {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "it has ended: {output}");
            assert!(begun.elapsed() < PATIENCE, "{output}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_is_created_once_etcd_is_back() {
    let etcd = Etcd::single();
    let link = Proxy::to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), etcd.ports()[0]));
    let mut server = Starting::over(&link);
    let head = format!("/portcullis/{SET_NAME}/head");
    waiting::until("it is elected", || {
        let head = etcd.control(&["get", &head, "-w", "fields"]);
        head.contains("\"Version\" : 2")
    });
    link.cut();
    server.wait_for("Cannot create the first administrator yet");
    link.heal();
    server.wait_for("First administrator created");
    server.wait_for("Portcullis is ready");
}
