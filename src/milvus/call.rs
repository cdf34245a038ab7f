//! What a call declares: its name, what it takes to be allowed, what it does.

use std::sync::Arc;

use compact_str::CompactString;

use super::Milvus;
use super::failure::Failure;
use super::proto::common::Status;
use crate::auth::hash_pool::{Owner, Share};
use crate::auth::origin::Origin;
use crate::authz::{MilvusNeed, Pass};
use crate::command::services::Services;
use crate::config::MilvusConfig;
use crate::model::milvus::{ANY, MilvusObject};
use crate::model::names::{RoleName, UserName};
use crate::model::user::User;
use crate::ops::Order;
use crate::telemetry::events::{self, Client, RoleAction, UserAction};

/// One method of `milvus.proto.milvus.MilvusService`; the request is what implements it.
pub(super) trait Call: prost::Message + Default + 'static {
    /// Its name in the API.
    const METHOD: &'static str;
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
    CheckHealthResponse ConnectResponse GetVersionResponse ListCredUsersResponse
    ListDatabasesResponse SelectGrantResponse SelectRoleResponse SelectUserResponse
}

/// One call of one client.
pub(super) struct Context<'a> {
    /// The server.
    pub(super) milvus: &'a Milvus,
    /// Who calls; `None` only where authorization is off.
    pub(super) caller: Option<Arc<User>>,
    /// The database of Milvus that the call is about: metadata `dbname`.
    pub(super) db: CompactString,
    /// The other end, as logs name it.
    pub(super) client: Client,
    /// Where it comes from.
    pub(super) origin: Origin,
}

impl Context<'_> {
    /// Users, roles, hashing.
    pub(super) fn services(&self) -> &Services {
        &self.milvus.services
    }

    /// What was set for this face.
    pub(super) fn settings(&self) -> &MilvusConfig {
        &self.milvus.settings
    }

    /// A place in the hashing pool of the caller's own.
    pub(super) fn hash_pool(&self) -> Share<'_> {
        let owner = match &self.caller {
            Some(caller) => Owner::User(caller.name.clone()),
            None => Owner::Stranger(self.origin),
        };
        self.services().hash_pool.share_of(owner)
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
        }
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

    /// Leave to change `user`, which is logged once it is done.
    pub(super) fn user_order(&self, pass: Pass, action: UserAction, user: &UserName) -> Order {
        let (user, by, client) = (user.clone(), self.logged_caller(), self.client);
        let log = move |_| events::user_changed(action, &user, by.as_ref(), client);
        Order::new(pass).once_written(log)
    }

    /// Leave to change `role`, which is logged once it is done.
    pub(super) fn role_order(&self, pass: Pass, action: RoleAction, role: &RoleName) -> Order {
        let (role, by, client) = (role.clone(), self.logged_caller(), self.client);
        let log = move |_| events::role_changed(action, &role, by.as_ref(), client);
        Order::new(pass).once_written(log)
    }

    fn logged_caller(&self) -> Option<UserName> {
        self.caller.as_ref().map(|caller| caller.name.clone())
    }
}
