//! The commands of MongoDB 8.0 that are not served, and what each takes (MongoDB manual, "Required
//! Access" of each command; "Privilege Actions").

use super::asked::Compute;
use super::{needs, writes};
use crate::model::action::Action;

/// A command without an engine.
#[derive(Debug, Clone, Copy)]
pub struct Unserved {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) admin_only: bool,
    pub(super) takes_sequences: bool,
    pub(super) rule: Rule,
}

/// What a command takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// To be signed in.
    SignedIn,
    /// Actions on one resource.
    On(Target, &'static [Action]),
    /// One of several sets of actions on resources.
    AnyOf(&'static [&'static [(Target, &'static [Action])]]),
    /// It depends on the document; in words for people.
    Computed(Compute, &'static str),
}

/// What a command's actions are needed on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// The collection that is the command's value.
    Collection,
    /// The collection that is the command's value, its database included.
    Namespace,
    /// The database that is the command's value.
    NamedDatabase,
    /// The database it runs on.
    Database,
    /// A collection of the server's own.
    Fixed(&'static str, &'static str),
    /// Every database.
    AnyNormal,
    /// Everything there is.
    AnyResource,
    /// The cluster.
    Cluster,
}

impl Unserved {
    const fn new(name: &'static str, rule: Rule) -> Self {
        Self {
            name,
            aliases: &[],
            admin_only: false,
            takes_sequences: false,
            rule,
        }
    }

    const fn admin_only(mut self) -> Self {
        self.admin_only = true;
        self
    }

    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn with_sequences(mut self) -> Self {
        self.takes_sequences = true;
        self
    }

    /// A command that servers of a cluster send each other.
    pub(super) const fn internal(name: &'static str) -> Self {
        on(name, Target::Cluster, &[Action::Internal])
    }
}

const fn signed_in(name: &'static str) -> Unserved {
    Unserved::new(name, Rule::SignedIn)
}

const fn on(name: &'static str, target: Target, actions: &'static [Action]) -> Unserved {
    Unserved::new(name, Rule::On(target, actions))
}

const fn any_of(
    name: &'static str,
    ways: &'static [&'static [(Target, &'static [Action])]],
) -> Unserved {
    Unserved::new(name, Rule::AnyOf(ways))
}

const fn computed(name: &'static str, compute: Compute, words: &'static str) -> Unserved {
    Unserved::new(name, Rule::Computed(compute, words))
}

/// Sorted by name.
#[rustfmt::skip] // one command a line
pub(super) static TABLE: &[Unserved] = &[
    on("abortMoveCollection", Target::Namespace, &[Action::MoveCollection]).admin_only(),
    on("abortReshardCollection", Target::Namespace, &[Action::ReshardCollection]).admin_only(),
    signed_in("abortTransaction").admin_only(),
    on("abortUnshardCollection", Target::Namespace, &[Action::UnshardCollection]).admin_only(),
    on("addShard", Target::Cluster, &[Action::AddShard]).admin_only(),
    any_of("addShardToZone", &[&[(Target::Fixed("config", "shards"), &[Action::Update])], &[(Target::Cluster, &[Action::EnableSharding])]]).admin_only(),
    on("analyze", Target::Collection, &[Action::Analyze]),
    on("analyzeShardKey", Target::Namespace, &[Action::AnalyzeShardKey]).admin_only(),
    on("appendOplogNote", Target::Cluster, &[Action::AppendOplogNote]).admin_only(),
    computed("applyOps", writes::apply_ops, "`applyOps` on the cluster, and what each entry takes; everything there is for entries that cannot be told and for none"),
    on("autoCompact", Target::Cluster, &[Action::Compact]).admin_only(),
    on("balancerCollectionStatus", Target::Namespace, &[Action::EnableSharding]).admin_only(),
    on("balancerStart", Target::Fixed("config", "settings"), &[Action::Update]).admin_only(),
    on("balancerStatus", Target::Fixed("config", "settings"), &[Action::Find]).admin_only(),
    on("balancerStop", Target::Fixed("config", "settings"), &[Action::Update]).admin_only(),
    computed("bulkWrite", writes::bulk_write, "`insert`, `update` (with `upsert` also `insert`) or `remove` on the collection of each operation; `bypassDocumentValidation` there if that is asked for").admin_only().with_sequences(),
    computed("checkMetadataConsistency", needs::check_metadata_consistency, "`checkMetadataConsistency` on the cluster, or on the database, or on the collection"),
    on("checkShardingIndex", Target::Namespace, &[Action::Find]),
    on("cleanupOrphaned", Target::Cluster, &[Action::CleanupOrphaned]).admin_only(),
    on("cleanupReshardCollection", Target::Namespace, &[Action::ReshardCollection]).admin_only(),
    on("cleanupStructuredEncryptionData", Target::Collection, &[Action::CleanupStructuredEncryptionData]),
    on("clearJumboFlag", Target::Namespace, &[Action::ClearJumboFlag]).admin_only(),
    computed("cloneCollectionAsCapped", needs::clone_collection_as_capped, "`find` on the collection; `insert`, `createIndex` and `convertToCapped` on the new one"),
    computed("collMod", needs::coll_mod, "`collMod` on the collection; of a view, for those who may read it, also what its pipeline takes").also(&["collmod"]),
    on("collStats", Target::Collection, &[Action::CollStats]).also(&["collstats"]),
    on("commitReshardCollection", Target::Namespace, &[Action::ReshardCollection]).admin_only(),
    signed_in("commitTransaction").admin_only(),
    on("compact", Target::Collection, &[Action::Compact]),
    on("compactStructuredEncryptionData", Target::Collection, &[Action::CompactStructuredEncryptionData]),
    on("configureCollectionBalancing", Target::Namespace, &[Action::SplitChunk]).admin_only(),
    on("configureQueryAnalyzer", Target::Namespace, &[Action::ConfigureQueryAnalyzer]).admin_only(),
    on("connPoolStats", Target::Cluster, &[Action::ConnPoolStats]),
    on("connPoolSync", Target::Cluster, &[Action::ConnPoolSync]),
    on("convertToCapped", Target::Collection, &[Action::ConvertToCapped]),
    computed("create", needs::create, "`createCollection` or `insert` on the collection; with `capped` also `convertToCapped`; for a view `createCollection`, and for those who may read it what its pipeline takes"),
    on("createIndexes", Target::Collection, &[Action::CreateIndex]),
    on("createSearchIndexes", Target::Collection, &[Action::CreateSearchIndexes]),
    computed("currentOp", needs::current_op, "`inprog` on the cluster; nothing with `$ownOps`").admin_only(),
    on("dataSize", Target::Namespace, &[Action::Find]).also(&["datasize"]),
    on("dbCheck", Target::AnyResource, &[Action::DbCheck]),
    on("dbHash", Target::Database, &[Action::DbHash]).also(&["dbhash"]),
    on("dbStats", Target::Database, &[Action::DbStats]).also(&["dbstats"]),
    computed("delete", writes::delete, "`remove` on the collection").with_sequences(),
    on("donorAbortMigration", Target::Cluster, &[Action::RunTenantMigration]).admin_only(),
    on("donorForgetMigration", Target::Cluster, &[Action::RunTenantMigration]).admin_only(),
    on("donorStartMigration", Target::Cluster, &[Action::RunTenantMigration]).admin_only(),
    on("dropConnections", Target::Cluster, &[Action::DropConnections]).admin_only(),
    on("dropDatabase", Target::Database, &[Action::DropDatabase]),
    on("dropIndexes", Target::Collection, &[Action::DropIndex]).also(&["deleteIndexes"]),
    on("dropSearchIndex", Target::Collection, &[Action::DropSearchIndex]),
    on("enableSharding", Target::NamedDatabase, &[Action::EnableSharding]).admin_only(),
    computed("explain", needs::explain, "what the explained command takes"),
    computed("features", needs::features, "to be signed in; `oidReset` on the cluster if that is asked for"),
    computed("filemd5", needs::filemd5, "`find` on the collection of the chunks"),
    computed("findAndModify", writes::find_and_modify, "`find` on the collection, and `update`, `insert` (with `upsert`) or `remove`").also(&["findandmodify"]),
    on("flushRouterConfig", Target::Cluster, &[Action::FlushRouterConfig]).admin_only(),
    on("fsync", Target::Cluster, &[Action::Fsync]).admin_only(),
    on("fsyncUnlock", Target::Cluster, &[Action::Unlock]).admin_only(),
    on("getAuditConfig", Target::Cluster, &[Action::AuditConfigure]).admin_only(),
    on("getChangeStreamState", Target::Cluster, &[Action::GetChangeStreamState]).admin_only(),
    on("getClusterParameter", Target::Cluster, &[Action::GetClusterParameter]).admin_only(),
    on("getDatabaseVersion", Target::NamedDatabase, &[Action::GetDatabaseVersion]).admin_only(),
    any_of("getDiagnosticData", &[&[(Target::Cluster, &[Action::ServerStatus, Action::ReplSetGetStatus]), (Target::Fixed("local", "oplog.rs"), &[Action::CollStats])]]).admin_only(),
    on("getShardMap", Target::Cluster, &[Action::GetShardMap]).admin_only(),
    on("getShardVersion", Target::Namespace, &[Action::GetShardVersion]).admin_only(),
    on("killAllSessions", Target::Cluster, &[Action::KillAnySession]),
    on("killAllSessionsByPattern", Target::Cluster, &[Action::KillAnySession]),
    on("killOp", Target::Cluster, &[Action::Killop]).admin_only(),
    computed("killSessions", needs::kill_sessions, "to be signed in; for a session that names its user `killAnySession` on the cluster"),
    on("listSearchIndexes", Target::Collection, &[Action::ListSearchIndexes]),
    on("listShards", Target::Cluster, &[Action::ListShards]).admin_only(),
    on("lockInfo", Target::Cluster, &[Action::ServerStatus]).admin_only(),
    on("logApplicationMessage", Target::Cluster, &[Action::ApplicationMessage]).admin_only(),
    on("logRotate", Target::Cluster, &[Action::LogRotate]).admin_only(),
    computed("mapReduce", writes::map_reduce, "`find` on the collection; on the one of `out` `insert` and `remove`, or with `merge` and `reduce` `insert` and `update`").also(&["mapreduce"]),
    on("mergeAllChunksOnShard", Target::Namespace, &[Action::SplitChunk]).admin_only(),
    on("mergeChunks", Target::Namespace, &[Action::SplitChunk]).admin_only(),
    on("moveChunk", Target::Namespace, &[Action::MoveChunk]).admin_only(),
    on("moveCollection", Target::Namespace, &[Action::MoveCollection]).admin_only(),
    on("movePrimary", Target::NamedDatabase, &[Action::MoveChunk]).admin_only(),
    on("moveRange", Target::Namespace, &[Action::MoveChunk]).admin_only(),
    on("netstat", Target::Cluster, &[Action::Netstat]).admin_only(),
    on("oidcListKeys", Target::Cluster, &[Action::OidcListKeys]).admin_only(),
    on("oidcRefreshKeys", Target::Cluster, &[Action::OidcRefreshKeys]).admin_only(),
    on("planCacheClear", Target::Collection, &[Action::PlanCacheWrite]),
    on("planCacheClearFilters", Target::Collection, &[Action::PlanCacheIndexFilter]),
    on("planCacheListFilters", Target::Collection, &[Action::PlanCacheIndexFilter]),
    on("planCacheSetFilter", Target::Collection, &[Action::PlanCacheIndexFilter]),
    computed("profile", needs::profile, "`enableProfiler` on the database; only to ask for the level, `find` on `system.profile` will do"),
    on("reIndex", Target::Collection, &[Action::ReIndex]),
    on("recipientForgetMigration", Target::Cluster, &[Action::RunTenantMigration]).admin_only(),
    on("recipientSyncData", Target::Cluster, &[Action::RunTenantMigration]).admin_only(),
    on("refineCollectionShardKey", Target::Namespace, &[Action::RefineCollectionShardKey]).admin_only(),
    signed_in("refreshLogicalSessionCacheNow").admin_only(),
    on("removeQuerySettings", Target::Cluster, &[Action::QuerySettings]).admin_only(),
    on("removeShard", Target::Cluster, &[Action::RemoveShard]).admin_only(),
    any_of("removeShardFromZone", &[&[(Target::Fixed("config", "shards"), &[Action::Update]), (Target::Fixed("config", "tags"), &[Action::Find])], &[(Target::Cluster, &[Action::EnableSharding])]]).admin_only(),
    computed("renameCollection", needs::rename_collection, "within a database `renameCollectionSameDB` on it, unless the new name can be read and the old one not; or `find` and `dropCollection` on the old, `insert` and `createIndex` on the new; with `dropTarget` also `dropCollection` there").admin_only(),
    on("replSetAbortPrimaryCatchUp", Target::Cluster, &[Action::ReplSetStateChange]).admin_only(),
    on("replSetMaintenance", Target::Cluster, &[Action::ReplSetStateChange]).admin_only(),
    on("replSetResizeOplog", Target::Cluster, &[Action::ReplSetResizeOplog]).admin_only(),
    on("replSetStepUp", Target::Cluster, &[Action::ReplSetStateChange]).admin_only(),
    on("replSetSyncFrom", Target::Cluster, &[Action::ReplSetStateChange]).admin_only(),
    on("reshardCollection", Target::Namespace, &[Action::ReshardCollection]).admin_only(),
    any_of("rotateFTDC", &[&[(Target::Cluster, &[Action::ServerStatus, Action::ReplSetGetStatus]), (Target::Fixed("local", "oplog.rs"), &[Action::CollStats])]]).admin_only(),
    on("setAuditConfig", Target::Cluster, &[Action::AuditConfigure]).admin_only(),
    on("setChangeStreamState", Target::Cluster, &[Action::SetChangeStreamState]).admin_only(),
    on("setClusterParameter", Target::Cluster, &[Action::SetClusterParameter]).admin_only(),
    on("setFeatureCompatibilityVersion", Target::Cluster, &[Action::SetFeatureCompatibilityVersion]).admin_only(),
    on("setIndexCommitQuorum", Target::Collection, &[Action::CreateIndex]),
    on("setProfilingFilterGlobally", Target::AnyNormal, &[Action::EnableProfiler]),
    on("setQuerySettings", Target::Cluster, &[Action::QuerySettings]).admin_only(),
    on("setUserWriteBlockMode", Target::Cluster, &[Action::SetUserWriteBlockMode]).admin_only(),
    on("shardCollection", Target::Namespace, &[Action::EnableSharding]).admin_only(),
    on("shardingState", Target::Cluster, &[Action::ShardingState]).admin_only(),
    on("shutdown", Target::Cluster, &[Action::Shutdown]).admin_only(),
    on("split", Target::Namespace, &[Action::SplitChunk]).admin_only(),
    on("splitVector", Target::Namespace, &[Action::SplitVector]),
    on("startRecordingTraffic", Target::Cluster, &[Action::TrafficRecord]).admin_only(),
    on("stopRecordingTraffic", Target::Cluster, &[Action::TrafficRecord]).admin_only(),
    on("top", Target::Cluster, &[Action::Top]).admin_only(),
    on("transitionFromDedicatedConfigServer", Target::Cluster, &[Action::TransitionFromDedicatedConfigServer]).admin_only(),
    on("transitionToDedicatedConfigServer", Target::Cluster, &[Action::TransitionToDedicatedConfigServer]).admin_only(),
    on("unshardCollection", Target::Namespace, &[Action::UnshardCollection]).admin_only(),
    computed("update", writes::update, "`update` on the collection, with `upsert` also `insert`; `bypassDocumentValidation` there if that is asked for").with_sequences(),
    on("updateSearchIndex", Target::Collection, &[Action::UpdateSearchIndex]),
    any_of("updateZoneKeyRange", &[&[(Target::Fixed("config", "shards"), &[Action::Find]), (Target::Fixed("config", "tags"), &[Action::Find, Action::Update, Action::Remove])], &[(Target::Cluster, &[Action::EnableSharding])]]).admin_only(),
    on("validate", Target::Collection, &[Action::Validate]),
    computed("validateDBMetadata", needs::validate_db_metadata, "`validate` on the database that is named, or on every database"),
];
