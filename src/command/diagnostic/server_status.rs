//! `serverStatus` (MongoDB manual, "serverStatus").
//!
//! Each section is left out with `{<section>: 0}`. Counters are read one by one while others count
//! on: the answer is no snapshot.

use bson::raw::RawDocument;
use bson::{DateTime, RawBsonRef, RawDocumentBuf, rawdoc};

use super::host_info::host;
use super::machine::{ProcessMemory, process_memory};
use super::{int32, int64};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, number};
use crate::command::handshake::build_info::MONGODB_VERSION;
use crate::command::handshake::replica_set_hello::replication_section;
use crate::command::metrics::{AuthenticationCounters, MechanismCounters, Metrics};
use crate::command::reply::{Reply, append};
use crate::command::services::{BACKUPS_MAX, Services};
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::mechanism::Mechanism;
use crate::model::names::DbName;
use crate::net::TlsVersion;

const MEBIBYTE: u64 = 1024 * 1024;

arguments! {
    /// The fields of `serverStatus`; all others are names of sections and whether to show them.
    #[derive(Debug)]
    pub struct ServerStatus {
        /// Any value.
        "serverStatus" => value: Anything,
    }
}

/// A part of the answer that a client can do without.
type Section = (&'static str, fn(&Services) -> RawDocumentBuf);

/// In mongod's order: by name, and the metrics last.
const SECTIONS: [Section; 11] = [
    ("audit", audit),
    ("connections", connections),
    ("mem", |_| memory(process_memory().as_ref())),
    ("network", network),
    ("opcounters", |services| {
        operation_counters(&services.metrics)
    }),
    ("portcullis", portcullis),
    ("repl", replication),
    ("security", |services| {
        security(services.mechanisms(), &services.metrics.authentication)
    }),
    ("storageEngine", storage_engine),
    ("transportSecurity", transport_security),
    ("metrics", |services| {
        let mut section = command_metrics(&services.metrics);
        append(&mut section, "cursor", cursors(services));
        let waits = services.metrics.write_concern.to_document();
        append(&mut section, "getLastError", waits);
        section
    }),
];

impl Command for ServerStatus {
    const SPEC: Spec = Spec {
        strict: false,
        ..Spec::new(
            "serverStatus",
            "Answers how the server is and what it has done.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ServerStatus)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let uptime = services.started.elapsed();
        let uptime_seconds = int32(uptime.as_secs());
        let mut reply = Reply::new()
            .with("host", host(context))
            .with("version", MONGODB_VERSION)
            .with("process", env!("CARGO_PKG_NAME"))
            .with("pid", int64(std::process::id()))
            .with("uptime", f64::from(uptime_seconds))
            .with("uptimeMillis", int64(uptime.as_millis()))
            .with("uptimeEstimate", i64::from(uptime_seconds))
            .with("localTime", DateTime::now());
        for (name, section) in SECTIONS {
            if is_wanted(context.body, name) && has_section(services, name) {
                reply.append(name, section(services));
            }
        }
        Ok(reply)
    }
}

/// Every section is shown unless its field is false, in mongod's sense of it.
fn is_wanted(body: &RawDocument, section: &str) -> bool {
    match body.get(section) {
        Ok(Some(RawBsonRef::Boolean(wanted))) => wanted,
        Ok(Some(RawBsonRef::Null | RawBsonRef::Undefined)) => false,
        Ok(Some(value)) => number(value) != Some(0.0),
        _ => true,
    }
}

/// A standalone has no set to tell of.
fn has_section(services: &Services, section: &str) -> bool {
    section != "repl" || services.replica_set.is_some()
}

fn replication(services: &Services) -> RawDocumentBuf {
    let set = services.replica_set.as_ref();
    set.map(replication_section).unwrap_or_default()
}

/// What only this server has: events that were written and events that could not be.
fn audit(services: &Services) -> RawDocumentBuf {
    let (events, failures) = services.audit.counters().unwrap_or_default();
    rawdoc! {
        "enabled": services.audit.is_on(),
        "events": int64(events),
        "failures": int64(failures),
    }
}

fn connections(services: &Services) -> RawDocumentBuf {
    let counters = &services.connections;
    rawdoc! {
        "current": int32(counters.current()),
        "available": int32(counters.available()),
        "totalCreated": int32(counters.total_created()),
        "rejected": int32(counters.rejected()),
    }
}

fn memory(memory: Option<&ProcessMemory>) -> RawDocumentBuf {
    let mut section = rawdoc! { "bits": int32(usize::BITS) };
    if let Some(memory) = memory {
        append(
            &mut section,
            "resident",
            int32(memory.resident_bytes / MEBIBYTE),
        );
        append(
            &mut section,
            "virtual",
            int32(memory.virtual_bytes / MEBIBYTE),
        );
    }
    append(&mut section, "supported", memory.is_some());
    section
}

/// Bytes are counted as they came and went: compressed messages as compressed, under both names.
fn network(services: &Services) -> RawDocumentBuf {
    let counters = &services.connections;
    let mut compression = RawDocumentBuf::new();
    for compressor in &services.compressors {
        append(&mut compression, compressor.name(), RawDocumentBuf::new());
    }
    rawdoc! {
        "bytesIn": int64(counters.bytes_in()),
        "bytesOut": int64(counters.bytes_out()),
        "physicalBytesIn": int64(counters.bytes_in()),
        "physicalBytesOut": int64(counters.bytes_out()),
        "numRequests": int64(counters.requests()),
        "compression": compression,
    }
}

/// There is no data to insert or query: everything is a command.
fn operation_counters(metrics: &Metrics) -> RawDocumentBuf {
    let known: i64 = metrics
        .commands()
        .map(|(_, counters)| counters.total.get())
        .sum();
    rawdoc! {
        "insert": 0_i64,
        "query": 0_i64,
        "update": 0_i64,
        "delete": 0_i64,
        "getmore": 0_i64,
        "command": known.saturating_add(metrics.unknown_commands.get()),
    }
}

/// What only this server has: how much it keeps and how busy its hashing threads are.
fn portcullis(services: &Services) -> RawDocumentBuf {
    let catalog = services.directory.catalog();
    rawdoc! {
        "version": env!("CARGO_PKG_VERSION"),
        "users": int64(catalog.user_count()),
        "roles": int64(catalog.role_count()),
        "hashing": {
            "threads": int32(services.parameters.hashing_threads()),
            "waiting": int32(services.hash_pool.waiting()),
            "queueMax": int32(services.parameters.hashing_queue_max()),
        },
        "signIns": sign_ins(services),
        "connectionsRefused": {
            "tooMany": int64(services.connections.rejected()),
            "allowlist": int64(services.connections.turned_away_by_allowlist()),
            "proxyHeader": int64(services.connections.proxy_headers_refused()),
            "unauthenticated": int64(services.connections.unauthenticated_refused()),
            "tls": int64(services.connections.tls_refused()),
        },
        "logLinesDropped": int64(services.logs.lines_dropped()),
        "connectionsPanicked": int64(services.connections.panicked()),
    }
}

/// How sign-ins are held back.
fn sign_ins(services: &Services) -> RawDocumentBuf {
    let failures = &services.failed_sign_ins;
    rawdoc! {
        "delayed": int64(failures.delayed()),
        "refusedAtOnce": int64(failures.refused()),
        "tracked": int64(failures.tracked()),
        "halfOpen": int64(services.half_open_sign_ins.count()),
        "halfOpenDropped": int64(services.half_open_sign_ins.dropped()),
    }
}

fn security(enabled: &[Mechanism], counters: &AuthenticationCounters) -> RawDocumentBuf {
    let mut enabled = enabled.to_vec();
    enabled.sort_by_key(|mechanism| mechanism.name());
    let mut mechanisms = RawDocumentBuf::new();
    for mechanism in enabled {
        append(
            &mut mechanisms,
            mechanism.name(),
            mechanism_counters(counters.of(mechanism)),
        );
    }
    rawdoc! {
        "authentication": {
            "saslSupportedMechsReceived": counters.supported_mechanisms.get(),
            "mechanisms": mechanisms,
        },
    }
}

fn mechanism_counters(counters: &MechanismCounters) -> RawDocumentBuf {
    rawdoc! {
        "speculativeAuthenticate": {
            "received": counters.speculative_received.get(),
            "successful": counters.speculative_successful.get(),
        },
        // No other server signs in at a standalone.
        "clusterAuthenticate": { "received": 0_i64, "successful": 0_i64 },
        "authenticate": {
            "received": counters.received.get(),
            "successful": counters.successful.get(),
        },
    }
}

fn storage_engine(services: &Services) -> RawDocumentBuf {
    rawdoc! {
        "name": services.directory.store_name(),
        "supportsCommittedReads": false,
        "supportsSnapshotReadConcern": false,
        "readOnly": false,
        "persistent": services.directory.is_durable(),
        "backupCursorOpen": services.backups.available_permits() < BACKUPS_MAX,
    }
}

/// Connections by version of TLS, plain ones not counted. What mongod counts as well is never spoken.
fn transport_security(services: &Services) -> RawDocumentBuf {
    let counters = &services.connections;
    rawdoc! {
        "1.0": 0_i64,
        "1.1": 0_i64,
        "1.2": int64(counters.tls(TlsVersion::Tls12)),
        "1.3": int64(counters.tls(TlsVersion::Tls13)),
        "unknown": 0_i64,
    }
}

fn cursors(services: &Services) -> RawDocumentBuf {
    let (open, pinned, timed_out) = services.cursors.counts();
    rawdoc! {
        "timedOut": int64(timed_out),
        "open": { "noTimeout": 0_i64, "pinned": int64(pinned), "total": int64(open) },
    }
}

fn command_metrics(metrics: &Metrics) -> RawDocumentBuf {
    let mut commands = rawdoc! { "<UNKNOWN>": metrics.unknown_commands.get() };
    for (name, counters) in metrics.commands() {
        let counters = rawdoc! { "failed": counters.failed.get(), "total": counters.total.get() };
        append(&mut commands, name, counters);
    }
    rawdoc! { "commands": commands }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::registry;

    #[test]
    fn sections_are_left_out_when_their_field_is_false() {
        let body = rawdoc! {
            "serverStatus": 1, "mem": 0, "network": false, "metrics": 0.0, "security": null,
            "connections": 1, "opcounters": "no", "portcullis": true,
        };
        let wanted: Vec<&str> = SECTIONS
            .map(|(name, _)| name)
            .into_iter()
            .filter(|name| is_wanted(&body, name))
            .collect();
        assert_eq!(
            wanted,
            [
                "audit",
                "connections",
                "opcounters",
                "portcullis",
                "repl",
                "storageEngine",
                "transportSecurity"
            ]
        );
    }

    #[test]
    fn memory_is_in_mebibytes() {
        let process = ProcessMemory {
            virtual_bytes: 5 * MEBIBYTE,
            resident_bytes: 2 * MEBIBYTE + 1,
        };
        let bits = int32(usize::BITS);
        let expected = rawdoc! { "bits": bits, "resident": 2, "virtual": 5, "supported": true };
        assert_eq!(memory(Some(&process)), expected);
        assert_eq!(memory(None), rawdoc! { "bits": bits, "supported": false });
    }

    #[test]
    fn every_command_is_counted_once() {
        let metrics = Metrics::new();
        metrics.ran(0, false);
        metrics.ran(0, true);
        metrics.unknown_commands.increment();
        let counters = operation_counters(&metrics);
        assert_eq!(counters.get_i64("command").unwrap(), 3);
        let section = command_metrics(&metrics);
        let commands = section.get_document("commands").unwrap();
        assert_eq!(commands.iter().count(), registry::COMMANDS.len() + 1);
        assert_eq!(commands.get_i64("<UNKNOWN>").unwrap(), 1);
        let first = commands
            .get_document(registry::COMMANDS[0].spec.name)
            .unwrap();
        assert_eq!(
            first.to_owned(),
            rawdoc! { "failed": 1_i64, "total": 2_i64 }
        );
    }

    #[test]
    fn sign_ins_are_told_by_mechanism_in_alphabetical_order() {
        let counters = AuthenticationCounters::default();
        counters.supported_mechanisms.increment();
        counters.received(Mechanism::ScramSha256, true);
        counters.received(Mechanism::ScramSha256, false);
        counters.succeeded(Mechanism::ScramSha256, false);
        let section = security(&[Mechanism::ScramSha256, Mechanism::ScramSha1], &counters);
        let none = rawdoc! { "received": 0_i64, "successful": 0_i64 };
        let expected = rawdoc! { "authentication": {
            "saslSupportedMechsReceived": 1_i64,
            "mechanisms": {
                "SCRAM-SHA-1": {
                    "speculativeAuthenticate": none.clone(),
                    "clusterAuthenticate": none.clone(),
                    "authenticate": none.clone(),
                },
                "SCRAM-SHA-256": {
                    "speculativeAuthenticate": { "received": 1_i64, "successful": 0_i64 },
                    "clusterAuthenticate": none,
                    "authenticate": { "received": 2_i64, "successful": 1_i64 },
                },
            },
        } };
        assert_eq!(section, expected);
        let section = security(&[Mechanism::ScramSha1], &counters);
        let authentication = section.get_document("authentication").unwrap();
        let mechanisms = authentication.get_document("mechanisms").unwrap();
        assert_eq!(mechanisms.iter().count(), 1);
    }
}
