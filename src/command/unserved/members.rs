//! Which members of a replica set would run a command, as mongod declares it.

use super::internal::INTERNAL;
use crate::command::spec::RunsOn;

/// Run by every member. Sorted, as the next.
#[rustfmt::skip]
const ANY_MEMBER: &[&str] = &[
    "autoCompact", "compact", "connPoolStats", "connPoolSync", "currentOp", "dbHash",
    "dropConnections", "features", "flushRouterConfig", "fsync", "fsyncUnlock", "getAuditConfig",
    "getClusterParameter", "getDiagnosticData", "getShardMap", "getShardVersion", "killAllSessions",
    "killAllSessionsByPattern", "killOp", "killSessions", "lockInfo", "logApplicationMessage",
    "logRotate", "netstat", "oidcListKeys", "oidcRefreshKeys", "profile", "reIndex",
    "refreshLogicalSessionCacheNow", "replSetAbortPrimaryCatchUp", "replSetMaintenance",
    "replSetResizeOplog", "replSetStepUp", "replSetSyncFrom", "rotateFTDC",
    "setProfilingFilterGlobally", "shardingState", "shutdown", "startRecordingTraffic",
    "stopRecordingTraffic", "top", "validate", "validateDBMetadata",
];

/// Run by a secondary if `$readPreference` allows it.
#[rustfmt::skip]
const SECONDARY_IF_ASKED: &[&str] = &[
    "collStats", "dataSize", "dbStats", "explain", "filemd5", "listSearchIndexes", "mapReduce",
    "planCacheClear", "planCacheClearFilters", "planCacheListFilters", "planCacheSetFilter",
];

/// Which members run the command `name`; what is not listed writes.
pub(super) fn runs_on(name: &str) -> RunsOn {
    if ANY_MEMBER.binary_search(&name).is_ok() || INTERNAL.binary_search(&name).is_ok() {
        RunsOn::AnyMember
    } else if SECONDARY_IF_ASKED.binary_search(&name).is_ok() {
        RunsOn::SecondaryIfAsked
    } else {
        RunsOn::Primary
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::TABLE;
    use super::*;

    #[test]
    fn lists_are_sorted_and_name_commands_of_the_table() {
        for list in [ANY_MEMBER, SECONDARY_IF_ASKED] {
            assert!(list.is_sorted());
            for name in list {
                let is_known = TABLE.iter().any(|command| command.name == *name);
                assert!(is_known, "{name}");
            }
        }
        assert_eq!(runs_on("shutdown"), RunsOn::AnyMember);
        assert_eq!(runs_on("replSetHeartbeat"), RunsOn::AnyMember);
        assert_eq!(runs_on("dbStats"), RunsOn::SecondaryIfAsked);
        assert_eq!(runs_on("update"), RunsOn::Primary);
    }
}
