//! A grant: one privilege or group, on what, to whoever has the role.

use std::cmp::Ordering;

use bson::{RawDocumentBuf, rawdoc};
use compact_str::CompactString;

use super::{ALL, MilvusObject, built_in_group};

/// Any object, any database, or any privilege of a kind of object.
pub const ANY: &str = "*";
/// The database meant where none is named.
pub const DEFAULT_DATABASE: &str = "default";

/// One row of a role's grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilvusGrant {
    /// What kind of object; `Global` for groups.
    pub object: MilvusObject,
    /// Which one, or [`ANY`]. It need not exist.
    pub object_name: CompactString,
    /// The database of Milvus, or [`ANY`]. It need not exist.
    pub db: CompactString,
    /// A privilege, a group, or [`ANY`].
    pub privilege: CompactString,
    /// Who granted it; told, and nothing more.
    pub grantor: CompactString,
}

impl MilvusGrant {
    /// `{object, objectName, db, privilege, grantor}`.
    pub fn to_raw_document(&self) -> RawDocumentBuf {
        rawdoc! {
            "object": self.object.name(),
            "objectName": self.object_name.as_str(),
            "db": self.db.as_str(),
            "privilege": self.privilege.as_str(),
            "grantor": self.grantor.as_str(),
        }
    }

    /// What makes two grants the same: all but who granted it.
    pub fn is_same(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }

    /// The order of lists: object, database, object name, privilege.
    pub fn order(&self, other: &Self) -> Ordering {
        let places = self.object.cmp(&other.object);
        let places = places.then_with(|| self.db.cmp(&other.db));
        let places = places.then_with(|| self.object_name.cmp(&other.object_name));
        places.then_with(|| self.privilege.cmp(&other.privilege))
    }

    /// Whether it allows `privilege` on the object of that kind and name in the database `db`; without
    /// a name, whether there is any object that it allows it on.
    pub fn allows(
        &self,
        privilege: &str,
        object: MilvusObject,
        name: Option<&str>,
        db: &str,
    ) -> bool {
        if self.object == MilvusObject::Global && self.privilege == ALL {
            return names(&self.db, db);
        }
        if let Some(group) = built_in_group(&self.privilege) {
            // A group has privileges on several kinds of objects.
            return self.reaches(name, db) && group.has(privilege);
        }
        // There is one server, on whatever collection a privilege on it was granted.
        let name = name.filter(|_| object != MilvusObject::Global);
        self.reaches(name, db) && self.object == object && names(&self.privilege, privilege)
    }

    /// Whether it is about the object of that name, or about any without a name, in the database `db`.
    pub fn reaches(&self, name: Option<&str>, db: &str) -> bool {
        names(&self.db, db) && name.is_none_or(|name| names(&self.object_name, name))
    }
}

fn names(granted: &str, wanted: &str) -> bool {
    granted == ANY || granted == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(object: MilvusObject, name: &str, db: &str, privilege: &str) -> MilvusGrant {
        MilvusGrant {
            object,
            object_name: name.into(),
            db: db.into(),
            privilege: privilege.into(),
            grantor: "root".into(),
        }
    }

    #[test]
    fn grants_reach_as_far_as_they_say() {
        use MilvusObject::{Collection, Global, User};
        let create = ("CreateOwnership", Global, "*");
        let update = ("UpdateUser", User, "ann");
        let load = ("Load", Collection, "books");
        let cases = [
            // grant, call, database of the call, allowed
            (grant(Global, "*", "*", "*"), create, "default", true),
            (grant(Global, "*", "*", "*"), update, "default", false),
            (grant(Global, "*", "*", "All"), update, "default", true),
            (grant(Global, "*", "default", "All"), load, "default", true),
            (
                grant(Global, "books", "*", "CreateOwnership"),
                create,
                "x",
                true,
            ),
            (grant(Global, "books", "*", "*"), create, "x", true),
            (grant(Global, "books", "y", "*"), create, "x", false),
            (grant(Global, "books", "*", "*"), load, "x", false),
            (grant(Global, "*", "default", "All"), load, "other", false),
            (grant(User, "*", "*", "*"), update, "default", true),
            (grant(User, "ann", "*", "UpdateUser"), update, "x", true),
            (grant(User, "bob", "*", "UpdateUser"), update, "x", false),
            (grant(User, "ann", "*", "SelectUser"), update, "x", false),
            (grant(Collection, "*", "*", "*"), create, "default", false),
            (grant(Collection, "*", "*", "*"), load, "default", true),
            (grant(Global, "*", "*", "ClusterAdmin"), create, "x", true),
            (grant(Global, "*", "*", "ClusterAdmin"), update, "x", true),
            (grant(Global, "*", "*", "ClusterAdmin"), load, "x", false),
            (grant(Global, "*", "y", "ClusterAdmin"), create, "x", false),
        ];
        for (grant, (privilege, object, name), db, expected) in cases {
            let allowed = grant.allows(privilege, object, Some(name), db);
            assert_eq!(allowed, expected, "{grant:?}: {privilege} in {db}");
        }
    }

    #[test]
    fn who_granted_it_makes_no_other_grant() {
        let grant = grant(MilvusObject::User, "ann", "*", "UpdateUser");
        let again = MilvusGrant {
            grantor: "ann".into(),
            ..grant.clone()
        };
        assert!(grant.is_same(&again) && grant != again);
    }
}
