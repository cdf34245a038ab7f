//! Resources: what a privilege is about.

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
