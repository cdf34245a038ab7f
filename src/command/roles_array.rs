//! Arrays of `{role, db}` in answers.

use bson::RawArrayBuf;
use bson::rawdoc;

use crate::model::names::RoleName;

/// `[{role, db}, ...]` in the order given.
pub fn roles_array<'a>(roles: impl IntoIterator<Item = &'a RoleName>) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for role in roles {
        array.push(rawdoc! { "role": role.role(), "db": role.db().as_str() });
    }
    array
}
