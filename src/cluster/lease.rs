//! The lease that says that this member is there, and how far it has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::MemberProgress;
use super::etcd::proto::PutRequest;
use super::etcd::{EtcdError, KeepAlive};
use super::head::encode_progress;
use super::shared::Shared;
use super::state::Lease;
use crate::telemetry::replication as events;

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(100);

/// Holds a lease for ever: a new one whenever it is lost.
pub(super) async fn hold(shared: Arc<Shared>, host: Arc<str>) {
    let mut lost = None;
    loop {
        let held = hold_one(&shared, &host, lost).await;
        lost = shared.state().lease.map(|lease| lease.id).or(lost);
        if let Err(error) = held {
            if shared.state().lease.is_some() {
                events::lease_lost(&error);
            }
            shared.missed(&error);
        }
        shared.update(|state| {
            state.lease = None;
            if state.reign.take().is_some() {
                events::stepped_down("the lease has run out");
            }
        });
        tokio::time::sleep(PAUSE).await;
    }
}

/// Holds one lease until it is lost. `lost` is the one before: etcd may not know yet that it is.
async fn hold_one(
    shared: &Arc<Shared>,
    host: &Arc<str>,
    lost: Option<i64>,
) -> Result<(), EtcdError> {
    if let Some(lost) = lost {
        match shared.etcd.revoke(lost).await {
            // It has run out by itself.
            Ok(_) | Err(EtcdError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let asked = Instant::now();
    let granted = shared.etcd.grant(shared.options.etcd.lease_ttl).await?;
    let ttl = Duration::from_secs(u64::try_from(granted.ttl).unwrap_or_default());
    let id = granted.id;
    note(shared, id, asked + ttl);
    tell(shared, host, id).await?;
    let mut keep_alive = None;
    loop {
        let renewed = match keep_alive.take() {
            None => KeepAlive::open(&shared.etcd, id).await,
            Some(mut open) => {
                let renewed = KeepAlive::renew(&mut open).await;
                renewed.map(|until| (open, until))
            }
        };
        match renewed {
            Ok((open, until)) => {
                shared.reached();
                note(shared, id, until);
                keep_alive = Some(open);
                tokio::time::sleep(shared.beat()).await;
            }
            Err(EtcdError::Unreachable(_) | EtcdError::TokenExpired)
                if shared.state().has_lease(Instant::now()) =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A tenth less than etcd says: clocks run at different speeds.
fn note(shared: &Shared, id: i64, until: Instant) {
    let margin = shared.options.etcd.lease_ttl / 10;
    let until = until.checked_sub(margin).unwrap_or(until);
    shared.update(|state| state.lease = Some(Lease { id, until }));
}

/// Tells etcd whenever this member has come further, for ever. The primary need not: it is where
/// everybody else wants to be.
pub(super) async fn report(shared: Arc<Shared>, host: Arc<str>) {
    let mut applied = shared.applied.subscribe();
    while applied.changed().await.is_ok() {
        // Without a lease there is nothing to do: with the next one it is told.
        while let Some(lease) = reporting_lease(&shared) {
            match tell(&shared, &host, lease).await {
                Ok(()) => break,
                Err(error) => shared.missed(&error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn reporting_lease(shared: &Shared) -> Option<i64> {
    let state = shared.state();
    let lease = state.lease.filter(|_| state.reign.is_none());
    lease.map(|lease| lease.id)
}

async fn tell(shared: &Shared, host: &Arc<str>, lease: i64) -> Result<(), EtcdError> {
    // One at a time: what is told later is not overtaken by what was told earlier.
    let _telling = shared.telling.lock().await;
    let progress = MemberProgress::from(shared.state().applied.last);
    let request = PutRequest {
        key: shared.keys.member(host),
        value: encode_progress(progress).into(),
        lease,
    };
    shared.etcd.put(request).await.map(|_| ())
}
