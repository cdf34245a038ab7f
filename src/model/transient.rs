//! `admin.tempusers` and `admin.temproles`, where mongorestore inserts what it restores.

use uuid::Uuid;

use super::names::DbName;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransientCollection {
    /// `admin.temproles`.
    Roles,
    /// `admin.tempusers`.
    Users,
}

impl TransientCollection {
    /// Both, sorted by name.
    pub const ALL: [Self; 2] = [Self::Roles, Self::Users];

    /// The collection of that name, if it is one of these.
    pub fn find(db: &DbName, name: &str) -> Option<Self> {
        let is_it = |one: &Self| db.is_admin() && one.name() == name;
        Self::ALL.into_iter().find(is_it)
    }

    /// Its name on `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "temproles",
            Self::Users => "tempusers",
        }
    }
}

/// Which of the two there are. Each has a random id from its first insert until it is dropped, and
/// another one when it is begun anew: who has documents of another id has not what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransientIds {
    /// That of `admin.temproles`.
    pub roles: Option<Uuid>,
    /// That of `admin.tempusers`.
    pub users: Option<Uuid>,
}

impl TransientIds {
    /// The id of a collection; `None` if it does not exist.
    pub fn of(self, collection: TransientCollection) -> Option<Uuid> {
        match collection {
            TransientCollection::Roles => self.roles,
            TransientCollection::Users => self.users,
        }
    }

    /// The same with another id of a collection.
    #[must_use]
    pub fn with(mut self, collection: TransientCollection, id: Option<Uuid>) -> Self {
        match collection {
            TransientCollection::Roles => self.roles = id,
            TransientCollection::Users => self.users = id,
        }
        self
    }
}
