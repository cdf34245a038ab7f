//! The rest of the API: known by name, authorized, not served.

use crate::model::milvus::MilvusObject;

/// A method that is not served.
#[derive(Debug)]
pub(in crate::milvus) struct Unserved {
    /// Its name in the API.
    pub(in crate::milvus) method: &'static str,
    /// The privilege it takes, as the API declares it; none where anybody may call it.
    pub(in crate::milvus) privilege: Option<(MilvusObject, &'static str)>,
}

/// The method of that name, if it is known and not served.
pub(super) fn find(method: &str) -> Option<&'static Unserved> {
    let place = UNSERVED.binary_search_by(|known| known.method.cmp(method));
    place.ok().and_then(|place| UNSERVED.get(place))
}

macro_rules! unserved {
    (@privilege) => { None };
    (@privilege $object:ident $privilege:literal) => { Some((MilvusObject::$object, $privilege)) };
    ($($method:literal $(: $object:ident $privilege:literal)?;)*) => {
        pub(super) static UNSERVED: &[Unserved] = &[$(Unserved {
            method: $method,
            privilege: unserved!(@privilege $($object $privilege)?),
        }),*];
    };
}

unserved! {
    "AddCollectionField": Collection "AddCollectionField";
    "AddCollectionFunction": Global "CreateCollection";
    "AddCollectionStructField": Collection "AddCollectionField";
    "AddFileResource": Global "AddFileResource";
    "AddUserTags": User "UpdateUser";
    "AllocTimestamp";
    "AlterAlias": Global "CreateAlias";
    "AlterCollection": Global "CreateCollection";
    "AlterCollectionField": Global "CreateCollection";
    "AlterCollectionFunction": Global "CreateCollection";
    "AlterCollectionSchema": Collection "AlterCollectionSchema";
    "AlterDatabase": Global "AlterDatabase";
    "AlterIndex": Collection "CreateIndex";
    "BatchDescribeCollection": Global "DescribeCollection";
    "BatchUpdateManifest": Collection "Insert";
    "CalcDistance";
    "ComputePhraseMatchSlop";
    "CreateAlias": Global "CreateAlias";
    "CreateCollection": Global "CreateCollection";
    "CreateDatabase": Global "CreateDatabase";
    "CreateIndex": Collection "CreateIndex";
    "CreateNamespace": Collection "CreatePartition";
    "CreatePartition": Collection "CreatePartition";
    "CreateReplicateStream";
    "CreateResourceGroup": Global "CreateResourceGroup";
    "CreateRowPolicy": Collection "CreateOwnership";
    "CreateSnapshot": Collection "CreateSnapshot";
    "Delete": Collection "Delete";
    "DeleteUserTags": User "UpdateUser";
    "DescribeAlias": Global "DescribeAlias";
    "DescribeCollection": Global "DescribeCollection";
    "DescribeIndex": Collection "IndexDetail";
    "DescribeNamespace": Collection "ShowPartitions";
    "DescribePrewarmTask";
    "DescribeResourceGroup": Global "DescribeResourceGroup";
    "DescribeSegmentIndexData";
    "DescribeSnapshot": Collection "DescribeSnapshot";
    "DropAlias": Global "DropAlias";
    "DropCollection": Global "DropCollection";
    "DropCollectionFunction": Global "CreateCollection";
    "DropDatabase": Global "DropDatabase";
    "DropIndex": Collection "DropIndex";
    "DropNamespace": Collection "DropPartition";
    "DropPartition": Collection "DropPartition";
    "DropResourceGroup": Global "DropResourceGroup";
    "DropRowPolicy": Collection "DropOwnership";
    "DropSnapshot": Collection "DropSnapshot";
    "Dummy";
    "DumpMessages";
    "ExportSnapshot": Global "ExportSnapshot";
    "Flush": Collection "Flush";
    "FlushAll": Global "FlushAll";
    "GetCollectionStatistics": Collection "GetStatistics";
    "GetCompactionState";
    "GetCompactionStateWithPlans";
    "GetComponentStates";
    "GetExportSnapshotState": Global "ExportSnapshot";
    "GetFlushAllState";
    "GetFlushState": Collection "GetFlushState";
    "GetImportState";
    "GetIndexBuildProgress": Collection "IndexDetail";
    "GetIndexState": Collection "IndexDetail";
    "GetIndexStatistics": Collection "IndexDetail";
    "GetLoadState": Collection "GetLoadState";
    "GetLoadingProgress": Collection "GetLoadState";
    "GetMetrics";
    "GetNamespaceStats": Collection "ShowPartitions";
    "GetPartitionStatistics": Collection "GetStatistics";
    "GetPersistentSegmentInfo";
    "GetQuerySegmentInfo";
    "GetRefreshExternalCollectionProgress";
    "GetReplicas";
    "GetReplicateConfiguration": Global "GetReplicateConfiguration";
    "GetReplicateInfo";
    "GetRestoreSnapshotState";
    "GetUserTags": User "SelectUser";
    "HasCollection";
    "HasNamespace": Collection "HasPartition";
    "HasPartition": Collection "HasPartition";
    "HybridSearch": Collection "Search";
    "Import": Collection "Import";
    "Insert": Collection "Insert";
    "ListAliases": Global "ListAliases";
    "ListFileResources": Global "ListFileResources";
    "ListImportTasks";
    "ListIndexedSegment";
    "ListNamespaces": Collection "ShowPartitions";
    "ListRefreshExternalCollectionJobs";
    "ListResourceGroups": Global "ListResourceGroups";
    "ListRestoreSnapshotJobs": Collection "RestoreSnapshot";
    "ListRowPolicies": Collection "SelectOwnership";
    "ListSnapshots": Collection "ListSnapshots";
    "ListUsersWithTag": User "SelectUser";
    "LoadBalance": Collection "LoadBalance";
    "LoadCollection": Collection "Load";
    "LoadPartitions": Collection "Load";
    "ManualCompaction": Collection "Compaction";
    "PinSnapshotData": Global "PinSnapshotData";
    "Prewarm": Collection "Load";
    "Query": Collection "Query";
    "RefreshExternalCollection": Collection "RefreshExternalCollection";
    "RegisterLink";
    "ReleaseCollection": Collection "Release";
    "ReleasePartitions": Collection "Release";
    "RemoveFileResource": Global "RemoveFileResource";
    "RenameCollection": Global "RenameCollection";
    "ReplicateMessage";
    "RestoreExternalSnapshot": Global "RestoreExternalSnapshot";
    "RestoreSnapshot": Collection "RestoreSnapshot";
    "RunAnalyzer";
    "Search": Collection "Search";
    "ShowCollections";
    "ShowPartitions": Collection "ShowPartitions";
    "TransferNode": Global "TransferNode";
    "TransferReplica": Global "TransferReplica";
    "TruncateCollection": Global "DropCollection";
    "UnpinSnapshotData": Global "UnpinSnapshotData";
    "UpdateReplicateConfiguration": Global "UpdateReplicateConfiguration";
    "UpdateResourceGroups": Global "UpdateResourceGroups";
    "Upsert": Collection "Upsert";
}
