//! The collections that hold users and roles in mongod, made from the catalog, and the one that holds the
//! configuration of the replica set.

use std::sync::Arc;

use bson::spec::BinarySubtype;
use bson::{Binary, RawDocumentBuf, rawdoc};

use crate::catalog::Catalog;
use crate::cluster::ReplicaSetConfig;
use crate::command::role::roles_info_shape::stored_role;
use crate::command::services::Services;
use crate::command::user::users_info_shape::stored_user;
use crate::model::names::DbName;
use crate::model::role::Role;
use crate::model::transient::TransientCollection;
use crate::model::user::User;

/// A collection that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SystemCollection {
    /// `admin.system.roles`.
    Roles,
    /// `admin.system.users`.
    Users,
    /// `admin.system.version`.
    Version,
    /// `local.system.replset`.
    Replset,
}

/// Where their documents come from.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    pub(super) catalog: &'a Catalog,
    /// Of a member.
    pub(super) config: Option<Arc<ReplicaSetConfig>>,
}

/// A document of one of them, not yet made: it costs a pointer. It shows the user or role as it was
/// when it was taken, whole.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    Role(Arc<Role>),
    User(Arc<User>),
    AuthSchema,
    FeatureCompatibilityVersion,
    Config(Arc<ReplicaSetConfig>),
}

impl<'a> Sources<'a> {
    /// As of now.
    pub(super) fn of(services: &'a Services) -> Self {
        Self {
            catalog: services.directory.catalog(),
            config: config(services),
        }
    }
}

/// The configuration of the set that this server is a member of.
pub(super) fn config(services: &Services) -> Option<Arc<ReplicaSetConfig>> {
    let set = services.replica_set.as_ref()?;
    Some(Arc::clone(&set.topology().config))
}

impl SystemCollection {
    /// All of them, sorted by name.
    pub(super) const ALL: [Self; 4] = [Self::Replset, Self::Roles, Self::Users, Self::Version];

    /// The collection of that name, if it is one of these.
    pub(super) fn find(db: &DbName, name: &str) -> Option<Self> {
        let is_it = |one: &Self| one.is_on(db) && one.name() == name;
        Self::ALL.into_iter().find(is_it)
    }

    /// Whether it is a collection of that database.
    pub(super) fn is_on(self, db: &DbName) -> bool {
        match self {
            Self::Replset => db.as_str() == "local",
            Self::Roles | Self::Users | Self::Version => db.is_admin(),
        }
    }

    /// Its name on its database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Roles => "system.roles",
            Self::Users => "system.users",
            Self::Version => "system.version",
            Self::Replset => "system.replset",
        }
    }

    /// Whether mongod would have made it by now.
    pub(super) fn exists(self, sources: &Sources<'_>) -> bool {
        match self {
            Self::Version => true,
            Self::Roles | Self::Users | Self::Replset => self.count(sources) > 0,
        }
    }

    /// Its documents: users and roles sorted by name, then database, each once, as of now.
    pub(super) fn documents(self, sources: &Sources<'_>) -> Vec<Stored> {
        let catalog = sources.catalog;
        match self {
            Self::Roles => catalog.all_roles().into_iter().map(Stored::Role).collect(),
            Self::Users => catalog.all_users().into_iter().map(Stored::User).collect(),
            Self::Version => {
                let mut documents = vec![Stored::FeatureCompatibilityVersion];
                documents.extend(catalog.has_auth_schema().then_some(Stored::AuthSchema));
                documents
            }
            Self::Replset => sources.config.iter().cloned().map(Stored::Config).collect(),
        }
    }

    /// How many documents it has.
    pub(super) fn count(self, sources: &Sources<'_>) -> usize {
        match self {
            Self::Roles => sources.catalog.role_count(),
            Self::Users => sources.catalog.user_count(),
            Self::Version => 1 + usize::from(sources.catalog.has_auth_schema()),
            Self::Replset => usize::from(sources.config.is_some()),
        }
    }

    /// Its indexes, as `listIndexes` shows them.
    pub(super) fn indexes(self) -> Vec<RawDocumentBuf> {
        let unique = match self {
            Self::Roles => Some(("role_1_db_1", rawdoc! { "role": 1, "db": 1 })),
            Self::Users => Some(("user_1_db_1", rawdoc! { "user": 1, "db": 1 })),
            Self::Version | Self::Replset => None,
        };
        let by_id = id_index();
        let by_name = unique.map(|(name, key)| {
            rawdoc! { "v": 2, "key": key, "name": name, "unique": true }
        });
        std::iter::once(by_id).chain(by_name).collect()
    }

    /// What `listCollections` shows of it.
    pub(super) fn description(self, name_only: bool) -> RawDocumentBuf {
        let number = match self {
            Self::Roles => 1,
            Self::Users => 2,
            Self::Version => 3,
            Self::Replset => 6,
        };
        description(self.name(), number, name_only)
    }
}

impl TransientCollection {
    /// What `listCollections` shows of it.
    pub(super) fn description(self, name_only: bool) -> RawDocumentBuf {
        let number = match self {
            Self::Roles => 4,
            Self::Users => 5,
        };
        description(self.name(), number, name_only)
    }
}

impl Stored {
    /// The document as mongod stores it, credentials included.
    pub(super) fn to_document(&self) -> RawDocumentBuf {
        match self {
            Self::Role(role) => stored_role(role),
            Self::User(user) => stored_user(user),
            Self::AuthSchema => rawdoc! { "_id": "authSchema", "currentVersion": 5 },
            Self::FeatureCompatibilityVersion => {
                rawdoc! { "_id": "featureCompatibilityVersion", "version": "8.0" }
            }
            Self::Config(config) => {
                RawDocumentBuf::try_from(&config.to_document()).unwrap_or_default()
            }
        }
    }
}

/// `number` makes its UUID, the same on every server: nothing is told apart by it.
fn description(name: &str, number: u128, name_only: bool) -> RawDocumentBuf {
    if name_only {
        return rawdoc! { "name": name, "type": "collection" };
    }
    let id = uuid::Uuid::from_u128(0x706f_7274_6375_4c6c_9973_0000_0000_0000 | number);
    let uuid = Binary {
        subtype: BinarySubtype::Uuid,
        bytes: id.as_bytes().to_vec(),
    };
    rawdoc! {
        "name": name,
        "type": "collection",
        "options": {},
        "info": { "readOnly": false, "uuid": uuid },
        "idIndex": id_index(),
    }
}

fn id_index() -> RawDocumentBuf {
    rawdoc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }
}
