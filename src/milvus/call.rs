//! What a call declares: its name, what it takes to be allowed, what it does.

use std::sync::Arc;

use compact_str::CompactString;

use super::auditing::unaudited;
use super::connection::Connection;
use super::failure::Failure;
use super::names;
use super::proto::common::Status;
use crate::audit::Event;
use crate::auth::hash_pool::{Owner, Share};
use crate::authz::{MilvusAuthority, MilvusNeed, Pass};
use crate::command::read_preference::ReadPreference;
use crate::command::services::{Services, ops_error_code};
use crate::command::spec::RunsOn;
use crate::config::MilvusConfig;
use crate::error::ErrorCode;
use crate::model::directory_change::DirectoryChange;
use crate::model::milvus::{ANY, MilvusObject};
use crate::model::names::{DbName, UserName};
use crate::model::user::User;
use crate::ops::{CommitNote, Order};
use crate::telemetry::events;

/// Bytes of a request: names, a password and a handful of privileges.
pub(super) const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// One method of `milvus.proto.milvus.MilvusService`; the request is what implements it.
pub(super) trait Call: prost::Message + Default + 'static {
    /// Its name in the API.
    const METHOD: &'static str;
    /// Bytes of its longest request. Where that is more than of others, the caller is asked for before
    /// it is read.
    const LONGEST_REQUEST: usize = REQUEST_BYTES_MAX;
    /// What it answers.
    type Reply: Reply;

    /// What the caller needs; `None` where it is enough to be somebody.
    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed>;

    /// Its own checks, in the order of Milvus, and the work.
    fn run(
        self,
        context: &Context<'_>,
        pass: Pass,
    ) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// A message that can say that a call has failed.
pub(super) trait Reply: prost::Message + Default + 'static {
    /// The answer of a call that has failed.
    fn failed(status: Status) -> Self;
}

impl Reply for Status {
    fn failed(status: Status) -> Self {
        status
    }
}

/// Replies that carry a status beside what they tell.
macro_rules! replies_with_status {
    ($($reply:ident)*) => {
        $(impl Reply for super::proto::milvus::$reply {
            fn failed(status: Status) -> Self {
                Self {
                    status: Some(status),
                    ..Self::default()
                }
            }
        })*
    };
}

replies_with_status! {
    BackupRbacMetaResponse CheckHealthResponse ConnectResponse DescribeDatabaseResponse GetVersionResponse
    ListCredUsersResponse ListDatabasesResponse ListPrivilegeGroupsResponse SelectGrantResponse SelectRoleResponse SelectUserResponse
}

/// One call of one client.
pub(super) struct Context<'a> {
    /// Where it came by.
    pub(super) connection: &'a Connection,
    /// Who calls; `None` only where authorization is off.
    pub(super) caller: Option<Arc<User>>,
    /// The database of Milvus that the call is about: metadata `dbname`.
    pub(super) db: CompactString,
    /// Where its orders have their commits noted, if it waits for other members afterwards.
    pub(super) commit_note: Option<CommitNote>,
}

impl Context<'_> {
    /// Users, roles, hashing.
    pub(super) fn services(&self) -> &Services {
        &self.connection.milvus.services
    }

    /// What was set for this face.
    pub(super) fn settings(&self) -> &MilvusConfig {
        &self.connection.milvus.settings
    }

    /// Whose place in the hashing pool the call takes.
    pub(super) fn hash_owner(&self) -> Owner {
        match &self.caller {
            Some(caller) => Owner::User(caller.name.clone()),
            None => Owner::Stranger(self.connection.origin),
        }
    }

    /// A place in the hashing pool of the caller's own.
    pub(super) fn hash_pool(&self) -> Share<'_> {
        self.services().hash_pool.share_of(self.hash_owner())
    }

    /// Refused where another member writes. First in every call that changes something: this member may
    /// not know yet what its refusal would rest on, and the writer, who would say the same, may be asked
    /// only after a password was hashed. Clients repeat such calls for minutes.
    pub(super) fn check_writable(&self) -> Result<(), Failure> {
        let services = self.services();
        services
            .check_member(RunsOn::Primary, ReadPreference::Primary)
            .map_err(|refusal| Failure::Rpc(tonic::Status::unavailable(refusal.message)))
    }

    /// A privilege on the server as a whole.
    pub(super) fn global_need(&self, privilege: &'static str) -> MilvusNeed {
        self.need(privilege, MilvusObject::Global, ANY)
    }

    /// A privilege on an object.
    pub(super) fn need(
        &self,
        privilege: &'static str,
        object: MilvusObject,
        name: &str,
    ) -> MilvusNeed {
        MilvusNeed {
            privilege,
            object,
            object_name: Some(name.into()),
            db: self.db.clone(),
            is_roots: !self.settings().root_should_bind_role,
        }
    }

    /// In whose name it is made.
    pub(super) fn authority(&self) -> MilvusAuthority<'_> {
        let caller = self.caller.as_deref();
        caller.map_or(MilvusAuthority::Unchecked, MilvusAuthority::User)
    }

    /// The database whose users and roles the calls are about.
    pub(super) fn directory_db(&self) -> &DbName {
        &self.settings().database
    }

    /// The user that a call is about. Who is there has the name that the other face gave it; nobody else
    /// can have one that Milvus does not allow. Blanks around it do not count: they do not in what the
    /// caller needs.
    pub(super) fn user_name(&self, name: &str) -> Result<UserName, Failure> {
        let named = UserName::new(name.trim(), self.directory_db().clone()).ok();
        let catalog = self.services().directory.catalog();
        let present = named.filter(|named| catalog.user(named).is_some());
        present.map_or_else(|| names::user_name(name, self.settings()), Ok)
    }

    /// Whether the caller has that name.
    pub(super) fn is_caller(&self, user: &str) -> bool {
        self.caller
            .as_ref()
            .is_some_and(|caller| caller.name.user() == user)
    }

    /// The caller's name; empty where authorization is off and nobody signed in.
    pub(super) fn caller_name(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| caller.name.user())
    }

    /// Leave to make `change`, which is audited before it is committed and logged once it is.
    pub(super) fn order(&self, pass: Pass, change: DirectoryChange) -> Order {
        self.order_of_all(pass, vec![change])
    }

    /// The same for several changes at once, each audited and logged for itself.
    pub(super) fn order_of_all(&self, pass: Pass, changes: Vec<DirectoryChange>) -> Order {
        let by = self.caller.as_ref().map(|caller| caller.name.clone());
        let client = self.connection.client;
        let changes = Arc::new(changes);
        let order = Order::new(pass).noted_in(self.commit_note.clone());
        let order = match self.connection.audit_origin(self.caller.as_deref()) {
            None => order,
            Some(origin) => {
                let changes = Arc::clone(&changes);
                order.audited_as(self.services().audit.clone(), move |refusal| {
                    let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
                    let events = changes.iter();
                    events
                        .map(|change| Event::change(&origin, change, code))
                        .collect()
                })
            }
        };
        order.once_written(move |dropped| {
            let count = dropped.users + dropped.roles;
            for change in changes.iter() {
                events::directory_changed(change, count, by.as_ref(), client);
            }
        })
    }

    /// [`Self::refused`] because of what there is, or is not. That may be news to other members, so they
    /// are waited for as after a change.
    pub(super) async fn refused_by_state(
        &self,
        change: &DirectoryChange,
        code: ErrorCode,
        refusal: Failure,
    ) -> Failure {
        if let (Some(set), Some(note)) = (&self.services().replica_set, &self.commit_note) {
            note.reach(set.last_visible().sequence);
        }
        self.refused(change, code, refusal).await
    }

    /// Audits a change that is refused before the writer is asked, with the code that the other face
    /// has for it. The answer is the refusal, or the reason why it could not be audited.
    pub(super) async fn refused(
        &self,
        change: &DirectoryChange,
        code: ErrorCode,
        refusal: Failure,
    ) -> Failure {
        let Some(origin) = self.connection.audit_origin(self.caller.as_deref()) else {
            return refusal;
        };
        let event = Event::change(&origin, change, code.0);
        match self.services().audit.record(event).await {
            Ok(()) => refusal,
            Err(failure) => Failure::Rpc(unaudited(&failure)),
        }
    }
}
