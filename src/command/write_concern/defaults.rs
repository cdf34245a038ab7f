//! The read and write concern of commands that name none, for the whole deployment
//! (manual, "setDefaultRWConcern").

use bson::raw::{RawDocument, cstr};
use bson::{DateTime, RawBsonRef, RawDocumentBuf, Timestamp, rawdoc};

use super::{Provenance, WriteConcern};
use crate::catalog::Catalog;

/// What was set, and when. Nothing was set in the default one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RwConcernDefaults {
    /// The read concern as it was given; `None` where the server's own holds.
    pub read_concern: Option<RawDocumentBuf>,
    /// The write concern; `None` where the server's own holds.
    pub write_concern: Option<WriteConcern>,
    /// The cluster time and the wall clock when it was set last.
    pub updated: Option<(Timestamp, DateTime)>,
}

impl RwConcernDefaults {
    /// Those in force.
    pub fn of(catalog: &Catalog) -> Self {
        Self::stored(catalog.default_read_write_concern().as_deref())
    }

    /// Those that are kept, if any are.
    pub fn stored(stored: Option<&RawDocumentBuf>) -> Self {
        stored.map_or_else(Self::default, |stored| Self::parse(stored))
    }

    /// The write concern of a command that names none.
    pub fn write_concern(self) -> WriteConcern {
        match self.write_concern {
            Some(concern) => WriteConcern {
                provenance: Some(Provenance::CustomDefault),
                ..concern
            },
            None => WriteConcern::IMPLICIT_DEFAULT,
        }
    }

    /// As it is stored: what `Self::parse` reads.
    pub fn to_document(&self) -> RawDocumentBuf {
        let mut document = RawDocumentBuf::new();
        if let Some(concern) = &self.read_concern {
            document.append(cstr!("defaultReadConcern"), concern.as_ref());
        }
        if let Some(concern) = &self.write_concern {
            document.append(cstr!("defaultWriteConcern"), concern.to_document());
        }
        self.append_updated(&mut document);
        document
    }

    /// As `getDefaultRWConcern` shows it: what holds, and since when.
    pub fn to_reply(&self) -> RawDocumentBuf {
        let source = |is_set| if is_set { "global" } else { "implicit" };
        let read_concern = self.read_concern.clone();
        let write_concern = self.write_concern.clone().unwrap_or(WriteConcern {
            provenance: None,
            ..WriteConcern::IMPLICIT_DEFAULT
        });
        let mut document = rawdoc! {
            "defaultReadConcern": read_concern.unwrap_or_else(|| rawdoc! { "level": "local" }),
            "defaultWriteConcern": write_concern.to_document(),
        };
        self.append_updated(&mut document);
        document.append(
            cstr!("defaultWriteConcernSource"),
            source(self.write_concern.is_some()),
        );
        document.append(
            cstr!("defaultReadConcernSource"),
            source(self.read_concern.is_some()),
        );
        document
    }

    /// Reads what [`Self::to_document`] has written; anything else counts as not set.
    fn parse(document: &RawDocument) -> Self {
        let field = |name: &str| document.get(name).ok().flatten();
        let write_concern = field("defaultWriteConcern");
        let write_concern =
            write_concern.and_then(|value| WriteConcern::parse("setDefaultRWConcern", value).ok());
        let read_concern = field("defaultReadConcern").and_then(RawBsonRef::as_document);
        let updated = match (field("updateOpTime"), field("updateWallClockTime")) {
            (Some(RawBsonRef::Timestamp(at)), Some(RawBsonRef::DateTime(date))) => Some((at, date)),
            _ => None,
        };
        Self {
            read_concern: read_concern.map(ToOwned::to_owned),
            write_concern: write_concern.flatten(),
            updated,
        }
    }

    fn append_updated(&self, document: &mut RawDocumentBuf) {
        if let Some((op_time, date)) = self.updated {
            document.append(cstr!("updateOpTime"), op_time);
            document.append(cstr!("updateWallClockTime"), date);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::write_concern::Acknowledgement;

    fn set() -> RwConcernDefaults {
        RwConcernDefaults {
            read_concern: None,
            write_concern: Some(WriteConcern {
                w: Acknowledgement::Members(2),
                journal: Some(true),
                timeout_ms: 100,
                provenance: None,
            }),
            updated: Some((
                Timestamp {
                    time: 7,
                    increment: 3,
                },
                DateTime::from_millis(7_000),
            )),
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for defaults in [RwConcernDefaults::default(), set()] {
            assert_eq!(RwConcernDefaults::parse(&defaults.to_document()), defaults);
        }
        let read = RwConcernDefaults {
            read_concern: Some(rawdoc! { "level": "majority" }),
            ..set()
        };
        assert_eq!(RwConcernDefaults::parse(&read.to_document()), read);
    }

    #[test]
    fn the_source_is_told() {
        assert_eq!(
            RwConcernDefaults::default().to_reply(),
            rawdoc! {
                "defaultReadConcern": { "level": "local" },
                "defaultWriteConcern": { "w": "majority", "wtimeout": 0 },
                "defaultWriteConcernSource": "implicit",
                "defaultReadConcernSource": "implicit",
            }
        );
        assert_eq!(
            set().to_reply(),
            rawdoc! {
                "defaultReadConcern": { "level": "local" },
                "defaultWriteConcern": { "w": 2, "j": true, "wtimeout": 100 },
                "updateOpTime": Timestamp { time: 7, increment: 3 },
                "updateWallClockTime": DateTime::from_millis(7_000),
                "defaultWriteConcernSource": "global",
                "defaultReadConcernSource": "implicit",
            }
        );
    }

    #[test]
    fn who_chose_is_kept() {
        let chosen = |defaults: RwConcernDefaults| defaults.write_concern().provenance;
        assert_eq!(chosen(set()), Some(Provenance::CustomDefault));
        let nobody = chosen(RwConcernDefaults::default());
        assert_eq!(nobody, Some(Provenance::ImplicitDefault));
    }
}
