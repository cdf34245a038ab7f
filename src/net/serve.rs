//! Accepting connections until the order to stop, and stopping.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::admission::Admission;
use super::connection::run;
use super::counters::ConnectionCounters;
use super::listener::{Accepted, Listeners};
use super::{Door, Service, StopSignal};

/// First pause after an accept that failed for want of something; doubles up to the maximum.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
/// Longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How [`serve()`] ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServeSummary {
    /// Connections that were still busy when the time to stop was over.
    pub connections_dropped: usize,
}

/// Serves all listeners until `stop` and until every connection is closed.
///
/// Stopping: nothing is accepted any more, idle connections close, a command that is being answered
/// gets its answer; what is not done after `stop_timeout_ms` is dropped.
pub async fn serve<S: Service>(
    listeners: Listeners,
    service: Arc<S>,
    door: Arc<Door>,
    counters: Arc<ConnectionCounters>,
    stop: StopSignal,
) -> ServeSummary {
    let spawned = |accepted, admission| run(accepted, Arc::clone(&service), admission);
    serve_with(listeners, door, counters, stop, spawned).await
}

/// Accepts, and spawns for each connection what `connection` makes of it.
pub(super) async fn serve_with<F: Future<Output = ()> + Send + 'static>(
    listeners: Listeners,
    door: Arc<Door>,
    counters: Arc<ConnectionCounters>,
    stop: StopSignal,
    connection: impl Fn(Accepted, Admission) -> F,
) -> ServeSummary {
    let mut connections = JoinSet::new();
    let mut backoff = BACKOFF_MIN;
    let stopped = stop.stopped();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listeners.accept() => accepted,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_peers_fault(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for now");
                tokio::select! {
                    () = &mut stopped => break,
                    () = sleep(backoff) => backoff = (backoff * 2).min(BACKOFF_MAX),
                }
                continue;
            }
        };
        backoff = BACKOFF_MIN;
        if !door.may_knock(&accepted.remote) {
            counters.add_not_on_allowlist(&accepted.remote);
            continue;
        }
        let Some(place) = counters.admit(&accepted.remote) else {
            continue;
        };
        let admission = Admission {
            place,
            door: Arc::clone(&door),
            stop: stop.clone(),
        };
        connections.spawn(connection(accepted, admission));
    }
    drop(listeners);
    finish(connections, door.limits.stop_timeout()).await
}

async fn finish(mut connections: JoinSet<()>, limit: Duration) -> ServeSummary {
    let all_done = async { while connections.join_next().await.is_some() {} };
    if timeout(limit, all_done).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections are still busy and are dropped"
        );
    }
    let connections_dropped = connections.len();
    connections.shutdown().await;
    ServeSummary {
        connections_dropped,
    }
}

/// Errors of one connection that was gone before it could be accepted; the next may be fine.
fn is_the_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NotConnected
    )
}
