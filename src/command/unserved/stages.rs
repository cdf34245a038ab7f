//! The stages of aggregation pipelines and what each takes (MongoDB manual, "Aggregation Stages";
//! those that only servers of a cluster send each other are not in it).

use crate::model::action::Action;

/// What a stage takes beyond reading the collection its pipeline runs on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Nothing: it works on the documents it gets.
    Plain,
    /// The action `internal` on the cluster: servers send it to each other.
    Internal,
    /// It is where documents come from, instead of the collection, and takes actions of its own.
    Source(&'static [(On, &'static [Action])]),
    /// It is such a source, and its fields say what it takes.
    Computed(ComputedSource),
    /// Its fields name collections, or have pipelines of their own.
    Reaching(ReachingStage),
}

/// What the actions of a source are needed on.
#[derive(Debug, Clone, Copy)]
pub(super) enum On {
    /// The collection that the pipeline runs on.
    Namespace,
    /// The cluster.
    Cluster,
    /// Every database.
    AnyNormal,
}

/// Sources whose fields matter.
#[derive(Debug, Clone, Copy)]
pub(super) enum ComputedSource {
    /// `$changeStream`.
    ChangeStream,
    /// `$currentOp`.
    CurrentOp,
    /// `$listCatalog`.
    ListCatalog,
    /// `$listSessions` and `$listLocalSessions`.
    ListSessions,
    /// `$queryStats`.
    QueryStats,
}

/// Stages that reach for other collections.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReachingStage {
    /// `$facet`.
    Facet,
    /// `$graphLookup`.
    GraphLookup,
    /// `$group`, which only servers of a cluster ask to merge.
    Group,
    /// `$lookup`.
    Lookup,
    /// `$merge`.
    Merge,
    /// `$out`.
    Out,
    /// `$setVariableFromSubPipeline`.
    SetVariable,
    /// `$unionWith`.
    UnionWith,
}

impl Stage {
    /// The stage called `name`, `$` included.
    pub(super) fn find(name: &str) -> Option<Self> {
        let place = STAGES.binary_search_by_key(&name, |(name, _)| name).ok()?;
        STAGES.get(place).map(|(_, stage)| *stage)
    }

    /// Whether a pipeline that begins with it does not read its collection.
    pub(super) fn is_source(self) -> bool {
        matches!(self, Self::Source(_) | Self::Computed(_))
    }
}

use ComputedSource::{ChangeStream, CurrentOp, ListCatalog, ListSessions, QueryStats};
use ReachingStage::{Facet, GraphLookup, Group, Lookup, Merge, Out, SetVariable, UnionWith};
use Stage::{Computed, Internal, Plain, Reaching, Source};

/// Every stage of MongoDB 8.0, sorted by name.
#[rustfmt::skip] // one stage a line
static STAGES: &[(&str, Stage)] = &[
    ("$_addReshardingResumeId", Internal),
    ("$_analyzeShardKeyReadWriteDistribution", Internal),
    ("$_backupFile", Source(&[(On::Cluster, &[Action::Internal])])),
    ("$_internalAllCollectionStats", Source(&[(On::Cluster, &[Action::AllCollectionStats])])),
    ("$_internalApplyOplogUpdate", Plain),
    ("$_internalBoundedSort", Plain),
    ("$_internalChangeStreamAddPostImage", Internal),
    ("$_internalChangeStreamAddPreImage", Internal),
    ("$_internalChangeStreamCheckInvalidate", Internal),
    ("$_internalChangeStreamCheckResumability", Internal),
    ("$_internalChangeStreamCheckTopologyChange", Internal),
    ("$_internalChangeStreamHandleTopologyChange", Internal),
    ("$_internalChangeStreamOplogMatch", Internal),
    ("$_internalChangeStreamTransform", Internal),
    ("$_internalChangeStreamUnwindTransaction", Internal),
    ("$_internalComputeGeoNearDistance", Plain),
    ("$_internalConvertBucketIndexStats", Plain),
    ("$_internalDensify", Plain),
    ("$_internalFindAndModifyImageLookup", Internal),
    ("$_internalInhibitOptimization", Plain),
    ("$_internalReshardingIterateTransaction", Internal),
    ("$_internalReshardingOwnershipMatch", Internal),
    ("$_internalSearchIdLookup", Plain),
    ("$_internalSetWindowFields", Plain),
    ("$_internalShardServerInfo", Internal),
    ("$_internalShredDocuments", Plain),
    ("$_internalSplitPipeline", Plain),
    ("$_internalStreamingGroup", Plain),
    ("$_internalUnpackBucket", Plain),
    ("$_unpackBucket", Plain),
    ("$addFields", Plain),
    ("$backupCursor", Source(&[(On::Cluster, &[Action::Fsync])])),
    ("$backupCursorExtend", Source(&[(On::Cluster, &[Action::Fsync])])),
    ("$bucket", Plain),
    ("$bucketAuto", Plain),
    ("$changeStream", Computed(ChangeStream)),
    ("$changeStreamSplitLargeEvent", Plain),
    ("$collStats", Source(&[(On::Namespace, &[Action::CollStats])])),
    ("$count", Plain),
    ("$currentOp", Computed(CurrentOp)),
    ("$densify", Plain),
    ("$documents", Source(&[])),
    ("$facet", Reaching(Facet)),
    ("$fill", Plain),
    ("$geoNear", Plain),
    ("$graphLookup", Reaching(GraphLookup)),
    ("$group", Reaching(Group)),
    ("$indexStats", Source(&[(On::Namespace, &[Action::IndexStats])])),
    ("$limit", Plain),
    ("$listCachedAndActiveUsers", Source(&[(On::AnyNormal, &[Action::ListCachedAndActiveUsers])])),
    ("$listCatalog", Computed(ListCatalog)),
    ("$listLocalSessions", Computed(ListSessions)),
    ("$listSampledQueries", Source(&[(On::Cluster, &[Action::ListSampledQueries])])),
    ("$listSearchIndexes", Source(&[(On::Namespace, &[Action::ListSearchIndexes])])),
    ("$listSessions", Computed(ListSessions)),
    ("$lookup", Reaching(Lookup)),
    ("$match", Plain),
    ("$merge", Reaching(Merge)),
    ("$mergeCursors", Internal),
    ("$operationMetrics", Source(&[(On::Cluster, &[Action::OperationMetrics])])),
    ("$out", Reaching(Out)),
    ("$planCacheStats", Source(&[(On::Namespace, &[Action::PlanCacheRead])])),
    ("$project", Plain),
    ("$querySettings", Source(&[(On::Cluster, &[Action::QuerySettings])])),
    ("$queryStats", Computed(QueryStats)),
    ("$queue", Plain),
    ("$redact", Plain),
    ("$replaceRoot", Plain),
    ("$replaceWith", Plain),
    ("$sample", Plain),
    ("$search", Plain),
    ("$searchBeta", Plain),
    ("$searchMeta", Plain),
    ("$set", Plain),
    ("$setVariableFromSubPipeline", Reaching(SetVariable)),
    ("$setWindowFields", Plain),
    ("$shardedDataDistribution", Source(&[(On::Cluster, &[Action::ShardedDataDistribution])])),
    ("$skip", Plain),
    ("$sort", Plain),
    ("$sortByCount", Plain),
    ("$unionWith", Reaching(UnionWith)),
    ("$unset", Plain),
    ("$unwind", Plain),
    ("$vectorSearch", Plain),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_sorted_and_found() {
        assert!(STAGES.is_sorted_by(|left, right| left.0 < right.0));
        for (name, _) in STAGES {
            assert!(Stage::find(name).is_some(), "{name}");
        }
        assert!(Stage::find("$nope").is_none());
        assert!(Stage::find("match").is_none());
    }
}
