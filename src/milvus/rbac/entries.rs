//! How many of each a backup has, counted before it is decoded: an entry of two bytes takes up to a hundred
//! times as many once it is.

/// Entries that a backup has, however they are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) users: usize,
    /// Of all users.
    pub(super) user_roles: usize,
    pub(super) roles: usize,
    pub(super) grants: usize,
    pub(super) groups: usize,
    /// Of all groups.
    pub(super) group_privileges: usize,
}

impl Entries {
    /// Those of an `RBACMeta`, or of what of it can be read: decoding ends there too.
    pub(super) fn of(meta: &[u8]) -> Self {
        let mut entries = Self::default();
        for (field, value) in fields(meta) {
            match field {
                1 => {
                    entries.users += 1;
                    entries.user_roles += fields(value).filter(|(field, _)| *field == 3).count();
                }
                2 => entries.roles += 1,
                3 => entries.grants += 1,
                4 => {
                    entries.groups += 1;
                    entries.group_privileges +=
                        fields(value).filter(|(field, _)| *field == 2).count();
                }
                _ => {}
            }
        }
        entries
    }

    /// Whether there is nothing to restore.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Number and bytes of every field that has a length, which all entries have. What is in a group, which
/// messages have not had for long, counts as if it were not: that is too much and never too little.
fn fields(message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = message;
    std::iter::from_fn(move || {
        loop {
            let (key, after) = varint(rest)?;
            let (value, after) = match key & 7 {
                0 => (None, varint(after)?.1),
                1 => (None, after.get(8..)?),
                2 => {
                    let (length, after) = varint(after)?;
                    let (value, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
                    (Some(value), after)
                }
                // A group begins or ends.
                3 | 4 => (None, after),
                5 => (None, after.get(4..)?),
                _ => return None,
            };
            rest = after;
            if let Some(value) = value {
                return Some((key >> 3, value));
            }
        }
    })
}

/// A number, and what comes after it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 + bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at_checked(length)?;
    let parts = number.iter().rev();
    let number = parts.fold(0_u64, |number, part| (number << 7) | u64::from(part & 0x7F));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::milvus::proto::milvus::{
        GrantEntity, PrivilegeEntity, PrivilegeGroupInfo, RbacMeta, RoleEntity, UserInfo,
    };

    fn meta() -> RbacMeta {
        RbacMeta {
            users: vec![
                UserInfo {
                    user: "ann".to_owned(),
                    password: "x".repeat(300),
                    roles: vec![RoleEntity::default(); 5],
                },
                UserInfo::default(),
            ],
            roles: vec![RoleEntity::default(); 3],
            grants: vec![GrantEntity::default(); 4],
            privilege_groups: vec![PrivilegeGroupInfo {
                group_name: "lookers".to_owned(),
                privileges: vec![PrivilegeEntity::default(); 200],
            }],
        }
    }

    const COUNTED: Entries = Entries {
        users: 2,
        user_roles: 5,
        roles: 3,
        grants: 4,
        groups: 1,
        group_privileges: 200,
    };

    #[test]
    fn as_many_are_counted_as_are_decoded() {
        assert_eq!(Entries::of(&meta().encode_to_vec()), COUNTED);
        assert!(Entries::of(&[]).is_empty());
    }

    #[test]
    fn nothing_hides_behind_what_is_skipped() {
        let skipped: [&[u8]; 6] = [
            b"\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // a number
            b"\x49\0\0\0\0\0\0\0\0",                         // eight bytes
            b"\x4a\x03abc",                                  // three bytes
            b"\x4b\x08\x01\x4c",                             // a group
            b"\x4d\0\0\0\0",                                 // four bytes
            b"\xca\x80\x80\x80\x80\x00\x01a",                // a key longer than it need be
        ];
        for skipped in skipped {
            let message = [skipped, &meta().encode_to_vec()].concat();
            assert_eq!(RbacMeta::decode(&*message), Ok(meta()), "{skipped:?}");
            assert_eq!(Entries::of(&message), COUNTED, "{skipped:?}");
        }
    }

    #[test]
    fn what_is_cut_off_counts_as_far_as_it_goes() {
        let message = meta().encode_to_vec();
        for length in 0..message.len() {
            let entries = Entries::of(&message[..length]);
            assert!(entries.users <= 2 && entries.group_privileges <= 200);
        }
        assert_eq!(Entries::of(b"\x12\x00\x12\x7f").roles, 1);
        assert!(Entries::of(&[0xff; 20]).is_empty());
    }
}
