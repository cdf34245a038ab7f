//! `authenticationRestrictions` in a record; left out when there are none.

use super::bson::{Fields, Writer};
use super::{Malformed, bad_value};
use crate::model::restriction::{AddressRestriction, Cidr, Restrictions};

const FIELD: &str = "authenticationRestrictions";

pub(super) fn write(writer: &mut Writer, restrictions: &Restrictions) {
    if restrictions.is_empty() {
        return;
    }
    writer.array(FIELD, restrictions.entries(), |writer, entry| {
        write_ranges(writer, "clientSource", entry.client_source.as_deref());
        write_ranges(writer, "serverAddress", entry.server_address.as_deref());
    });
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Restrictions, Malformed> {
    let entries = fields.optional_documents(FIELD, |entry| {
        Ok(AddressRestriction {
            client_source: read_ranges(entry, "clientSource")?,
            server_address: read_ranges(entry, "serverAddress")?,
        })
    })?;
    match entries {
        Some(entries) if entries.is_empty() => Err(Malformed::Field(FIELD)),
        Some(entries) => Ok(Restrictions::new(entries)),
        None => Ok(Restrictions::NONE),
    }
}

fn write_ranges(writer: &mut Writer, field: &str, ranges: Option<&[Cidr]>) {
    if let Some(ranges) = ranges {
        writer.strings(field, ranges.iter().map(Cidr::as_str));
    }
}

fn read_ranges(
    entry: &mut Fields<'_>,
    field: &'static str,
) -> Result<Option<Box<[Cidr]>>, Malformed> {
    let ranges = entry.optional_strings(field, |text| {
        text.parse::<Cidr>()
            .map_err(|error| bad_value(field, &error))
    })?;
    Ok(ranges.map(Vec::into_boxed_slice))
}
