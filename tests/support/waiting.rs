//! Waits for what says nothing by itself: it is looked at again and again, with a pause in between that
//! leaves the processor to whom is waited for.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use super::{PATIENCE, RawClient, TestServer};

/// Between two looks at something that cannot be waited for.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks again until it is so; `what` is what did not come in time.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Sees when the server has read a message that it has yet to answer. Nobody else may send anything
/// meanwhile.
pub struct Observer {
    client: RawClient,
    /// Messages that were read when it looked last, that look included.
    read: i64,
}

impl Observer {
    /// To be made before the message is sent.
    pub fn of(server: &TestServer) -> Self {
        let mut observer = Self {
            client: server.admin(),
            read: 0,
        };
        observer.read = requests(&observer.look());
        observer
    }

    /// Waits until one message more was read than its own; the `serverStatus` that says so. From then on
    /// the command is under way, even if the server is told to stop.
    pub fn wait_for_a_message(&mut self) -> Document {
        let mut status = Document::new();
        until("the message has been read", || {
            status = self.look();
            self.read += 1;
            requests(&status) > self.read
        });
        self.read += 1;
        assert_eq!(requests(&status), self.read, "somebody else sends too");
        status
    }

    fn look(&mut self) -> Document {
        self.client.run("admin", doc! { "serverStatus": 1 })
    }
}

/// Messages that were read, those included that are not answered yet.
fn requests(status: &Document) -> i64 {
    let network = status.get_document("network").unwrap();
    network.get_i64("numRequests").unwrap()
}

/// One thread takes the signal and then stops the others, each when it gets its turn; until then they
/// work.
pub(super) fn until_stopped(process: u32) {
    until("all threads are stopped", || is_stopped(process));
}

/// Whether every thread is stopped (`proc_pid_stat(5)`: the state follows the name).
fn is_stopped(process: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        state.starts_with(['T', 't', 'Z'])
    })
}
