//! The lease that says that this member is there, and how far it has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::MemberProgress;
use super::etcd::proto::{PutRequest, RangeRequest};
use super::etcd::{EtcdError, KeepAlive, Renewal, is_absent, put, txn};
use super::head::encode_progress;
use super::shared::Shared;
use super::state::{Lease, State};
use crate::telemetry::replication as events;

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(100);
/// After how many revisions of etcd without an event of this set one is made.
const SILENT_REVISIONS: i64 = 100;

/// Takes the name of a member under a new lease, unless a process holds it that lives or whose lease
/// has not run out yet. Answers whether it was taken.
pub(super) async fn claim(shared: &Shared, host: &Arc<str>) -> Result<bool, EtcdError> {
    let key = shared.keys.member(host);
    if shared.etcd.get(key.clone()).await?.is_some() {
        return Ok(false);
    }
    let asked = Instant::now();
    let granted = shared.etcd.grant(shared.options.etcd.lease_ttl).await?;
    let ttl = Duration::from_secs(u64::try_from(granted.ttl).unwrap_or_default());
    let progress = MemberProgress::from(shared.state().applied.last);
    let request = txn(
        vec![is_absent(key.clone())],
        vec![put(key, encode_progress(progress), granted.id)],
        Vec::new(),
    );
    let claimed = shared.etcd.txn(request).await;
    match &claimed {
        Ok(answer) if answer.succeeded => note(shared, granted.id, asked + ttl),
        // Otherwise the name, if it was taken after all, is free once the lease has run out.
        _ => drop(shared.etcd.revoke(granted.id).await),
    }
    claimed.map(|answer| answer.succeeded)
}

/// For how long the lease was granted under which a process has the name; no time if none has.
pub(super) async fn granted(shared: &Shared, host: &str) -> Result<Duration, EtcdError> {
    match shared.etcd.get(shared.keys.member(host)).await? {
        Some(entry) => shared.etcd.granted(entry.lease).await,
        None => Ok(Duration::ZERO),
    }
}

/// Keeps the lease for ever. When it is lost, takes the name again as soon as that is free.
pub(super) async fn hold(shared: Arc<Shared>, host: Arc<str>) {
    loop {
        let lease = shared.state().lease;
        if let Some(lease) = lease {
            let error = keep(&shared, lease.id).await;
            events::lease_lost(&error);
            shared.missed(&error);
            lose(&shared, lease).await;
        }
        regain(&shared, &host).await;
    }
}

/// Renews the lease until it is lost, and answers why.
async fn keep(shared: &Arc<Shared>, id: i64) -> EtcdError {
    let mut keep_alive = None;
    loop {
        let renewed = match keep_alive.take() {
            None => KeepAlive::open(&shared.etcd, id).await,
            Some(mut open) => {
                let renewed = KeepAlive::renew(&mut open).await;
                renewed.map(|renewal| (open, renewal))
            }
        };
        let confirmed = match renewed {
            Ok((open, renewal)) => confirm(shared, renewal).await.map(|()| (open, renewal)),
            Err(error) => Err(error),
        };
        match confirmed {
            Ok((open, renewal)) => {
                shared.reached();
                note(shared, id, renewal.until);
                keep_alive = Some(open);
                tokio::time::sleep(shared.beat()).await;
            }
            Err(EtcdError::Unreachable(_) | EtcdError::TokenExpired)
                if shared.state().has_lease(Instant::now()) =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return error,
        }
    }
}

/// Makes sure that the leader of etcd has renewed the lease. One that was replaced renews leases as well
/// until it notices, and the others count them from when they had another leader. A majority tells which
/// term it is in, and terms never go back: if it is the one of the renewal, that was its leader.
async fn confirm(shared: &Shared, renewal: Renewal) -> Result<(), EtcdError> {
    let request = RangeRequest {
        key: shared.keys.head(),
        ..RangeRequest::default()
    };
    let answer = shared.etcd.range(request).await?;
    if answer.header.map_or(0, |header| header.raft_term) == renewal.raft_term {
        Ok(())
    } else {
        let text = "etcd has chosen a leader since the lease was renewed";
        Err(EtcdError::Unreachable(text.to_owned()))
    }
}

/// Takes back what was done under the lease: etcd may not know yet that it is over.
async fn lose(shared: &Shared, lease: Lease) {
    shared.update(|state| {
        state.lease = None;
        if state.reign.take().is_some() {
            events::stepped_down("the lease has run out");
        }
    });
    loop {
        match shared.etcd.revoke(lease.id).await {
            // It has run out by itself.
            Ok(_) | Err(EtcdError::Refused(_)) => return,
            Err(error) => shared.missed(&error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn regain(shared: &Shared, host: &Arc<str>) {
    let (mut is_known_taken, mut is_known_full) = (false, false);
    loop {
        let mut pause = PAUSE;
        match claim(shared, host).await {
            Ok(true) => return,
            Ok(false) if !is_known_taken => {
                is_known_taken = true;
                events::name_taken(host);
            }
            Ok(false) => {}
            Err(error @ EtcdError::NoSpace(_)) => {
                if !is_known_full {
                    is_known_full = true;
                    events::etcd_refused("the lease of this member", &error);
                }
                // Each try raises the alarm anew.
                pause = shared.beat();
            }
            Err(error) => shared.missed(&error),
        }
        tokio::time::sleep(pause).await;
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
///
/// Where others write to the same etcd, one member tells it as well when nothing has happened here for
/// long: that comes by every member's watch, and then each has surely followed everything before it. Else
/// history that says nothing of this set would be compacted, and the next watch could not go on from
/// before it.
pub(super) async fn report(shared: Arc<Shared>, host: Arc<str>) {
    let mut applied = shared.applied.subscribe();
    let mut told = None;
    loop {
        // A new lease comes without anything being applied.
        let _ = tokio::time::timeout(shared.beat(), applied.changed()).await;
        let mut is_due = is_mark_due(&shared.state());
        while let Some(news) = news(&shared, is_due).filter(|news| is_due || told != Some(*news)) {
            match tell(&shared, &host, news).await {
                Ok(()) => {
                    told = Some(news);
                    is_due = false;
                }
                // It answers, and there will be no room in a moment.
                Err(EtcdError::NoSpace(_)) => break,
                Err(error) => {
                    shared.missed(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Whether others have written much since anything came by the watch, and it is for this member to change
/// that: the primary does, or anybody while there is none. One that cannot follow stays behind whatever
/// it writes.
fn is_mark_due(state: &State) -> bool {
    (state.leader.is_none() || state.is_leader())
        && !state.is_damaged
        && state.present.saturating_sub(state.followed) >= SILENT_REVISIONS
}

/// What there is to tell, and under which lease; without one there is nothing to do.
fn news(shared: &Shared, is_due: bool) -> Option<(i64, MemberProgress)> {
    let state = shared.state();
    let lease = state.lease.filter(|_| is_due || state.reign.is_none())?;
    Some((lease.id, MemberProgress::from(state.applied.last)))
}

async fn tell(
    shared: &Shared,
    host: &Arc<str>,
    (lease, progress): (i64, MemberProgress),
) -> Result<(), EtcdError> {
    let request = PutRequest {
        key: shared.keys.member(host),
        value: encode_progress(progress).into(),
        lease,
    };
    shared.etcd.put(request).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::Catalog;
    use crate::cluster::etcd::Etcd;
    use crate::cluster::state::Leader;
    use crate::config::{EtcdConfig, ReplicationConfig};

    fn shared() -> Shared {
        let etcd = EtcdConfig {
            endpoints: vec!["http://127.0.0.1:1".to_owned()],
            prefix: "/portcullis".to_owned(),
            lease_ttl: Duration::from_secs(5),
            staleness_max: None,
            ca_file: None,
            certificate_key_file: None,
            credentials: None,
        };
        let options = ReplicationConfig {
            set_name: "rs0".to_owned(),
            host: None,
            tags: BTreeMap::new(),
            etcd,
        };
        let etcd = Etcd::new(&options.etcd).unwrap();
        Shared::new(options, etcd, Arc::new(Catalog::default()))
    }

    #[tokio::test]
    async fn one_member_makes_an_event_after_long_silence() {
        let shared = shared();
        let me: Arc<str> = "a:1".into();
        let leader = |host: &str| Leader {
            host: host.into(),
            create_revision: 7,
            lease: 9,
        };
        let mut state = shared.state();
        state.me = Some(me);
        state.lease = Some(Lease {
            id: 9,
            until: Instant::now(),
        });
        (state.followed, state.present) = (1_000, 1_000 + SILENT_REVISIONS - 1);
        assert!(!is_mark_due(&state));
        state.present += 1;
        assert!(is_mark_due(&state));
        state.leader = Some(leader("b:1"));
        assert!(!is_mark_due(&state));
        state.leader = Some(leader("a:1"));
        assert!(is_mark_due(&state));
        state.is_damaged = true;
        assert!(!is_mark_due(&state));
    }
}
