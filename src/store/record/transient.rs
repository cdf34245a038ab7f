//! Which collections of a restoration there are.

use super::Malformed;
use super::bson::{Fields, Writer};
use crate::model::transient::TransientIds;

const ROLES: &str = "roles";
const USERS: &str = "users";

pub(super) fn write(writer: &mut Writer, ids: TransientIds) {
    for (field, id) in [(ROLES, ids.roles), (USERS, ids.users)] {
        if let Some(id) = id {
            writer.uuid(field, id);
        }
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<TransientIds, Malformed> {
    Ok(TransientIds {
        roles: fields.optional_uuid(ROLES)?,
        users: fields.optional_uuid(USERS)?,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{Table, decode, encode, open_record, seal};
    use super::*;
    use crate::store::{Change, Setting};

    const KEY: &[u8] = b"transientCollections";

    fn record(ids: &[(&str, Uuid)]) -> Vec<u8> {
        let mut writer = open_record();
        for (field, id) in ids {
            writer.uuid(field, *id);
        }
        seal(KEY.to_vec(), writer, &"transient").unwrap().1
    }

    #[test]
    fn ids_come_back_as_they_were() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for rows in [
            &[][..],
            &[(ROLES, one)],
            &[(USERS, one)],
            &[(ROLES, one), (USERS, other)],
        ] {
            let change = decode(Table::Settings, KEY, &record(rows)).unwrap();
            let Change::PutSetting(Setting::TransientCollections(ids)) = &change else {
                panic!("{change:?}");
            };
            let id_of = |field| {
                rows.iter()
                    .find(|(one, _)| *one == field)
                    .map(|(_, id)| *id)
            };
            assert_eq!((ids.roles, ids.users), (id_of(ROLES), id_of(USERS)));
            let write = encode(&change).unwrap();
            assert_eq!((&write.key[..], write.record), (KEY, Some(record(rows))));
        }
    }

    #[test]
    fn they_have_one_order_and_nothing_beside_them() {
        let id = Uuid::from_u128(1);
        for rows in [
            [(USERS, id), (ROLES, id)],
            [(USERS, id), (USERS, id)],
            [(ROLES, id), ("more", id)],
        ] {
            let refused = decode(Table::Settings, KEY, &record(&rows)).unwrap_err();
            assert_eq!(refused, Malformed::Surplus, "{rows:?}");
        }
    }
}
