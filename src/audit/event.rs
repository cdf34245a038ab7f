//! What happened, in the shapes of mongod (manual, "mongo Schema Audit Messages").

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bson::raw::{CStr, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, RawArrayBuf, RawBson, RawDocument, RawDocumentBuf, rawdoc};
use compact_str::CompactString;
use uuid::Uuid;

use crate::model::directory_change::{DirectoryChange, Subject};
use crate::model::milvus::MilvusGrant;
use crate::model::names::{RoleName, UserName};
use crate::model::privilege::Privilege;
use crate::model::restriction::{Cidr, Restrictions};

/// Bytes of the `param` of a change or a start; what is beyond is cut and marked `truncated`.
pub(super) const PARAM_BYTES_MAX: usize = 1024 * 1024;
/// The same for `authCheck`.
const CHECK_PARAM_BYTES_MAX: usize = 16 * 1024;
/// The same for what is refused while nobody is signed in: strangers must not fill the disk with
/// little effort.
const STRANGER_PARAM_BYTES_MAX: usize = 1024;
/// Roles listed for the user of an event.
const ROLES_MAX: usize = 1000;

/// Reasons of `logout`.
const LOGOUT_REQUESTED: &str = "Logging out on user request";
const DISCONNECTED: &str = "Client has disconnected";

/// One thing that happened. Its strings are still to be hidden.
#[derive(Debug)]
pub struct Event {
    atype: &'static str,
    time: SystemTime,
    origin: Origin,
    pub(super) param: RawDocumentBuf,
    /// Names of fields in `param` that hold secrets: not even hashed.
    pub(super) sensitive: Vec<&'static str>,
    pub(super) param_bytes_max: usize,
    result: i32,
}

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Address and port.
    Ip(SocketAddr),
    /// A Unix domain socket with a path: the server's end.
    Unix(Arc<Path>),
    /// A Unix domain socket without one: the client's end.
    AnonymousUnix,
    /// No connection: the server itself.
    System,
}

/// Where an event comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The same for all events of a connection.
    pub uuid: Uuid,
    /// The server's end.
    pub local: Endpoint,
    /// The client's end.
    pub remote: Endpoint,
    /// Who is signed in.
    pub user: Option<UserName>,
    /// All roles of that user, directly or through others.
    pub roles: Vec<RoleName>,
}

/// A command that was asked for, for `authCheck`.
#[derive(Debug, Clone)]
pub struct Check<'a> {
    /// The command's canonical name.
    pub command: &'a str,
    /// The database, or the collection with its database.
    pub namespace: String,
    /// The document of the command.
    pub arguments: &'a RawDocument,
    /// Names of fields that hold secrets, at whatever depth.
    pub sensitive: Vec<&'static str>,
}

impl Origin {
    /// The server itself, whom mongod calls `__system@local`.
    pub fn system() -> Self {
        Self {
            uuid: Uuid::new_v4(),
            local: Endpoint::System,
            remote: Endpoint::System,
            user: None,
            roles: Vec::new(),
        }
    }
}

impl Event {
    /// `createUser`, `grantRolesToRole` and the like: named as the command.
    pub fn change(origin: &Origin, change: &DirectoryChange, result: i32) -> Self {
        Self::new(change.command, origin.clone(), change_param(change), result)
    }

    /// `authenticate`; `user` and `db` as the client gave them, as far as it got.
    pub fn authenticate(
        origin: Origin,
        user: &str,
        db: &str,
        mechanism: &str,
        result: i32,
    ) -> Self {
        let param = rawdoc! { "user": user, "db": db, "mechanism": mechanism };
        Self::new("authenticate", origin, param, result).cut_for_strangers()
    }

    /// `logout` by the command. Nobody is signed in afterwards: a connection has one user.
    pub fn logout(origin: Origin) -> Self {
        let param = logout_param(&origin, LOGOUT_REQUESTED);
        Self::new("logout", origin, param, 0)
    }

    /// `logout` of a user whose connection ended.
    pub fn disconnected(origin: Origin) -> Self {
        let param = logout_param(&origin, DISCONNECTED);
        Self::new("logout", origin, param, 0)
    }

    /// `authCheck`: 0 for a command that is allowed, 13 for one that is not.
    pub fn check(origin: Origin, check: &Check<'_>, result: i32) -> Self {
        let param = rawdoc! {
            "command": check.command,
            "ns": check.namespace.as_str(),
            "args": check.arguments.to_owned(),
        };
        Self {
            sensitive: check.sensitive.clone(),
            param_bytes_max: CHECK_PARAM_BYTES_MAX,
            ..Self::new("authCheck", origin, param, result)
        }
        .cut_for_strangers()
    }

    /// `portcullisBackup`, which mongod does not have: all users and roles are handed out, passwords'
    /// keys included.
    pub fn backup(origin: Origin, result: i32) -> Self {
        Self::new("portcullisBackup", origin, RawDocumentBuf::new(), result)
    }

    /// `replSetReconfig`: the configuration as it is, and as it is to be; for a refusal, as it was given.
    pub fn reconfigure(origin: Origin, old: &RawDocument, new: &RawDocument, result: i32) -> Self {
        let param = rawdoc! { "old": old.to_owned(), "new": new.to_owned() };
        Self::new("replSetReconfig", origin, param, result)
    }

    /// `clientMetadata`: what a client says of itself in its first hello.
    pub fn client_metadata(origin: Origin, metadata: &RawDocument) -> Self {
        let param = rawdoc! {
            "localEndpoint": origin.local.to_document(),
            "clientMetadata": metadata.to_owned(),
        };
        Self::new("clientMetadata", origin, param, 0)
    }

    /// `startup`, with the options that were set.
    pub fn startup(options: &RawDocument) -> Self {
        let param = rawdoc! {
            "startupOptions": options.to_owned(),
            "initialClusterServerParameters": [],
        };
        Self::new("startup", Origin::system(), param, 0)
    }

    /// `shutdown`: the server begins to stop.
    pub fn shutdown() -> Self {
        Self::new("shutdown", Origin::system(), RawDocumentBuf::new(), 0)
    }

    fn new(atype: &'static str, origin: Origin, param: RawDocumentBuf, result: i32) -> Self {
        Self {
            atype,
            time: SystemTime::now(),
            origin,
            param,
            sensitive: Vec::new(),
            param_bytes_max: PARAM_BYTES_MAX,
            result,
        }
    }

    fn cut_for_strangers(mut self) -> Self {
        if self.result != 0 && self.origin.user.is_none() {
            self.param_bytes_max = STRANGER_PARAM_BYTES_MAX;
        }
        self
    }

    /// The event as it is written, with `param` in place of its own.
    pub(super) fn to_document(&self, param: RawDocumentBuf) -> RawDocumentBuf {
        rawdoc! {
            "atype": self.atype,
            "ts": bson::DateTime::from_system_time(self.time),
            "uuid": uuid(self.origin.uuid),
            "local": self.origin.local.to_document(),
            "remote": self.origin.remote.to_document(),
            "users": self.origin.users(),
            "roles": role_array(self.origin.roles.iter().take(ROLES_MAX)),
            "param": param,
            "result": self.result,
        }
    }
}

impl Endpoint {
    fn to_document(&self) -> RawDocumentBuf {
        match self {
            Self::Ip(address) => rawdoc! {
                "ip": address.ip().to_string(),
                "port": i32::from(address.port()),
            },
            Self::Unix(path) => rawdoc! { "unix": path.to_string_lossy().as_ref() },
            Self::AnonymousUnix => rawdoc! { "unix": "anonymous" },
            Self::System => rawdoc! { "isSystemUser": true },
        }
    }
}

impl Origin {
    fn users(&self) -> RawArrayBuf {
        if self.local == Endpoint::System {
            return RawArrayBuf::from_iter([rawdoc! { "user": "__system", "db": "local" }]);
        }
        self.user.iter().map(user_document).collect()
    }
}

fn uuid(uuid: Uuid) -> RawBson {
    RawBson::Binary(Binary {
        subtype: BinarySubtype::Uuid,
        bytes: uuid.as_bytes().to_vec(),
    })
}

fn logout_param(origin: &Origin, reason: &str) -> RawDocumentBuf {
    rawdoc! { "reason": reason, "initialUsers": origin.users(), "updatedUsers": [] }
}

fn change_param(change: &DirectoryChange) -> RawDocumentBuf {
    let mut param = match &change.subject {
        Subject::User(name) => user_document(name),
        Subject::Role(name) => role_document(name),
        Subject::AllUsersOf(db) | Subject::AllRolesOf(db) => rawdoc! { "db": db.as_str() },
        Subject::PrivilegeGroup(name) => rawdoc! { "privilegeGroup": name.as_str() },
    };
    let mut append = |name: &CStr, value: Option<RawBson>| {
        if let Some(value) = value {
            param.append(name, value);
        }
    };
    append(
        cstr!("passwordChanged"),
        change.password_changed.map(RawBson::from),
    );
    let custom_data = change.custom_data.as_deref();
    append(
        cstr!("customData"),
        custom_data.cloned().map(RawBson::Document),
    );
    let roles = change.roles.as_deref();
    append(
        cstr!("roles"),
        roles.map(|roles| role_array(roles.iter()).into()),
    );
    let privileges = change.privileges.as_deref().map(|privileges| {
        RawBson::Array(privileges.iter().map(Privilege::to_raw_document).collect())
    });
    append(cstr!("privileges"), privileges);
    let grants = change
        .milvus_grants
        .as_deref()
        .map(|grants| RawBson::Array(grants.iter().map(MilvusGrant::to_raw_document).collect()));
    append(cstr!("milvusGrants"), grants);
    let privileges = change
        .group_privileges
        .as_deref()
        .map(|names| RawBson::Array(names.iter().map(CompactString::as_str).collect()));
    append(cstr!("milvusPrivileges"), privileges);
    let restrictions = change.restrictions.as_ref().map(restriction_array);
    append(cstr!("authenticationRestrictions"), restrictions);
    param
}

fn user_document(name: &UserName) -> RawDocumentBuf {
    rawdoc! { "user": name.user(), "db": name.db().as_str() }
}

fn role_document(name: &RoleName) -> RawDocumentBuf {
    rawdoc! { "role": name.role(), "db": name.db().as_str() }
}

fn role_array<'a>(roles: impl Iterator<Item = &'a RoleName>) -> RawArrayBuf {
    roles.map(role_document).collect()
}

fn restriction_array(restrictions: &Restrictions) -> RawBson {
    let ranges = |ranges: &[Cidr]| ranges.iter().map(Cidr::as_str).collect::<RawArrayBuf>();
    let entries = restrictions.entries().iter().map(|entry| {
        let mut document = RawDocumentBuf::new();
        if let Some(source) = &entry.client_source {
            document.append(cstr!("clientSource"), ranges(source));
        }
        if let Some(address) = &entry.server_address {
            document.append(cstr!("serverAddress"), ranges(address));
        }
        document
    });
    RawBson::Array(entries.collect())
}
