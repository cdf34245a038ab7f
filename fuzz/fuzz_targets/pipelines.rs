//! Aggregation pipelines: what they take of whoever runs them.
//!
//! Input: an array as a BSON document; or else `arbitrary`'s encoding of a pipeline, made from stages
//! and few names.

#![no_main]

use arbitrary::{Result, Unstructured};
use bson::RawBson;
use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};
use libfuzzer_sys::fuzz_target;
use portcullis::authz::Need;
use portcullis::command::unserved::pipeline_needs;
use portcullis::model::names::DbName;
use portcullis::wire::validate_document;
use portcullis_fuzz::document::{Words, append};
use portcullis_fuzz::memory::metered;

/// Pipelines within pipelines that are generated.
const LEVELS_MAX: usize = 4;
/// Constant part of what reading may take.
const MEMORY_BYTES_MAX: usize = 64 * 1024;
/// The shortest stage that names a collection has about 25 bytes and becomes two entries.
const MEMORY_PER_BYTE_MAX: usize = 64;

const FIELDS: Words<'_> = Words {
    keys: &[
        "from", "coll", "db", "into", "pipeline", "whenMatched", "whenNotMatched", "allUsers",
        "users", "user", "allChangesForCluster", "transformIdentifiers", "$doingMerge", "as", "x",
    ],
    texts: &[
        "c", "d", "shop", "other", "local", "oplog.rs", "config", "insert", "fail", "merge", "",
        ".", "a\0b", "system.users", "cache.chunks.x",
    ],
};

const STAGES: &[&str] = &[
    "$match", "$group", "$lookup", "$graphLookup", "$unionWith", "$facet", "$out", "$merge",
    "$documents", "$collStats", "$currentOp", "$listSessions", "$changeStream", "$listCatalog",
    "$setVariableFromSubPipeline", "$queryStats", "$mergeCursors", "$nope",
];

fuzz_target!(|input: &[u8]| {
    if validate_document(input) == Ok(input.len())
        && let Ok(document) = RawDocument::from_bytes(input)
    {
        let stages = document.iter().flatten().map(|(_, value)| RawBson::from(value));
        check(&RawArrayBuf::from_iter(stages));
        return;
    }
    if let Ok(pipeline) = pipeline(&mut Unstructured::new(input), 0) {
        check(&pipeline);
    }
});

fn check(pipeline: &RawArrayBuf) {
    let (read, held) = metered(|| needs(pipeline, false));
    let length = pipeline.as_bytes().len();
    assert!(
        held <= MEMORY_BYTES_MAX + MEMORY_PER_BYTE_MAX * length,
        "{held} bytes for {length}"
    );
    let with_bypass = needs(pipeline, true);
    let Some(read) = read else {
        assert!(with_bypass.is_none());
        // What cannot be understood is not understood with more behind it either.
        assert!(needs(&longer(pipeline, "$match", RawDocumentBuf::new()), false).is_none());
        return;
    };
    for (place, need) in read.iter().enumerate() {
        assert!(!need.actions.is_empty());
        assert!(read.iter().skip(place + 1).all(|other| other.resource != need.resource));
    }
    covers(&with_bypass.expect("read without"), &read);
    for stage in pipeline.into_iter() {
        if let Ok(RawBsonRef::Document(stage)) = stage {
            assert_eq!(stage.iter().count(), 1);
        }
    }
    // An empty pipeline reads its collection, which one with a source does not.
    if !pipeline.is_empty() {
        let mut union = RawDocumentBuf::new();
        append(&mut union, "coll", RawBson::String("beyond".to_owned()));
        for (name, specification) in [("$match", RawDocumentBuf::new()), ("$unionWith", union)] {
            if let Some(more) = needs(&longer(pipeline, name, specification), false) {
                covers(&more, &read);
            }
        }
    }
    // Within another pipeline it takes nothing less.
    let mut lookup = RawDocumentBuf::new();
    append(&mut lookup, "from", RawBson::String("c".to_owned()));
    append(&mut lookup, "pipeline", RawBson::Array(pipeline.clone()));
    if let Some(within) = needs(&longer(&RawArrayBuf::new(), "$lookup", lookup), false) {
        covers(&within, &read);
    }
}

fn needs(pipeline: &RawArrayBuf, bypass_validation: bool) -> Option<Vec<Need>> {
    let db = DbName::parse("shop").expect("a name");
    pipeline_needs(None, (&db, "c"), pipeline, bypass_validation).ok()
}

fn longer(pipeline: &RawArrayBuf, name: &str, specification: RawDocumentBuf) -> RawArrayBuf {
    let mut longer = pipeline.clone();
    let mut stage = RawDocumentBuf::new();
    append(&mut stage, name, RawBson::Document(specification));
    longer.push(stage);
    longer
}

/// Whether `more` asks for all that `less` asks for.
fn covers(more: &[Need], less: &[Need]) {
    for need in less {
        let same = more.iter().find(|other| other.resource == need.resource);
        assert!(
            same.is_some_and(|same| same.actions.contains_all(&need.actions)),
            "{need} is not among {more:?}"
        );
    }
}

fn pipeline(u: &mut Unstructured<'_>, level: usize) -> Result<RawArrayBuf> {
    let mut pipeline = RawArrayBuf::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let name = *u.choose(STAGES)?;
        let mut stage = RawDocumentBuf::new();
        append(&mut stage, name, specification(u, name, level)?);
        pipeline.push(stage);
    }
    Ok(pipeline)
}

fn specification(u: &mut Unstructured<'_>, name: &str, level: usize) -> Result<RawBson> {
    if u.ratio(1, 6)? {
        return FIELDS.value(u);
    }
    let mut fields = FIELDS.document(u)?;
    if level < LEVELS_MAX && u.arbitrary()? {
        if name == "$facet" {
            fields = RawDocumentBuf::new();
        }
        append(&mut fields, "pipeline", RawBson::Array(pipeline(u, level + 1)?));
    }
    Ok(RawBson::Document(fields))
}
