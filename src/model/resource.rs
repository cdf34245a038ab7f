//! Resources: what a privilege is about.

use bson::{RawDocumentBuf, rawdoc};
use compact_str::CompactString;

use super::names::DbName;

/// The resource of a privilege, and of a question "may this be done there".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `{cluster: true}`: the deployment as a whole.
    Cluster,
    /// `{anyResource: true}`: everything there is.
    AnyResource,
    /// `{db: "", collection: ""}`: every collection that is not a system one, in every database but
    /// `local` and `config`.
    AnyNormal,
    /// `{db: X, collection: ""}`: a database and its collections that are not system ones.
    Database(DbName),
    /// `{db: X, collection: Y}`: one collection.
    Namespace(DbName, CompactString),
    /// `{db: "", collection: Y}`: the collections of that name in every database.
    CollectionInAnyDatabase(CompactString),
    /// `{system_buckets: ""}`: every time-series bucket collection.
    AnySystemBuckets,
    /// `{db: X, system_buckets: ""}`: those of one database.
    SystemBucketsInDatabase(DbName),
    /// `{system_buckets: Y}`: those of one name in every database.
    SystemBucketsInAnyDatabase(CompactString),
    /// `{db: X, system_buckets: Y}`: one of them.
    SystemBuckets(DbName, CompactString),
}

impl Resource {
    /// The database this is part of, if it is a database or one collection. Only such resources may
    /// stand in roles outside `admin`, and only their own database's; for the others the rights to
    /// grant and revoke are those on `admin`.
    pub fn owning_db(&self) -> Option<&DbName> {
        match self {
            Self::Database(db) | Self::Namespace(db, _) => Some(db),
            _ => None,
        }
    }

    /// The `resource` of privilege documents.
    pub fn to_raw_document(&self) -> RawDocumentBuf {
        match self {
            Self::Cluster => rawdoc! { "cluster": true },
            Self::AnyResource => rawdoc! { "anyResource": true },
            Self::AnyNormal => rawdoc! { "db": "", "collection": "" },
            Self::Database(db) => rawdoc! { "db": db.as_str(), "collection": "" },
            Self::Namespace(db, collection) => {
                rawdoc! { "db": db.as_str(), "collection": collection.as_str() }
            }
            Self::CollectionInAnyDatabase(collection) => {
                rawdoc! { "db": "", "collection": collection.as_str() }
            }
            Self::AnySystemBuckets => rawdoc! { "system_buckets": "" },
            Self::SystemBucketsInDatabase(db) => {
                rawdoc! { "db": db.as_str(), "system_buckets": "" }
            }
            Self::SystemBucketsInAnyDatabase(collection) => {
                rawdoc! { "system_buckets": collection.as_str() }
            }
            Self::SystemBuckets(db, collection) => {
                rawdoc! { "db": db.as_str(), "system_buckets": collection.as_str() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_document() {
        let db = || DbName::parse("x").unwrap();
        let rows = [
            (Resource::Cluster, rawdoc! { "cluster": true }),
            (Resource::AnyResource, rawdoc! { "anyResource": true }),
            (Resource::AnyNormal, rawdoc! { "db": "", "collection": "" }),
            (
                Resource::Database(db()),
                rawdoc! { "db": "x", "collection": "" },
            ),
            (
                Resource::Namespace(db(), "y".into()),
                rawdoc! { "db": "x", "collection": "y" },
            ),
            (
                Resource::CollectionInAnyDatabase("y".into()),
                rawdoc! { "db": "", "collection": "y" },
            ),
            (Resource::AnySystemBuckets, rawdoc! { "system_buckets": "" }),
            (
                Resource::SystemBucketsInDatabase(db()),
                rawdoc! { "db": "x", "system_buckets": "" },
            ),
            (
                Resource::SystemBucketsInAnyDatabase("y".into()),
                rawdoc! { "system_buckets": "y" },
            ),
            (
                Resource::SystemBuckets(db(), "y".into()),
                rawdoc! { "db": "x", "system_buckets": "y" },
            ),
        ];
        for (resource, document) in rows {
            assert_eq!(resource.to_raw_document(), document);
        }
    }

    #[test]
    fn only_databases_and_collections_belong_to_a_database() {
        let db = DbName::parse("x").unwrap();
        assert_eq!(Resource::Database(db.clone()).owning_db(), Some(&db));
        assert_eq!(
            Resource::Namespace(db.clone(), "y".into()).owning_db(),
            Some(&db)
        );
        assert_eq!(Resource::SystemBuckets(db, "y".into()).owning_db(), None);
        assert_eq!(Resource::Cluster.owning_db(), None);
    }
}
