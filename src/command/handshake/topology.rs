//! `topologyVersion`: lets a client wait for a change of the topology instead of asking again.
//!
//! Server discovery and monitoring specification, "Streaming Protocol". A standalone's topology
//! never changes, so its counter stays 0 until another process answers; a member's is that of
//! [`crate::cluster::Topology`].

use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::{RawBsonRef, RawDocumentBuf};

use crate::command::arguments::{FromField, Path, type_name};
use crate::command::reply::roomy_document;
use crate::error::{CommandError, ErrorCode};

/// `{processId, counter}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopologyVersion {
    /// Made anew each time the server starts.
    pub process_id: ObjectId,
    /// How often the topology has changed since.
    pub counter: i64,
}

impl TopologyVersion {
    /// As it stands in answers.
    pub fn to_document(self) -> RawDocumentBuf {
        let mut document = roomy_document();
        document.append(cstr!("processId"), self.process_id);
        document.append(cstr!("counter"), self.counter);
        document
    }
}

impl FromField for TopologyVersion {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Document(document) = value else {
            return Ok(None);
        };
        let field = |name: &'static str| {
            document
                .get(name)
                .ok()
                .flatten()
                .ok_or_else(|| crate::command::arguments::missing_field(&path.field(name)))
        };
        let wrong = |name: &str, value, expected: &str| {
            CommandError::new(
                ErrorCode::TYPE_MISMATCH,
                format!(
                    "BSON field '{path}.{name}' is the wrong type '{}', expected type '{expected}'",
                    type_name(value)
                ),
            )
        };
        let process_id = match field("processId")? {
            RawBsonRef::ObjectId(id) => id,
            other => return Err(wrong("processId", other, "objectId")),
        };
        let counter = match field("counter")? {
            RawBsonRef::Int64(counter) => counter,
            other => return Err(wrong("counter", other, "long")),
        };
        if counter < 0 {
            return Err(CommandError::new(
                ErrorCode(31_372),
                "topologyVersion must have a non-negative counter",
            ));
        }
        Ok(Some(Self {
            process_id,
            counter,
        }))
    }
}
