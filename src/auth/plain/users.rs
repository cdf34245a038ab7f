//! Who may sign in by PLAIN.

use crate::model::names::DbName;

/// The users who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainUsers<'a> {
    /// It is enabled.
    All,
    /// Those of this database, whose clients know no other mechanism.
    Of(&'a DbName),
    /// It is not enabled.
    Nobody,
}

impl PlainUsers<'_> {
    /// Whether users of `db` may.
    pub fn include(self, db: &DbName) -> bool {
        match self {
            Self::All => true,
            Self::Of(their) => their == db,
            Self::Nobody => false,
        }
    }

    /// The same where the client names `db`: on `$external` the name of the user says its database.
    pub fn may_be_from(self, db: &DbName) -> bool {
        self.include(db) || db.is_external() && self != Self::Nobody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_all_or_those_of_one_database_or_nobody() {
        let shop = DbName::parse("shop").unwrap();
        let of_milvus = PlainUsers::Of(&DbName::MILVUS);
        for (users, db, is_included, may_be) in [
            (PlainUsers::All, &shop, true, true),
            (PlainUsers::Nobody, &shop, false, false),
            (PlainUsers::Nobody, &DbName::EXTERNAL, false, false),
            (of_milvus, &shop, false, false),
            (of_milvus, &DbName::MILVUS, true, true),
            (of_milvus, &DbName::EXTERNAL, false, true),
        ] {
            assert_eq!(users.include(db), is_included, "{users:?} {db}");
            assert_eq!(users.may_be_from(db), may_be, "{users:?} {db}");
        }
    }
}
