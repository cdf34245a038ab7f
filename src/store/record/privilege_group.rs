//! The groups of privileges that administrators made, all in one record.

use compact_str::CompactString;

use super::Malformed;
use super::bson::{Fields, Writer};
use crate::model::milvus::{PrivilegeGroup, PrivilegeGroups};

const FIELD: &str = "groups";
const PRIVILEGES: &str = "privileges";

pub(super) fn write_all(writer: &mut Writer, groups: &PrivilegeGroups) {
    writer.array(FIELD, groups.as_slice(), |writer, group| {
        writer.string("name", &group.name);
        writer.strings(
            PRIVILEGES,
            group.privileges.iter().map(CompactString::as_str),
        );
    });
}

pub(super) fn read_all(fields: &mut Fields<'_>) -> Result<PrivilegeGroups, Malformed> {
    let groups = fields.documents(FIELD, read)?;
    PrivilegeGroups::new(groups).ok_or(Malformed::Field(FIELD))
}

fn read(group: &mut Fields<'_>) -> Result<PrivilegeGroup, Malformed> {
    let name = group.string("name")?.into();
    let privileges = group.optional_strings(PRIVILEGES, |name| Ok(CompactString::from(name)))?;
    let privileges = privileges.ok_or(Malformed::Field(PRIVILEGES))?;
    if !privileges.is_sorted_by(|left, right| left < right) {
        return Err(Malformed::Field(PRIVILEGES));
    }
    Ok(PrivilegeGroup {
        name,
        privileges: privileges.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Table, decode, encode, open_record, seal};
    use super::*;
    use crate::store::{Change, Setting};

    const KEY: &[u8] = b"milvusPrivilegeGroups";

    fn record(rows: &[(&str, Vec<&str>)]) -> Vec<u8> {
        let mut writer = open_record();
        writer.array(FIELD, rows, |writer, (name, privileges)| {
            writer.string("name", name);
            writer.strings(PRIVILEGES, privileges.iter().copied());
        });
        seal(KEY.to_vec(), writer, &"groups").unwrap().1
    }

    #[test]
    fn groups_come_back_as_they_were() {
        for rows in [vec![], vec![("a", vec![]), ("b", vec!["Load", "a"])]] {
            let change = decode(Table::Settings, KEY, &record(&rows)).unwrap();
            let Change::PutSetting(Setting::PrivilegeGroups(groups)) = &change else {
                panic!("{change:?}");
            };
            assert_eq!(groups.as_slice().len(), rows.len());
            let write = encode(&change).unwrap();
            assert_eq!(
                (write.key.as_slice(), write.record),
                (KEY, Some(record(&rows)))
            );
        }
    }

    #[test]
    fn they_have_one_order() {
        for (rows, field) in [
            (vec![("b", vec![]), ("a", vec![])], FIELD),
            (vec![("a", vec![]), ("a", vec![])], FIELD),
            (vec![("a", vec!["y", "x"])], PRIVILEGES),
            (vec![("a", vec!["x", "x"])], PRIVILEGES),
        ] {
            let refused = decode(Table::Settings, KEY, &record(&rows)).unwrap_err();
            assert_eq!(refused, Malformed::Field(field));
        }
    }
}
