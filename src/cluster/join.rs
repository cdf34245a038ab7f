//! Becoming a member: making what a new set needs, reading what an old one has, and being listed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ReplicaSetConfig;
use super::error::JoinError;
use super::etcd::proto::response_op::Response;
use super::etcd::{Etcd, EtcdError, get, is_absent, mod_revision_is, put, txn};
use super::head::{Damaged, Head, bytes_of, following};
use super::shared::Shared;
use super::snapshot::config_of;
use super::{LastWrite, snapshot};
use crate::catalog::Catalog;
use crate::config::ReplicationConfig;
use crate::store::record;
use crate::store::{Change, Setting};

/// The layout of keys and values.
const FORMAT_VERSION: u64 = 1;
/// How long etcd may take to answer at the start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Makes the set if there is none yet, with `secret` as the secret of the deployment, and reads
/// everything into `catalog`. Answers the revision it was read at.
pub(super) async fn load(
    options: ReplicationConfig,
    catalog: Arc<Catalog>,
    secret: Setting,
) -> Result<(Arc<Shared>, i64), JoinError> {
    let etcd = Etcd::new(&options.etcd)?;
    let shared = Arc::new(Shared::new(options, etcd, catalog));
    let begun = Instant::now();
    loop {
        let loaded = match found(&shared, secret.clone()).await {
            Ok(()) => snapshot::load(&shared).await.map_err(JoinError::from),
            Err(error) => Err(error),
        };
        match loaded {
            Ok(revision) => {
                shared.reached();
                return Ok((shared, revision));
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
    let secret = Change::PutSetting(secret);
    let secret = record::encode(&secret).map_err(|error| JoinError::Unusable(error.to_string()))?;
    let head = Head {
        last: following(LastWrite::NONE, 0),
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
    let request = txn(
        vec![is_absent(keys.format())],
        new,
        vec![get(keys.format())],
    );
    // Once more is harmless: the second time it is there.
    let answer = shared.etcd.txn(request).await?;
    if answer.succeeded {
        return Ok(());
    }
    let response = answer.responses.into_iter().next();
    let entry = match response.and_then(|response| response.response) {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    };
    let text = entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
    match text.as_deref().map(str::parse) {
        Some(Ok(FORMAT_VERSION)) => Ok(()),
        Some(Ok(found)) if found > FORMAT_VERSION => Err(JoinError::NewerFormat {
            found,
            known: FORMAT_VERSION,
        }),
        _ => Err(Damaged::new("format", "it is not a known number").into()),
    }
}

/// Lists this member in the configuration of the set.
pub(super) async fn enlist(shared: &Shared, host: &str) -> Result<(), JoinError> {
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

async fn enlist_once(shared: &Shared, host: &str) -> Result<bool, JoinError> {
    let key = shared.keys.config();
    let read = txn(Vec::new(), vec![get(key.clone())], Vec::new());
    let answer = shared.etcd.txn(read).await?;
    let response = answer.responses.into_iter().next();
    let entry = match response.and_then(|response| response.response) {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    };
    let entry = entry.ok_or_else(|| Damaged::new("config", "it is missing"))?;
    let config = config_of(&entry)?;
    let Some(joined) = config.joined_by(host, &shared.options.tags)? else {
        return Ok(true);
    };
    write_config(shared, &joined, entry.mod_revision)
        .await
        .map_err(JoinError::from)
}

/// Replaces the configuration, if it is still the one of `revision`.
pub(super) async fn write_config(
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
