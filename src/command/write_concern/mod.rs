//! `writeConcern`: how far a write must have come before it is acknowledged.
//!
//! Field rules, defaults and texts as MongoDB 8.0 (manual page "Write Concern"). [`WriteConcern`] is
//! what a command asks for, [`RwConcernDefaults`] what holds where it asks for nothing, and
//! [`Pending`] waits for it once the command has run.

mod count;
mod defaults;
mod miss;
mod parse;
mod pending;
mod wait;

use std::collections::BTreeMap;

use bson::raw::cstr;
use bson::{RawDocumentBuf, rawdoc};

use crate::command::reply::append;
use crate::error::CommandError;

pub use count::check_mode;
pub use defaults::RwConcernDefaults;
pub use miss::WriteConcernError;
pub use pending::Pending;

/// A valid write concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteConcern {
    /// On how many members, or which.
    pub w: Acknowledgement,
    /// Whether it must be in the journal; `None` leaves it to the server.
    pub journal: Option<bool>,
    /// How long to wait for `w`, in milliseconds; 0 or less waits without end.
    pub timeout_ms: i32,
    /// Who chose it; `None` until that is known.
    pub provenance: Option<Provenance>,
}

/// The `w` of a write concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Left out: the default of the deployment.
    Default,
    /// On that many members.
    Members(u8),
    /// On a majority of the members.
    Majority,
    /// A mode that the configuration of the set names.
    Mode(String),
    /// On members with so many different values of each tag.
    Tags(BTreeMap<String, u32>),
}

/// Who chose a write concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// The client, with the command.
    ClientSupplied,
    /// The server, because nobody else did.
    ImplicitDefault,
    /// Whoever ran `setDefaultRWConcern`.
    CustomDefault,
    /// `settings.getLastErrorDefaults` of sets before MongoDB 5.0.
    GetLastErrorDefaults,
    /// A server on its own behalf.
    InternalWriteDefault,
}

impl Provenance {
    const ALL: [Self; 5] = [
        Self::ClientSupplied,
        Self::ImplicitDefault,
        Self::CustomDefault,
        Self::GetLastErrorDefaults,
        Self::InternalWriteDefault,
    ];

    /// As documents name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientSupplied => "clientSupplied",
            Self::ImplicitDefault => "implicitDefault",
            Self::CustomDefault => "customDefault",
            Self::GetLastErrorDefaults => "getLastErrorDefaults",
            Self::InternalWriteDefault => "internalWriteDefault",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl WriteConcern {
    /// What holds where nobody has chosen: a majority, without a limit in time.
    pub const IMPLICIT_DEFAULT: Self = Self {
        w: Acknowledgement::Majority,
        journal: None,
        timeout_ms: 0,
        provenance: Some(Provenance::ImplicitDefault),
    };

    /// What holds on a member of a replica set for a command that asks for `given`: what it leaves
    /// out is taken from `default`.
    pub fn or_default(given: Option<Self>, default: Self) -> Self {
        let Some(given) = given else {
            return default;
        };
        if given.w == Acknowledgement::Default {
            return Self {
                w: default.w,
                journal: given.journal.or(default.journal),
                timeout_ms: given.timeout_ms,
                provenance: given.provenance.or(default.provenance),
            };
        }
        Self {
            provenance: given.provenance.or(Some(Provenance::ClientSupplied)),
            ..given
        }
    }

    /// Whether more than the member that writes has to have it.
    pub fn needs_others(&self) -> bool {
        !matches!(self.w, Acknowledgement::Members(0 | 1))
    }

    /// `{w, [j], wtimeout, [provenance]}`.
    pub fn to_document(&self) -> RawDocumentBuf {
        let mut document = RawDocumentBuf::new();
        match &self.w {
            Acknowledgement::Default => {}
            Acknowledgement::Members(members) => {
                document.append(cstr!("w"), i32::from(*members));
            }
            Acknowledgement::Majority => document.append(cstr!("w"), "majority"),
            Acknowledgement::Mode(mode) => document.append(cstr!("w"), mode.as_str()),
            Acknowledgement::Tags(tags) => document.append(cstr!("w"), tags_document(tags)),
        }
        if let Some(journal) = self.journal {
            document.append(cstr!("j"), journal);
        }
        document.append(cstr!("wtimeout"), self.timeout_ms);
        if let Some(provenance) = self.provenance {
            document.append(cstr!("provenance"), provenance.name());
        }
        document
    }

    /// Refuses what only a journal can fulfil where there is none.
    pub fn check_journal(&self, has_journal: bool) -> Result<(), CommandError> {
        if self.journal == Some(true) && !has_journal {
            return Err(CommandError::bad_value(
                "cannot use 'j' option when a host does not have journaling enabled",
            ));
        }
        Ok(())
    }

    /// Refuses what a server that is not a replica set member can never fulfil.
    pub fn check_on_standalone(&self) -> Result<(), CommandError> {
        match &self.w {
            Acknowledgement::Members(members) if *members > 1 => Err(CommandError::bad_value(
                "cannot use 'w' > 1 when a host is not replicated",
            )),
            Acknowledgement::Mode(mode) => Err(CommandError::bad_value(format!(
                "cannot use non-majority 'w' mode \"{mode}\" when a host is not a member of a \
                 replica set"
            ))),
            _ => Ok(()),
        }
    }
}

/// `{tag: number, ...}`.
fn tags_document(tags: &BTreeMap<String, u32>) -> RawDocumentBuf {
    let mut document = rawdoc! {};
    for (tag, values) in tags {
        match i32::try_from(*values) {
            Ok(values) => append(&mut document, tag, values),
            Err(_) => append(&mut document, tag, i64::from(*values)),
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concern(w: Acknowledgement, provenance: Option<Provenance>) -> WriteConcern {
        WriteConcern {
            w,
            journal: None,
            timeout_ms: 7,
            provenance,
        }
    }

    #[test]
    fn what_is_left_out_comes_from_the_default() {
        let custom = WriteConcern {
            journal: Some(true),
            ..concern(Acknowledgement::Members(2), Some(Provenance::CustomDefault))
        };
        let resolved = WriteConcern::or_default(None, custom.clone());
        assert_eq!(resolved, custom);
        let without_w = concern(Acknowledgement::Default, None);
        let resolved = WriteConcern::or_default(Some(without_w), custom.clone());
        assert_eq!(resolved, custom);
        let resolved = WriteConcern::or_default(
            Some(concern(Acknowledgement::Members(1), None)),
            custom.clone(),
        );
        let client = Some(Provenance::ClientSupplied);
        assert_eq!(resolved, concern(Acknowledgement::Members(1), client));
        let named = Some(Provenance::InternalWriteDefault);
        let given = concern(Acknowledgement::Majority, named);
        let resolved = WriteConcern::or_default(Some(given.clone()), custom);
        assert_eq!(resolved, given);
    }

    #[test]
    fn only_some_need_others() {
        let needs = |w| concern(w, None).needs_others();
        assert!(!needs(Acknowledgement::Members(0)));
        assert!(!needs(Acknowledgement::Members(1)));
        assert!(needs(Acknowledgement::Members(2)));
        assert!(needs(Acknowledgement::Majority));
        assert!(needs(Acknowledgement::Mode("x".into())));
        assert!(needs(Acknowledgement::Tags(BTreeMap::new())));
    }
}
