//! Every privilege of Milvus, and the kind of object it is about.

/// On `Global` this one stands for every privilege on every kind of object.
pub const ALL: &str = "All";

/// What a privilege is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MilvusObject {
    /// Collections, by name.
    Collection,
    /// The server as a whole.
    Global,
    /// Users, by name.
    User,
}

impl MilvusObject {
    /// All of them, in byte order of their names.
    pub const EVERY: [Self; 3] = [Self::Collection, Self::Global, Self::User];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collection => "Collection",
            Self::Global => "Global",
            Self::User => "User",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|object| object.name() == name)
    }
}

/// One privilege: its name and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MilvusPrivilege {
    /// Unique.
    pub name: &'static str,
    /// The only kind of object it can be granted on.
    pub object: MilvusObject,
}

/// The kind of object that the privilege of that name is about, if there is one.
pub fn object_of(privilege: &str) -> Option<MilvusObject> {
    PRIVILEGES
        .iter()
        .find(|known| known.name == privilege)
        .map(|known| known.object)
}

macro_rules! privileges {
    ($($object:ident: $($name:literal)*;)*) => {
        /// Every privilege of Milvus 2.6.
        pub static PRIVILEGES: &[MilvusPrivilege] = &[
            $($(MilvusPrivilege { name: $name, object: MilvusObject::$object },)*)*
        ];
    };
}

privileges! {
    Collection:
        "AddCollectionField" "AlterCollectionSchema" "Compaction" "CreateIndex" "CreatePartition"
        "CreateSnapshot" "Delete" "DescribeSnapshot" "DropIndex" "DropPartition" "DropSnapshot"
        "Flush" "GetFlushState" "GetLoadState" "GetLoadingProgress" "GetStatistics" "HasPartition"
        "Import" "IndexDetail" "Insert" "ListSnapshots" "Load" "LoadBalance" "Query"
        "RefreshExternalCollection" "Release" "RestoreSnapshot" "Search" "ShowPartitions" "Upsert";
    Global:
        "AddFileResource" "All" "AlterDatabase" "BackupRBAC" "CreateAlias" "CreateCollection"
        "CreateDatabase" "CreateOwnership" "CreatePrivilegeGroup" "CreateResourceGroup"
        "DescribeAlias" "DescribeCollection" "DescribeDatabase" "DescribeResourceGroup" "DropAlias"
        "DropCollection" "DropDatabase" "DropOwnership" "DropPrivilegeGroup" "DropResourceGroup"
        "ExportSnapshot" "FlushAll" "GetImportProgress" "GetReplicateConfiguration" "ListAliases"
        "ListDatabases" "ListFileResources" "ListImport" "ListPrivilegeGroups"
        "ListResourceGroups" "ManageOwnership" "OperatePrivilegeGroup" "PinSnapshotData"
        "RemoveFileResource" "RenameCollection" "RestoreExternalSnapshot" "RestoreRBAC"
        "SelectOwnership" "ShowCollections" "TransferNode" "TransferReplica" "UnpinSnapshotData"
        "UpdateReplicateConfiguration" "UpdateResourceGroups";
    User:
        "SelectUser" "UpdateUser";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_unique_and_sorted_by_object_and_name() {
        let order = |privilege: &MilvusPrivilege| (privilege.object, privilege.name);
        assert!(PRIVILEGES.is_sorted_by(|left, right| order(left) < order(right)));
        assert_eq!(object_of("SelectUser"), Some(MilvusObject::User));
        assert_eq!(object_of("selectUser"), None);
        assert_eq!(object_of("*"), None);
    }

    #[test]
    fn objects_have_names() {
        for object in MilvusObject::EVERY {
            assert_eq!(MilvusObject::from_name(object.name()), Some(object));
        }
        assert_eq!(MilvusObject::from_name("global"), None);
    }
}
