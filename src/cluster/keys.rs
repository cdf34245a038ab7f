//! The keys in etcd. `docs/cluster.md` lists them.

use bytes::Bytes;

use crate::store::record::Table;

const TABLES: [Table; 3] = [Table::Settings, Table::Roles, Table::Users];

/// The keys of one replica set: all begin with its root, which ends with a slash.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    root: String,
}

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The number of the layout of everything else.
    Format,
    /// The last batch.
    Head,
    /// The configuration of the set.
    Config,
    /// Who is primary.
    Primary,
    /// A live member, by host.
    Member(&'a str),
    /// A setting, role or user.
    Record(Table, &'a [u8]),
    /// A part of a batch that is too large for one transaction.
    Staged,
    /// Something newer programs put there.
    Unknown,
}

impl Keys {
    pub(super) fn new(prefix: &str, set_name: &str) -> Self {
        Self {
            root: format!("{prefix}/{set_name}/"),
        }
    }

    /// What all keys begin with.
    pub(super) fn root(&self) -> &[u8] {
        self.root.as_bytes()
    }

    pub(super) fn format(&self) -> Bytes {
        self.key("format")
    }

    pub(super) fn head(&self) -> Bytes {
        self.key("head")
    }

    pub(super) fn config(&self) -> Bytes {
        self.key("config")
    }

    pub(super) fn primary(&self) -> Bytes {
        self.key("primary")
    }

    pub(super) fn member(&self, host: &str) -> Bytes {
        self.key(&format!("members/{host}"))
    }

    /// What all live members begin with.
    pub(super) fn members(&self) -> Bytes {
        self.key("members/")
    }

    pub(super) fn record(&self, table: Table, key: &[u8]) -> Bytes {
        [self.root(), table.name().as_bytes(), b"/", key]
            .concat()
            .into()
    }

    /// What all parts of all batches begin with.
    pub(super) fn staged(&self) -> Bytes {
        self.key("staged/")
    }

    /// What the parts of one batch begin with.
    pub(super) fn staged_batch(&self, batch: uuid::Uuid) -> Bytes {
        self.key(&format!("staged/{batch}/"))
    }

    /// One part; they sort by their number.
    pub(super) fn staged_part(&self, batch: uuid::Uuid, number: usize) -> Bytes {
        self.key(&format!("staged/{batch}/{number:08x}"))
    }

    /// What a key of this set stands for.
    pub(super) fn place<'a>(&self, key: &'a [u8]) -> Place<'a> {
        let Some(rest) = key.strip_prefix(self.root()) else {
            return Place::Unknown;
        };
        match rest {
            b"format" => return Place::Format,
            b"head" => return Place::Head,
            b"config" => return Place::Config,
            b"primary" => return Place::Primary,
            _ => {}
        }
        if rest.starts_with(b"staged/") {
            return Place::Staged;
        }
        if let Some(host) = rest.strip_prefix(b"members/") {
            return std::str::from_utf8(host).map_or(Place::Unknown, Place::Member);
        }
        for table in TABLES {
            let name = table.name().as_bytes();
            if let Some([b'/', key @ ..]) = rest.strip_prefix(name) {
                return Place::Record(table, key);
            }
        }
        Place::Unknown
    }

    fn key(&self, rest: &str) -> Bytes {
        [self.root(), rest.as_bytes()].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again() {
        let keys = Keys::new("/portcullis", "rs0");
        assert_eq!(&keys.head()[..], b"/portcullis/rs0/head");
        assert_eq!(keys.place(&keys.head()), Place::Head);
        assert_eq!(keys.place(&keys.config()), Place::Config);
        assert_eq!(keys.place(&keys.primary()), Place::Primary);
        assert_eq!(keys.place(&keys.member("a:1")), Place::Member("a:1"));
        let key = keys.record(Table::Users, b"db\0name/with/slashes");
        let expected = Place::Record(Table::Users, b"db\0name/with/slashes");
        assert_eq!(keys.place(&key), expected);
        assert_eq!(keys.place(b"/portcullis/rs1/head"), Place::Unknown);
        assert_eq!(
            keys.place(b"/portcullis/rs0/usersandmore/x"),
            Place::Unknown
        );
        let part = keys.staged_part(uuid::Uuid::nil(), 7);
        assert_eq!(keys.place(&part), Place::Staged);
        assert!(part.starts_with(&keys.staged_batch(uuid::Uuid::nil())));
    }
}
