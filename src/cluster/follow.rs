//! Following by watch: the one task that changes the catalog of a member, primary or not.
//!
//! etcd delivers all events of one transaction together, and transactions in order, so a batch is
//! applied whole and in its place.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::error::FollowError;
use super::etcd::proto::event::EventType;
use super::etcd::proto::{Event, KeyValue, RangeRequest, WatchResponse};
use super::etcd::{EtcdError, Watch, range_of};
use super::head::{Damaged, Head, decode_progress};
use super::keys::Place;
use super::shared::Shared;
use super::snapshot::{change_of, config_of, leader_of};
use super::state::Applied;
use super::{snapshot, staged};
use crate::store::record::Write;
use crate::telemetry::replication as events;

/// How long to wait before trying again, first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Follows what happens after what was loaded, for ever.
pub(super) async fn follow(shared: Arc<Shared>) {
    let mut pause = PAUSE_MIN;
    loop {
        let before = shared.state().followed;
        let Err(error) = watch(&shared, before).await else {
            continue;
        };
        let followed = shared.state().followed;
        if followed > before {
            pause = PAUSE_MIN;
        }
        if let FollowError::Etcd(EtcdError::Compacted(_)) = error {
            events::history_compacted(followed);
        } else {
            note_failure(&shared, &error);
            // Somebody may be repairing it.
            rest(&mut pause).await;
        }
        if let FollowError::Etcd(EtcdError::Unreachable(_) | EtcdError::TokenExpired) = error {
            continue;
        }
        if let Err(error) = snapshot::load(&shared).await {
            note_failure(&shared, &error);
            rest(&mut pause).await;
        }
    }
}

async fn rest(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSE_MAX);
}

/// What cannot be read stops this member from being believed, until it can.
fn note_failure(shared: &Shared, error: &FollowError) {
    match error {
        FollowError::Etcd(error @ (EtcdError::Refused(_) | EtcdError::NoSpace(_))) => {
            events::etcd_refused("a watch", error);
        }
        FollowError::Etcd(error) => shared.missed(error),
        FollowError::Damaged(damaged) => {
            events::cannot_follow(damaged);
            shared.update(|state| {
                state.is_damaged = true;
                state.reign = None;
            });
        }
    }
}

/// Watches until something fails, or until another endpoint is asked: one that does not answer calls
/// may keep silent here as well, and who waits for what it has written must not wait for that to be
/// noticed. `followed` is the last revision that was followed.
async fn watch(shared: &Shared, followed: i64) -> Result<(), FollowError> {
    let mut watch = Watch::open(&shared.etcd, shared.keys.root(), followed + 1).await?;
    let mut beat = tokio::time::interval(shared.beat());
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turned = pin!(watch.turned());
    check_history(shared, followed).await?;
    loop {
        tokio::select! {
            answer = watch.next() => {
                let answer = answer?;
                shared.reached();
                take(shared, answer).await?;
            }
            () = &mut turned => return Ok(()),
            _ = beat.tick() => {
                if watch.heard().elapsed() > shared.beat() * 3 {
                    watch.turn();
                    let text = "the watch does not answer".to_owned();
                    return Err(EtcdError::Unreachable(text).into());
                }
                // Else silence would say nothing.
                watch.ask_for_progress();
            }
        }
    }
}

/// Finds out at each beat whether anything is missing here, for ever. The watch does not tell: etcd
/// 3.4 says that it has told everything before it has.
pub(super) async fn compare(shared: Arc<Shared>) {
    let request = RangeRequest {
        key: shared.keys.head(),
        ..RangeRequest::default()
    };
    // Else a healthy member would be stale between two looks.
    let staleness_max = shared.options.etcd.staleness_max;
    let pause = staleness_max.map_or(shared.beat(), |max| shared.beat().min(max / 4));
    loop {
        tokio::time::sleep(pause).await;
        let asked = Instant::now();
        match shared.etcd.range(request.clone()).await {
            Ok(answer) => {
                shared.reached();
                let present = answer.header.map_or(0, |header| header.revision);
                let written = answer.kvs.first().map_or(0, |head| head.mod_revision);
                shared.update(|state| {
                    state.present = present;
                    let applied = state.applied.head_revision;
                    state.freshness.look(asked, written, applied);
                });
            }
            Err(error) => shared.missed(&error),
        }
    }
}

/// Refuses to go on where etcd has another past than was followed, because an older backup of it was
/// put in its place. That breaks every watch, so it is enough to look when one is opened.
async fn check_history(shared: &Shared, followed: i64) -> Result<(), FollowError> {
    let is_same = match has_past(shared, followed).await {
        // A revision that is still to come.
        Err(FollowError::Etcd(EtcdError::Refused(reason)))
            if reason.contains("future revision") =>
        {
            false
        }
        compared => compared?,
    };
    if is_same {
        return Ok(());
    }
    let reason = format!("etcd has something else at revision {followed} than was followed");
    Err(Damaged::new("the history", reason).into())
}

/// Whether etcd had at `followed` what is known here. The last batch alone would not tell: who is
/// primary, the configuration and who is there change without one.
async fn has_past(shared: &Shared, followed: i64) -> Result<bool, FollowError> {
    let (etcd, keys) = (&shared.etcd, &shared.keys);
    let members = RangeRequest {
        revision: followed,
        ..range_of(&keys.members())
    };
    let (head, config, primary, members) = tokio::try_join!(
        etcd.get_at(keys.head(), followed),
        etcd.get_at(keys.config(), followed),
        etcd.get_at(keys.primary(), followed),
        etcd.range(members),
    )?;
    let (Some(head), Some(config)) = (head, config) else {
        return Ok(false);
    };
    let applied = Applied::of(&Head::decode(&head.value)?, head.mod_revision);
    let (config, config_revision) = (config_of(&config)?, config.mod_revision);
    let leader = primary.as_ref().map(leader_of).transpose()?;
    let mut live = BTreeMap::new();
    for kv in &members.kvs {
        if let Place::Member(host) = keys.place(&kv.key) {
            live.insert(host.into(), decode_progress(host, &kv.value)?);
        }
    }
    let state = shared.state();
    Ok(state.applied == applied
        && state.config_revision == config_revision
        && *state.config == config
        && state.leader == leader
        && state.live == live)
}

/// Applies events, one transaction after the other.
async fn take(shared: &Shared, answer: WatchResponse) -> Result<(), FollowError> {
    let mut rest = answer.events.as_slice();
    while let Some(first) = rest.first() {
        let of = revision_of(first);
        let together = rest.iter().take_while(|event| revision_of(event) == of);
        let (transaction, later) = rest.split_at(together.count().max(1));
        apply(shared, transaction, of).await?;
        let mut state = shared.state();
        state.followed = of.max(state.followed);
        rest = later;
    }
    Ok(())
}

fn revision_of(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

async fn apply(shared: &Shared, events: &[Event], revision: i64) -> Result<(), FollowError> {
    let mut writes = Vec::new();
    let mut head = None;
    for event in events {
        let Some(kv) = &event.kv else { continue };
        let is_put = event.r#type() == EventType::Put;
        match shared.keys.place(&kv.key) {
            Place::Head if is_put => head = Some(Head::decode(&kv.value)?),
            Place::Record(table, key) => writes.push(Write {
                table,
                key: key.to_vec(),
                record: is_put.then(|| kv.value.to_vec()),
            }),
            Place::Config | Place::Primary | Place::Member(_) => {
                note(shared, kv, is_put)?;
            }
            _ => {}
        }
    }
    let Some(head) = head else {
        // Records without a new head: a primary brings up to date what counts already.
        return Ok(());
    };
    let last = shared.state().applied.last;
    if head.last != last {
        if head.last.sequence.0 != last.sequence.0.saturating_add(1) {
            let (from, to) = (last.sequence, head.last.sequence);
            let reason = format!("batch {to} follows batch {from}");
            return Err(Damaged::new("the history", reason).into());
        }
        if head.is_staged {
            writes = staged::read(shared, head.batch, revision).await?;
        }
        let changes = writes.iter().map(change_of);
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        shared.visible.send_replace(head.last);
        // Without changes the generation stays, and with it all that was derived from the catalog.
        if !changes.is_empty() {
            shared.catalog.apply(changes);
        }
    }
    let applied = Applied::of(&head, revision);
    shared.update(|state| state.follow_to(applied));
    Ok(())
}

/// Takes note of something that is no record.
fn note(shared: &Shared, kv: &KeyValue, is_put: bool) -> Result<(), FollowError> {
    match (shared.keys.place(&kv.key), is_put) {
        (Place::Config, true) => {
            let config = Arc::new(config_of(kv)?);
            shared.update(|state| state.set_config(config, kv.mod_revision));
        }
        (Place::Primary, true) => {
            let leader = leader_of(kv)?;
            shared.update(|state| state.set_leader(Some(leader)));
        }
        (Place::Primary, false) => shared.update(|state| state.set_leader(None)),
        (Place::Member(host), true) => {
            let progress = decode_progress(host, &kv.value)?;
            shared.update(|state| state.live.insert(host.into(), progress));
        }
        (Place::Member(host), false) => {
            shared.update(|state| state.live.remove(host));
        }
        _ => {}
    }
    Ok(())
}
