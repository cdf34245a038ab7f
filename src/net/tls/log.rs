//! What operators are told about handshakes, with mongod's event numbers and texts, so that tools find
//! them.

use super::super::counters::ConnectionCounters;
use super::super::{Address, TlsSession};
use super::TurnedAway;

/// The component that mongod files these under.
const TARGET: &str = "NETWORK";

/// Who was refused is the operator's business, now and then with a count so that nobody floods the
/// log; who left before saying anything is not.
pub(crate) fn turned_away(
    connection_id: i32,
    remote: &Address,
    reason: &TurnedAway,
    counters: &ConnectionCounters,
) {
    let connection_id = u64::try_from(connection_id).unwrap_or_default();
    if let TurnedAway::Socket(reason) = reason {
        tracing::debug!(
            target: TARGET,
            id = 9_900_031_u64,
            connection_id,
            %remote,
            %reason,
            "Connection ended before its first message"
        );
    } else if let Some(refused) = counters.add_tls_refused() {
        tracing::warn!(
            target: TARGET,
            id = 22988_u64,
            refused,
            connection_id,
            %remote,
            %reason,
            "Error receiving request from client. Ending connection from remote"
        );
    }
}

/// The handshake is done; at verbosity 1.
pub(crate) fn accepted(connection_id: i32, remote: &Address, session: &TlsSession) {
    tracing::debug!(
        target: TARGET,
        id = 6_723_804_u64,
        connection_id = u64::try_from(connection_id).unwrap_or_default(),
        %remote,
        version = session.version,
        server_name = session.server_name.as_deref().unwrap_or_default(),
        has_certificate = session.client_certificate.is_some(),
        "Ingress TLS handshake complete"
    );
}
