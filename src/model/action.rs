//! Actions: what a privilege lets its holder do.
//!
//! The order is the order in which a server prints the actions of a privilege (MongoDB 8.0).

use std::fmt;

macro_rules! actions {
    ($($variant:ident = $name:literal,)*) => {
        /// An action of MongoDB 8.0.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // the manual page "Privilege Actions" describes each
        #[repr(u8)]
        pub enum Action {
            $($variant,)*
        }

        impl Action {
            /// Every action, in print order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in privilege documents.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The action called `name`; names are case-sensitive.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

actions! {
    AddShard = "addShard",
    AdvanceClusterTime = "advanceClusterTime",
    AllCollectionStats = "allCollectionStats",
    Analyze = "analyze",
    AnalyzeShardKey = "analyzeShardKey",
    AnyAction = "anyAction",
    AppendOplogNote = "appendOplogNote",
    ApplicationMessage = "applicationMessage",
    AuditConfigure = "auditConfigure",
    AuditLogRotate = "auditLogRotate",
    AuthCheck = "authCheck",
    Authenticate = "authenticate",
    AuthSchemaUpgrade = "authSchemaUpgrade",
    BypassDefaultMaxTimeMS = "bypassDefaultMaxTimeMS",
    BypassDocumentValidation = "bypassDocumentValidation",
    BypassWriteBlockingMode = "bypassWriteBlockingMode",
    ChangeCustomData = "changeCustomData",
    ChangePassword = "changePassword",
    ChangeOwnPassword = "changeOwnPassword",
    ChangeOwnCustomData = "changeOwnCustomData",
    ChangeStream = "changeStream",
    CheckFreeMonitoringStatus = "checkFreeMonitoringStatus",
    CheckMetadataConsistency = "checkMetadataConsistency",
    CleanupOrphaned = "cleanupOrphaned",
    ClearJumboFlag = "clearJumboFlag",
    CleanupStructuredEncryptionData = "cleanupStructuredEncryptionData",
    CloseAllDatabases = "closeAllDatabases",
    CollMod = "collMod",
    CollStats = "collStats",
    Compact = "compact",
    CompactStructuredEncryptionData = "compactStructuredEncryptionData",
    ConfigureQueryAnalyzer = "configureQueryAnalyzer",
    ConnPoolStats = "connPoolStats",
    ConnPoolSync = "connPoolSync",
    ConvertToCapped = "convertToCapped",
    CpuProfiler = "cpuProfiler",
    CreateCollection = "createCollection",
    CreateDatabase = "createDatabase",
    CreateIndex = "createIndex",
    CreateRole = "createRole",
    CreateSearchIndexes = "createSearchIndexes",
    CreateUser = "createUser",
    DbCheck = "dbCheck",
    DbHash = "dbHash",
    DbStats = "dbStats",
    DropAllRolesFromDatabase = "dropAllRolesFromDatabase",
    DropAllUsersFromDatabase = "dropAllUsersFromDatabase",
    DropCollection = "dropCollection",
    DropConnections = "dropConnections",
    DropDatabase = "dropDatabase",
    DropIndex = "dropIndex",
    DropRole = "dropRole",
    DropSearchIndex = "dropSearchIndex",
    DropUser = "dropUser",
    Emptycapped = "emptycapped",
    EnableProfiler = "enableProfiler",
    EnableSharding = "enableSharding",
    ExportCollection = "exportCollection",
    Find = "find",
    FlushRouterConfig = "flushRouterConfig",
    ForceUUID = "forceUUID",
    Fsync = "fsync",
    FsyncUnlock = "fsyncUnlock",
    GetClusterParameter = "getClusterParameter",
    GetDatabaseVersion = "getDatabaseVersion",
    GetDefaultRWConcern = "getDefaultRWConcern",
    GetCmdLineOpts = "getCmdLineOpts",
    GetLog = "getLog",
    GetParameter = "getParameter",
    GetShardMap = "getShardMap",
    GetShardVersion = "getShardVersion",
    GrantRole = "grantRole",
    GrantPrivilegesToRole = "grantPrivilegesToRole",
    GrantRolesToRole = "grantRolesToRole",
    GrantRolesToUser = "grantRolesToUser",
    HostInfo = "hostInfo",
    Impersonate = "impersonate",
    ImportCollection = "importCollection",
    IndexStats = "indexStats",
    Inprog = "inprog",
    Insert = "insert",
    Internal = "internal",
    InvalidateUserCache = "invalidateUserCache",
    IssueDirectShardOperations = "issueDirectShardOperations",
    KillAnyCursor = "killAnyCursor",
    KillAnySession = "killAnySession",
    KillCursors = "killCursors",
    Killop = "killop",
    ListCachedAndActiveUsers = "listCachedAndActiveUsers",
    ListCollections = "listCollections",
    ListCursors = "listCursors",
    ListDatabases = "listDatabases",
    ListIndexes = "listIndexes",
    ListSampledQueries = "listSampledQueries",
    ListSearchIndexes = "listSearchIndexes",
    ListSessions = "listSessions",
    ListShards = "listShards",
    LogRotate = "logRotate",
    UpdateSearchIndex = "updateSearchIndex",
    MoveChunk = "moveChunk",
    MoveCollection = "moveCollection",
    Netstat = "netstat",
    OidcListKeys = "oidcListKeys",
    OidcRefreshKeys = "oidcRefreshKeys",
    OidReset = "oidReset",
    OperationMetrics = "operationMetrics",
    PlanCacheIndexFilter = "planCacheIndexFilter",
    PlanCacheRead = "planCacheRead",
    PlanCacheWrite = "planCacheWrite",
    QuerySettings = "querySettings",
    QueryStatsRead = "queryStatsRead",
    QueryStatsReadTransformed = "queryStatsReadTransformed",
    RefineCollectionShardKey = "refineCollectionShardKey",
    ReIndex = "reIndex",
    Remove = "remove",
    RemoveShard = "removeShard",
    RenameCollection = "renameCollection",
    RenameCollectionSameDB = "renameCollectionSameDB",
    RepairDatabase = "repairDatabase",
    ReplSetConfigure = "replSetConfigure",
    ReplSetGetConfig = "replSetGetConfig",
    ReplSetGetStatus = "replSetGetStatus",
    ReplSetHeartbeat = "replSetHeartbeat",
    ReplSetReconfig = "replSetReconfig",
    ReplSetResizeOplog = "replSetResizeOplog",
    ReplSetStateChange = "replSetStateChange",
    ReshardCollection = "reshardCollection",
    Resync = "resync",
    RevokeRole = "revokeRole",
    RevokePrivilegesFromRole = "revokePrivilegesFromRole",
    RevokeRolesFromRole = "revokeRolesFromRole",
    RevokeRolesFromUser = "revokeRolesFromUser",
    RotateCertificates = "rotateCertificates",
    RunAsLessPrivilegedUser = "runAsLessPrivilegedUser",
    RunTenantMigration = "runTenantMigration",
    ServerStatus = "serverStatus",
    SetAuthenticationRestriction = "setAuthenticationRestriction",
    SetClusterParameter = "setClusterParameter",
    SetDefaultRWConcern = "setDefaultRWConcern",
    SetFeatureCompatibilityVersion = "setFeatureCompatibilityVersion",
    SetFreeMonitoring = "setFreeMonitoring",
    SetParameter = "setParameter",
    SetUserWriteBlockMode = "setUserWriteBlockMode",
    ShardCollection = "shardCollection",
    ShardedDataDistribution = "shardedDataDistribution",
    ShardingState = "shardingState",
    Shutdown = "shutdown",
    SplitChunk = "splitChunk",
    SplitVector = "splitVector",
    StorageDetails = "storageDetails",
    Top = "top",
    Touch = "touch",
    TrafficRecord = "trafficRecord",
    TransitionFromDedicatedConfigServer = "transitionFromDedicatedConfigServer",
    TransitionToDedicatedConfigServer = "transitionToDedicatedConfigServer",
    Unlock = "unlock",
    UnshardCollection = "unshardCollection",
    UseTenant = "useTenant",
    UseUUID = "useUUID",
    Update = "update",
    UpdateRole = "updateRole",
    UpdateUser = "updateUser",
    Validate = "validate",
    ViewRole = "viewRole",
    ViewUser = "viewUser",
    ApplyOps = "applyOps",
    SetChangeStreamState = "setChangeStreamState",
    GetChangeStreamState = "getChangeStreamState",
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

const WORDS: usize = Action::ALL.len().div_ceil(64);

/// A set of actions, as bits in print order.
///
/// `anyAction` means all: adding it sets every bit, and such a set prints as `anyAction` alone;
/// removing any action from it clears `anyAction` and leaves the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ActionSet([u64; WORDS]);

impl ActionSet {
    /// No action.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Adds one action.
    pub fn insert(&mut self, action: Action) {
        if action == Action::AnyAction {
            for action in Action::ALL {
                self.set(*action);
            }
        } else {
            self.set(action);
        }
    }

    /// Adds all of `other`.
    pub fn insert_all(&mut self, other: &Self) {
        for (word, added) in self.0.iter_mut().zip(other.0) {
            *word |= added;
        }
    }

    /// Takes all of `other` away, and `anyAction` with the first of them.
    pub fn remove_all(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        for (word, removed) in self.0.iter_mut().zip(other.0) {
            *word &= !removed;
        }
        let (word, bit) = Self::place(Action::AnyAction);
        self.0[word] &= !bit;
    }

    /// Whether `action` is in the set.
    pub fn contains(&self, action: Action) -> bool {
        let (word, bit) = Self::place(action);
        self.0[word] & bit != 0
    }

    /// Whether every action of `other` is in the set.
    pub fn contains_all(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .all(|(have, want)| have & want == want)
    }

    /// Whether the set has no action.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The actions as they are printed and stored: `anyAction` alone, or each in print order.
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        let any = self.contains(Action::AnyAction);
        Action::ALL.iter().copied().filter(move |action| {
            if any {
                *action == Action::AnyAction
            } else {
                self.contains(*action)
            }
        })
    }

    fn set(&mut self, action: Action) {
        let (word, bit) = Self::place(action);
        self.0[word] |= bit;
    }

    fn place(action: Action) -> (usize, u64) {
        let index = action as usize;
        (index / 64, 1 << (index % 64))
    }
}

impl From<Action> for ActionSet {
    fn from(action: Action) -> Self {
        Self::from_iter([action])
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        let mut set = Self::EMPTY;
        for action in actions {
            set.insert(action);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
        }
        assert_eq!(Action::from_name("FIND"), None);
    }

    #[test]
    fn any_action_is_all_and_prints_alone() {
        let mut set = ActionSet::from_iter([Action::AnyAction]);
        assert!(set.contains(Action::Find));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Action::AnyAction]);
        set.remove_all(&ActionSet::from_iter([Action::Find]));
        assert!(!set.contains(Action::AnyAction) && !set.contains(Action::Find));
        assert!(set.contains(Action::Insert));
    }
}
