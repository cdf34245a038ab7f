//! Reading everything at one revision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::error::FollowError;
use super::etcd::proto::{KeyValue, RangeRequest};
use super::etcd::{EtcdError, range_of};
use super::freshness::Freshness;
use super::head::{Damaged, Head, decode_primary, decode_progress, parse};
use super::keys::Place;
use super::shared::Shared;
use super::staged;
use super::state::{Applied, Leader};
use super::{MemberProgress, ReplicaSetConfig};
use crate::catalog::Catalog;
use crate::store::Change;
use crate::store::record::{self, Write};
use crate::telemetry::replication as events;

/// Keys in one answer: at first, at most and at least. etcd counts all that are left for each page, so
/// many small ones take long; large ones do not fit, or not in time.
const PAGE_KEYS: i64 = 1024;
const PAGE_KEYS_MAX: i64 = 65_536;
const PAGE_KEYS_MIN: i64 = 1;
/// Bytes of keys and values that an answer should have.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Reads everything as of one revision and makes it visible at once.
pub(super) async fn load(shared: &Shared) -> Result<(), FollowError> {
    let started = Instant::now();
    let snapshot = read(shared).await?;
    let revision = snapshot.revision;
    shared.visible.send_replace(snapshot.head.last);
    let found = Catalog::with_milvus_on(shared.catalog.milvus_db().clone());
    found.apply(snapshot.changes);
    shared.catalog.replace(&found);
    let applied = Applied::of(&snapshot.head, snapshot.head_revision);
    shared.update(|state| {
        state.follow_to(applied);
        state.followed = revision;
        state.set_config(Arc::new(snapshot.config), snapshot.config_revision);
        state.set_leader(snapshot.leader);
        state.live = snapshot.live;
        state.freshness = Freshness::since(started);
        state.is_damaged = false;
    });
    let (users, roles) = (shared.catalog.user_count(), shared.catalog.role_count());
    events::snapshot_loaded(revision, users, roles, started.elapsed());
    Ok(())
}

/// Everything there was at one revision.
struct Snapshot {
    revision: i64,
    head: Head,
    head_revision: i64,
    config: ReplicaSetConfig,
    config_revision: i64,
    leader: Option<Leader>,
    live: BTreeMap<Arc<str>, MemberProgress>,
    /// What makes every record, and what a staged batch does to them.
    changes: Vec<Change>,
}

async fn read(shared: &Shared) -> Result<Snapshot, FollowError> {
    let keys = &shared.keys;
    let mut small = BTreeMap::new();
    let mut live = BTreeMap::new();
    let mut leader = None;
    let mut changes = Vec::new();
    let mut pages = Pages::of(keys.root());
    while let Some(page) = pages.next(shared).await? {
        for kv in page {
            match keys.place(&kv.key) {
                Place::Head | Place::Config => {
                    small.insert(kv.key.clone(), kv);
                }
                Place::Primary => leader = Some(leader_of(&kv)?),
                Place::Member(host) => {
                    live.insert(host.into(), decode_progress(host, &kv.value)?);
                }
                Place::Record(table, key) => changes.push(change_of(&Write {
                    table,
                    key: key.to_vec(),
                    record: Some(kv.value.to_vec()),
                })?),
                Place::Format | Place::Staged | Place::Unknown => {}
            }
        }
    }
    let missing = |key: &str| Damaged::new(key, "it is missing");
    let head_entry = small.get(&keys.head()).ok_or_else(|| missing("head"))?;
    let config_entry = small.get(&keys.config()).ok_or_else(|| missing("config"))?;
    let head = Head::decode(&head_entry.value)?;
    if head.is_staged {
        for write in staged::read(shared, head.batch, pages.revision).await? {
            changes.push(change_of(&write)?);
        }
    }
    Ok(Snapshot {
        revision: pages.revision,
        head,
        head_revision: head_entry.mod_revision,
        config: config_of(config_entry)?,
        config_revision: config_entry.mod_revision,
        leader,
        live,
        changes,
    })
}

/// All keys with a prefix at one revision, page by page.
pub(super) struct Pages {
    request: RangeRequest,
    /// The revision read at; 0 until the first page is there.
    pub(super) revision: i64,
    is_done: bool,
}

impl Pages {
    /// As of now.
    pub(super) fn of(prefix: &[u8]) -> Self {
        Self::at(prefix, 0)
    }

    /// As of `revision`; 0 for now.
    pub(super) fn at(prefix: &[u8], revision: i64) -> Self {
        Self {
            request: RangeRequest {
                limit: PAGE_KEYS,
                revision,
                ..range_of(prefix)
            },
            revision,
            is_done: false,
        }
    }

    /// The next page, or `None` after the last.
    pub(super) async fn next(
        &mut self,
        shared: &Shared,
    ) -> Result<Option<Vec<KeyValue>>, FollowError> {
        if self.is_done {
            return Ok(None);
        }
        let mut tries_left = shared.etcd.endpoint_count();
        let page = loop {
            match shared.etcd.range(self.request.clone()).await {
                // Reading twice does no harm.
                Err(EtcdError::Refused(_)) if self.request.limit > PAGE_KEYS_MIN => {
                    self.request.limit /= 4;
                    self.request.limit = self.request.limit.max(PAGE_KEYS_MIN);
                }
                Err(error @ EtcdError::Unreachable(_))
                    if tries_left > 1 || self.request.limit > PAGE_KEYS_MIN =>
                {
                    tries_left = tries_left.saturating_sub(1);
                    self.request.limit = (self.request.limit / 4).max(PAGE_KEYS_MIN);
                    shared.missed(&error);
                }
                result => break result?,
            }
        };
        let bytes: usize = page
            .kvs
            .iter()
            .map(|kv| kv.key.len() + kv.value.len())
            .sum();
        if bytes < PAGE_BYTES / 2 {
            self.request.limit = (self.request.limit * 2).min(PAGE_KEYS_MAX);
        } else if bytes > PAGE_BYTES * 2 {
            self.request.limit = (self.request.limit / 2).max(PAGE_KEYS_MIN);
        }
        if self.revision == 0 {
            self.revision = page.header.map_or(0, |header| header.revision);
            self.request.revision = self.revision;
        }
        match page.kvs.last() {
            Some(last) if page.more => {
                // The first key after it.
                self.request.key = [&last.key[..], b"\0"].concat().into();
            }
            _ => self.is_done = true,
        }
        Ok(Some(page.kvs))
    }
}

/// The change that a write of a record is.
pub(super) fn change_of(write: &Write) -> Result<Change, Damaged> {
    let change = match &write.record {
        Some(record) => record::decode(write.table, &write.key, record),
        None => record::removal(write.table, &write.key),
    };
    change.map_err(|error| {
        let key = record::display_key(write.table, &write.key);
        Damaged::new(format!("{}/{key}", write.table.name()), error)
    })
}

pub(super) fn leader_of(kv: &KeyValue) -> Result<Leader, Damaged> {
    Ok(Leader {
        host: decode_primary(&kv.value)?.into(),
        create_revision: kv.create_revision,
        lease: kv.lease,
    })
}

pub(super) fn config_of(kv: &KeyValue) -> Result<ReplicaSetConfig, Damaged> {
    let document = parse(&kv.value).map_err(|reason| Damaged::new("config", reason))?;
    ReplicaSetConfig::parse(&document).map_err(|error| Damaged::new("config", error))
}
