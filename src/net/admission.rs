//! Whether a connection may come in at all.

use std::sync::Arc;

use tokio::time::timeout;

use super::arrival::{Arrived, arrive};
use super::counters::Place;
use super::listener::Accepted;
use super::shutdown::Stopped;
use super::{Door, StopSignal, tls};

/// What a connection is admitted with.
pub(super) struct Admission {
    pub(super) place: Place,
    pub(super) door: Arc<Door>,
    pub(super) stop: StopSignal,
}

/// Lets a connection in, counts and logs it; `None` for one that may not come in, leaves, or takes
/// too long. The time for the first message runs from the start.
pub(super) async fn let_in(
    accepted: Accepted,
    connection_id: i32,
    admission: &Admission,
    stop: &mut Stopped,
) -> Option<Arrived> {
    let (door, counters) = (&admission.door, admission.place.counters());
    let arrived = tokio::select! {
        biased;
        arrived = timeout(door.limits.handshake_timeout(), arrive(accepted, door, counters)) => {
            match arrived {
                Ok(Ok(arrived)) => arrived,
                Ok(Err((remote, reason))) => {
                    tls::log::turned_away(connection_id, &remote, &reason, counters);
                    return None;
                }
                Err(_) => {
                    tracing::debug!(connection_id, "the peer took too long for the handshake");
                    return None;
                }
            }
        }
        () = stop.wait() => return None,
    };
    counters.add_in(arrived.received.len());
    if let Some(session) = &arrived.tls {
        counters.add_tls(session);
        tls::log::accepted(connection_id, &arrived.remote, session);
    }
    Some(arrived)
}
