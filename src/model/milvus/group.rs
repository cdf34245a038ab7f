//! The groups of privileges that Milvus brings along.

/// How far a privilege or a group reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The whole server: granted on all databases and all collections.
    Cluster,
    /// A database: granted on all of its collections.
    Database,
    /// A collection.
    Collection,
}

/// A group that is there from the start and cannot be changed.
#[derive(Debug)]
pub struct BuiltInGroup {
    /// Unique, also among the privileges.
    pub name: &'static str,
    /// How far it reaches.
    pub level: Level,
    /// The group it contains, whose privileges it has too.
    contains: Option<&'static BuiltInGroup>,
    own: &'static [&'static str],
}

impl BuiltInGroup {
    /// Its privileges, those of the group it contains first.
    pub fn privileges(&self) -> Vec<&'static str> {
        let mut privileges = self.contains.map_or_else(Vec::new, Self::privileges);
        privileges.extend(self.own);
        privileges
    }

    /// Whether it has that privilege.
    pub fn has(&self, privilege: &str) -> bool {
        self.own.contains(&privilege) || self.contains.is_some_and(|group| group.has(privilege))
    }
}

/// The built-in group of that name.
pub fn built_in_group(name: &str) -> Option<&'static BuiltInGroup> {
    let mut groups = BUILT_IN_GROUPS.iter().copied();
    groups.find(|group| group.name == name)
}

/// All of them.
pub static BUILT_IN_GROUPS: [&BuiltInGroup; 9] = [
    &CLUSTER_READ_ONLY,
    &CLUSTER_READ_WRITE,
    &CLUSTER_ADMIN,
    &DATABASE_READ_ONLY,
    &DATABASE_READ_WRITE,
    &DATABASE_ADMIN,
    &COLLECTION_READ_ONLY,
    &COLLECTION_READ_WRITE,
    &COLLECTION_ADMIN,
];

macro_rules! groups {
    ($($constant:ident: $name:literal, $level:ident, $contains:expr, [$($own:literal)*];)*) => {
        $(static $constant: BuiltInGroup = BuiltInGroup {
            name: $name,
            level: Level::$level,
            contains: $contains,
            own: &[$($own),*],
        };)*
    };
}

groups! {
    CLUSTER_READ_ONLY: "ClusterReadOnly", Cluster, None, [
        "ListDatabases" "SelectOwnership" "SelectUser" "DescribeResourceGroup"
        "ListResourceGroups" "ListPrivilegeGroups"
    ];
    CLUSTER_READ_WRITE: "ClusterReadWrite", Cluster, Some(&CLUSTER_READ_ONLY), [
        "FlushAll" "TransferNode" "TransferReplica" "UpdateResourceGroups"
    ];
    CLUSTER_ADMIN: "ClusterAdmin", Cluster, Some(&CLUSTER_READ_WRITE), [
        "BackupRBAC" "RestoreRBAC" "CreateDatabase" "DropDatabase" "CreateOwnership"
        "DropOwnership" "ManageOwnership" "CreateResourceGroup" "DropResourceGroup" "UpdateUser"
        "RenameCollection" "CreatePrivilegeGroup" "DropPrivilegeGroup" "OperatePrivilegeGroup"
    ];
    DATABASE_READ_ONLY: "DatabaseReadOnly", Database, None, ["ShowCollections" "DescribeDatabase"];
    DATABASE_READ_WRITE: "DatabaseReadWrite", Database, Some(&DATABASE_READ_ONLY), [
        "AlterDatabase"
    ];
    DATABASE_ADMIN: "DatabaseAdmin", Database, Some(&DATABASE_READ_WRITE), [
        "CreateCollection" "DropCollection"
    ];
    COLLECTION_READ_ONLY: "CollectionReadOnly", Collection, None, [
        "Query" "Search" "IndexDetail" "GetFlushState" "GetLoadState" "GetLoadingProgress"
        "HasPartition" "ShowPartitions" "DescribeCollection" "DescribeAlias" "GetStatistics"
        "ListAliases"
    ];
    COLLECTION_READ_WRITE: "CollectionReadWrite", Collection, Some(&COLLECTION_READ_ONLY), [
        "Load" "Release" "Insert" "Delete" "Upsert" "Import" "Flush" "Compaction" "LoadBalance"
        "CreateIndex" "DropIndex" "CreatePartition" "DropPartition"
    ];
    COLLECTION_ADMIN: "CollectionAdmin", Collection, Some(&COLLECTION_READ_WRITE), [
        "CreateAlias" "DropAlias"
    ];
}

#[cfg(test)]
mod tests {
    use super::super::object_of;
    use super::*;

    #[test]
    fn groups_hold_privileges_that_exist() {
        for group in BUILT_IN_GROUPS {
            assert!(object_of(group.name).is_none(), "{}", group.name);
            for privilege in group.privileges() {
                assert!(object_of(privilege).is_some(), "{privilege}");
                assert!(group.has(privilege));
            }
        }
    }

    #[test]
    fn each_group_has_what_the_one_before_has() {
        let admin = built_in_group("ClusterAdmin").unwrap();
        assert!(admin.has("ListDatabases") && admin.has("FlushAll") && admin.has("UpdateUser"));
        assert_eq!(admin.privileges().len(), 6 + 4 + 14);
        assert!(!built_in_group("ClusterReadOnly").unwrap().has("FlushAll"));
        assert!(built_in_group("clusteradmin").is_none());
    }
}
