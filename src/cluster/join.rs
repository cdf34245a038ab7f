//! Becoming a member: making what a new set needs, reading what an old one has, and being listed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::DateTime;

use super::ReplicaSetConfig;
use super::error::JoinError;
use super::etcd::{Etcd, EtcdError, is_absent, mod_revision_is, put, txn};
use super::head::{Damaged, Head, bytes_of, following};
use super::shared::Shared;
use super::snapshot::config_of;
use super::{LastWrite, lease, snapshot};
use crate::catalog::Catalog;
use crate::config::{HostAndPort, ReplicationConfig};
use crate::store::record;
use crate::store::{Change, Setting};
use crate::telemetry::replication as events;

/// The layout of keys and values.
const FORMAT_VERSION: u64 = 1;
/// How long etcd may take to answer at the start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);
/// How long etcd may take to notice that a lease has run out, and to choose a leader.
const CLAIM_MARGIN: Duration = Duration::from_secs(2);

/// Makes the set if there is none yet, with `secret` as the secret of the deployment, and reads
/// everything into `catalog`.
pub(super) async fn load(
    options: ReplicationConfig,
    catalog: Arc<Catalog>,
    secret: Setting,
) -> Result<Arc<Shared>, JoinError> {
    let etcd = Etcd::new(&options.etcd)?;
    let shared = Arc::new(Shared::new(options, etcd, catalog));
    let begun = Instant::now();
    loop {
        let loaded = match found(&shared, secret.clone()).await {
            Ok(()) => snapshot::load(&shared).await.map_err(JoinError::from),
            Err(error) => Err(error),
        };
        match loaded {
            Ok(()) => {
                shared.reached();
                return Ok(shared);
            }
            Err(JoinError::Unreachable(reason)) if begun.elapsed() < START_TIMEOUT => {
                shared.missed(&EtcdError::Unreachable(reason));
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes the set unless it is there.
async fn found(shared: &Shared, secret: Setting) -> Result<(), JoinError> {
    let keys = &shared.keys;
    // Looked at first: an etcd that is full lets nobody write, and everybody read.
    if let Some(format) = shared.etcd.get(keys.format()).await? {
        return check_format(&format.value);
    }
    let secret = Change::PutSetting(secret);
    let secret = record::encode(&secret).map_err(|error| JoinError::Unusable(error.to_string()))?;
    let head = Head {
        last: following(LastWrite::NONE, 0, DateTime::now()),
        batch: uuid::Uuid::new_v4(),
        is_staged: false,
    };
    let config = ReplicaSetConfig::new(&shared.options.set_name);
    let new = vec![
        put(keys.format(), FORMAT_VERSION.to_string(), 0),
        put(keys.head(), head.encode(), 0),
        put(keys.config(), bytes_of(&config.to_document()), 0),
        put(
            keys.record(secret.table, &secret.key),
            secret.record.unwrap_or_default(),
            0,
        ),
    ];
    let request = txn(vec![is_absent(keys.format())], new, Vec::new());
    if shared.etcd.txn(request).await?.succeeded {
        return Ok(());
    }
    // Another member was faster.
    let format = shared.etcd.get(keys.format()).await?;
    check_format(&format.map(|format| format.value).unwrap_or_default())
}

fn check_format(value: &[u8]) -> Result<(), JoinError> {
    match String::from_utf8_lossy(value).parse() {
        Ok(FORMAT_VERSION) => Ok(()),
        Ok(found) if found > FORMAT_VERSION => Err(JoinError::NewerFormat {
            found,
            known: FORMAT_VERSION,
        }),
        _ => Err(Damaged::new("format", "it is not a known number").into()),
    }
}

/// Takes the name `host` for this process. Whoever was killed has a lease that has yet to run out: that
/// is waited for. One that is still there afterwards is renewed by somebody who lives.
///
/// Without a lease where etcd is full: [`lease::hold`] goes on trying, and whoever only reads needs none.
pub(super) async fn claim(shared: &Shared, host: &Arc<str>) -> Result<(), JoinError> {
    let mut answered = Instant::now();
    // Since when another one is known to have it, and how long that may be.
    let mut taken: Option<(Instant, Duration)> = None;
    loop {
        let claimed = match (lease::claim(shared, host).await, taken) {
            (Ok(false), None) => lease::granted(shared, host).await.map(|granted| {
                events::name_taken(host);
                taken = Some((Instant::now(), patience(shared, granted)));
                false
            }),
            (claimed, _) => claimed,
        };
        match claimed {
            Ok(true) | Err(EtcdError::NoSpace(_)) => return Ok(()),
            Ok(false) => {
                answered = Instant::now();
                if taken.is_some_and(|(since, patience)| since.elapsed() > patience) {
                    return Err(JoinError::NameTaken(Arc::clone(host)));
                }
            }
            Err(error) => match JoinError::from(error) {
                JoinError::Unreachable(_) if answered.elapsed() < START_TIMEOUT => {}
                error => return Err(error),
            },
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How long the name may be another's who is dead, and whose lease was `granted` for that long.
fn patience(shared: &Shared, granted: Duration) -> Duration {
    let ttl = granted.max(shared.options.etcd.lease_ttl);
    // etcd counts leases anew when it gets another leader.
    ttl.saturating_mul(2).saturating_add(CLAIM_MARGIN)
}

/// Lists this member in the configuration of the set.
pub(super) async fn enlist(shared: &Shared, host: &HostAndPort) -> Result<(), JoinError> {
    let begun = Instant::now();
    loop {
        match enlist_once(shared, host).await {
            Ok(true) => return Ok(()),
            // Another one was faster.
            Ok(false) => {}
            Err(JoinError::Unreachable(_)) if begun.elapsed() < START_TIMEOUT => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn enlist_once(shared: &Shared, host: &HostAndPort) -> Result<bool, JoinError> {
    let entry = shared.etcd.get(shared.keys.config()).await?;
    let entry = entry.ok_or_else(|| Damaged::new("config", "it is missing"))?;
    let config = config_of(&entry)?;
    let Some(joined) = config.joined_by(host, &shared.options.tags)? else {
        return Ok(true);
    };
    write_config(shared, &joined, entry.mod_revision)
        .await
        .map_err(JoinError::from)
}

/// Adds a member to the configuration, if it is still the one of `revision`.
async fn write_config(
    shared: &Shared,
    config: &ReplicaSetConfig,
    revision: i64,
) -> Result<bool, EtcdError> {
    let key = shared.keys.config();
    let request = txn(
        vec![mod_revision_is(key.clone(), revision)],
        vec![put(key, bytes_of(&config.to_document()), 0)],
        Vec::new(),
    );
    Ok(shared.etcd.txn(request).await?.succeeded)
}
