//! `authenticationRestrictions` as commands carry them.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf};

use super::arguments::{FromField, Path, arguments, strict_document};
use crate::error::{CommandError, ErrorCode};
use crate::model::restriction::{AddressRestriction, Cidr, Restrictions};

arguments! {
    /// One entry, its ranges not yet read: mongod does that after authorization.
    #[derive(Debug)]
    pub struct RestrictionArgument {
        /// Ranges the client's address must be in.
        "clientSource" => client_source: Option<Vec<String>>,
        /// Ranges the address the client connected to must be in.
        "serverAddress" => server_address: Option<Vec<String>>,
    }
}

impl FromField for RestrictionArgument {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        strict_document(value, path)
    }
}

impl RestrictionArgument {
    /// The restrictions, if every entry has a field and every range is one.
    pub fn resolve_all(entries: &[Self]) -> Result<Restrictions, CommandError> {
        let entries: Result<_, _> = entries.iter().map(Self::resolve).collect();
        entries.map(Restrictions::new)
    }

    fn resolve(&self) -> Result<AddressRestriction, CommandError> {
        if self.client_source.is_none() && self.server_address.is_none() {
            return Err(CommandError::new(
                ErrorCode::COLLECTION_IS_EMPTY,
                "At least one of 'clientSource' or 'serverAddress' must be set",
            ));
        }
        Ok(AddressRestriction {
            client_source: ranges(self.client_source.as_deref())?,
            server_address: ranges(self.server_address.as_deref())?,
        })
    }
}

fn ranges(texts: Option<&[String]>) -> Result<Option<Box<[Cidr]>>, CommandError> {
    let Some(texts) = texts else {
        return Ok(None);
    };
    texts
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|invalid| CommandError::bad_value(format!("{invalid}")))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The stored array, each range in the administrator's own words.
pub fn restrictions_array(restrictions: &Restrictions) -> RawArrayBuf {
    array(restrictions, |range| range.as_str().to_owned())
}

/// The array with every range shown as an address and a prefix length.
pub fn restrictions_array_with_prefixes(restrictions: &Restrictions) -> RawArrayBuf {
    array(restrictions, Cidr::with_prefix)
}

fn array(restrictions: &Restrictions, text: impl Fn(&Cidr) -> String) -> RawArrayBuf {
    let list = |ranges: &[Cidr]| ranges.iter().map(&text).collect::<RawArrayBuf>();
    let mut array = RawArrayBuf::new();
    for entry in restrictions.entries() {
        let mut document = RawDocumentBuf::new();
        if let Some(ranges) = &entry.client_source {
            document.append(cstr!("clientSource"), list(ranges));
        }
        if let Some(ranges) = &entry.server_address {
            document.append(cstr!("serverAddress"), list(ranges));
        }
        array.push(document);
    }
    array
}
