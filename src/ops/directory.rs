//! What both faces of the server call to change users, roles and settings.

use std::sync::{Arc, OnceLock};

use bson::RawDocumentBuf;
use uuid::Uuid;

use super::order::Order;
use super::writer::{Outcome, Writer};
use crate::audit::AuditError;
use crate::catalog::{Catalog, Dump, Merged, PlanError, RoleUpdate, UserUpdate, View, plan};
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::privilege::Privilege;
use crate::model::role::Role;
use crate::model::transient::TransientCollection;
use crate::model::user::User;
use crate::store::{Change, Sequence, Setting, Store, StoreError};

/// Why a write did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpsError {
    /// The catalog as it is does not allow it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store could not keep it. Memory is unchanged; the disk may have it after a restart.
    #[error(transparent)]
    Storage(StoreError),
    /// Whoever ordered it lost the right to, or was dropped, before it was written.
    #[error("the permission was withdrawn before the change was written")]
    PassWithdrawn,
    /// The audit log could not be told, so it was not done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A fault of the program; only this write is lost.
    #[error("the change could not be planned")]
    Panicked,
    /// The server is stopping.
    #[error("the server is shutting down")]
    Closed,
}

impl OpsError {
    /// Whether it may have been written all the same.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Storage(failure) if failure.is_open())
    }

    /// Whether it is for want of the user; each command has its own words for that.
    pub fn is_user_not_found(&self) -> bool {
        matches!(self, Self::Plan(PlanError::UserNotFound(_)))
    }
}

/// A write that happened: visible, and durable if the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<T> {
    /// What the operation tells.
    pub value: T,
    /// The commit that has it; what write concern waits for.
    pub sequence: Sequence,
}

/// The users, roles and settings of the deployment, and the only way to change them.
#[derive(Debug)]
pub struct Directory {
    catalog: Arc<Catalog>,
    store: Arc<dyn Store>,
    writer: Writer,
}

impl Directory {
    /// Loads everything `store` has and starts the writer. Makes the deployment secret if there is
    /// none yet. Blocks.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        Self::open_into(store, Catalog::new())
    }

    /// The same into a catalog that is empty.
    pub fn open_into(store: Arc<dyn Store>, catalog: Catalog) -> Result<Self, StoreError> {
        let catalog = Arc::new(catalog);
        let mut sequence = store.replay(&mut |change| catalog.apply([change]))?;
        if catalog.deployment_secret().is_none() {
            let secret = Change::PutSetting(Setting::random_deployment_secret()?);
            sequence = store.commit(std::slice::from_ref(&secret))?;
            catalog.apply([secret]);
        }
        Self::over(catalog, store, sequence)
    }

    /// Starts the writer over a catalog that has everything the store has, up to `sequence`.
    pub fn over(
        catalog: Arc<Catalog>,
        store: Arc<dyn Store>,
        sequence: Sequence,
    ) -> Result<Self, StoreError> {
        let writer = Writer::start(Arc::clone(&catalog), Arc::clone(&store), sequence);
        let writer = writer.map_err(|error| StoreError::NoThread {
            reason: error.to_string(),
        })?;
        Ok(Self {
            catalog,
            store,
            writer,
        })
    }

    /// Where all reads go.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The name of the storage engine.
    pub fn store_name(&self) -> &'static str {
        self.store.name()
    }

    /// Whether what is written outlives the process (`j: true` is possible).
    pub fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    /// Whether [`Self::create_user`] would be refused now, without doing it.
    pub fn check_create_user(&self, user: &User) -> Result<(), OpsError> {
        self.check(|view| plan::create_user(view, user.clone()))
    }

    /// Whether [`Self::update_user`] would be refused now, without doing it.
    pub fn check_update_user(&self, name: &UserName, update: UserUpdate) -> Result<(), OpsError> {
        self.check(|view| plan::update_user(view, name, update))
    }

    /// Whether what is planned would be refused now. In a replica set only the writer can tell: another
    /// member may have shown a change that this one is about to see.
    pub(super) fn check(
        &self,
        plan: impl FnOnce(&View<'_>) -> Result<Vec<Change>, PlanError>,
    ) -> Result<(), OpsError> {
        if !self.store.applies_by_itself() {
            plan(&View::new(&self.catalog))?;
        }
        Ok(())
    }

    /// `createUser`: refused if the user exists or a role does not.
    pub async fn create_user(&self, order: Order, user: User) -> Result<Written<()>, OpsError> {
        self.write(order, |view| plan::create_user(view, user))
            .await
    }

    /// `updateUser`; the user keeps its `userId`.
    pub async fn update_user(
        &self,
        order: Order,
        name: UserName,
        update: UserUpdate,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::update_user(view, &name, update))
            .await
    }

    /// `dropUser`.
    pub async fn drop_user(&self, order: Order, name: UserName) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::drop_user(view, &name))
            .await
    }

    /// `dropAllUsersFromDatabase`: how many there were.
    pub async fn drop_all_users_from_database(
        &self,
        order: Order,
        db: DbName,
    ) -> Result<Written<usize>, OpsError> {
        let outcome = self
            .outcome(order, move |view| {
                Ok(plan::drop_all_users_from_database(view, &db))
            })
            .await?;
        Ok(outcome.with(outcome.dropped.users))
    }

    /// `grantRolesToUser`; `roles` must not be empty.
    pub async fn grant_roles_to_user(
        &self,
        order: Order,
        name: UserName,
        roles: Vec<RoleName>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::grant_roles_to_user(view, &name, &roles)
        })
        .await
    }

    /// `revokeRolesFromUser`; the roles must exist, the user need not have them.
    pub async fn revoke_roles_from_user(
        &self,
        order: Order,
        name: UserName,
        roles: Vec<RoleName>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::revoke_roles_from_user(view, &name, &roles)
        })
        .await
    }

    /// `createRole`: refused if it exists or may not include what it would.
    pub async fn create_role(&self, order: Order, role: Role) -> Result<Written<()>, OpsError> {
        self.write(order, |view| plan::create_role(view, role))
            .await
    }

    /// `updateRole`.
    pub async fn update_role(
        &self,
        order: Order,
        name: RoleName,
        update: RoleUpdate,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::update_role(view, &name, update))
            .await
    }

    /// `grantPrivilegesToRole`; `privileges` must not be empty.
    pub async fn grant_privileges_to_role(
        &self,
        order: Order,
        name: RoleName,
        privileges: Vec<Privilege>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::grant_privileges_to_role(view, &name, &privileges)
        })
        .await
    }

    /// `revokePrivilegesFromRole`.
    pub async fn revoke_privileges_from_role(
        &self,
        order: Order,
        name: RoleName,
        privileges: Vec<Privilege>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::revoke_privileges_from_role(view, &name, &privileges)
        })
        .await
    }

    /// `grantRolesToRole`; `roles` must not be empty.
    pub async fn grant_roles_to_role(
        &self,
        order: Order,
        name: RoleName,
        roles: Vec<RoleName>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::grant_roles_to_role(view, &name, &roles)
        })
        .await
    }

    /// `revokeRolesFromRole`.
    pub async fn revoke_roles_from_role(
        &self,
        order: Order,
        name: RoleName,
        roles: Vec<RoleName>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::revoke_roles_from_role(view, &name, &roles)
        })
        .await
    }

    /// `dropRole`: also from every user and role that held it, in the same commit.
    pub async fn drop_role(&self, order: Order, name: RoleName) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::drop_role(view, &name))
            .await
    }

    /// `dropAllRolesFromDatabase`: how many there were.
    pub async fn drop_all_roles_from_database(
        &self,
        order: Order,
        db: DbName,
    ) -> Result<Written<usize>, OpsError> {
        let outcome = self
            .outcome(order, move |view| {
                plan::drop_all_roles_from_database(view, &db)
            })
            .await?;
        Ok(outcome.with(outcome.dropped.roles))
    }

    /// `_mergeAuthzCollections`, all in one commit; `merged` is set once it is decided, before the
    /// order is audited.
    pub async fn merge(
        &self,
        order: Order,
        dump: Dump,
        merged: Arc<OnceLock<Merged>>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            let (changes, decided) = plan::merge(view, dump)?;
            // Nobody else sets it.
            let _ = merged.set(decided);
            Ok(changes)
        })
        .await
    }

    /// The first `insert` into a collection of a restoration: it exists from now on, under `id`. Refused
    /// if it exists under another one.
    pub async fn begin_transient(
        &self,
        order: Order,
        collection: TransientCollection,
        id: Uuid,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::begin_transient(view, collection, id)
        })
        .await
    }

    /// `drop` of a collection of a restoration; nothing happens if there is none of that id.
    pub async fn drop_transient(
        &self,
        order: Order,
        collection: TransientCollection,
        id: Uuid,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::drop_transient(view, collection, id)
        })
        .await
    }

    /// `setDefaultRWConcern`: keeps the document that `change` makes of the present one.
    pub async fn set_default_rw_concern(
        &self,
        order: Order,
        change: impl FnOnce(Option<&RawDocumentBuf>) -> Result<RawDocumentBuf, PlanError>
        + Send
        + 'static,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            let changed = change(view.default_read_write_concern())?;
            plan::set_setting(Setting::DefaultReadWriteConcern(Arc::new(changed)))
        })
        .await
    }

    /// Everything there is, as it was after one commit, with nothing of the next; and everything that was
    /// acknowledged before. The writer takes it between two commits, which copies a pointer for each user
    /// and role. It takes the place of what else follows the order.
    pub async fn snapshot(&self, order: Order) -> Result<Written<Vec<Change>>, OpsError> {
        let taken = Arc::new(OnceLock::new());
        let (catalog, snapshot) = (Arc::clone(&self.catalog), Arc::clone(&taken));
        let order = order.once_written(move |_| {
            // Nobody else sets it.
            let _ = snapshot.set(catalog.snapshot());
        });
        let outcome = self.outcome(order, |_| Ok(Vec::new())).await?;
        let snapshot = Arc::into_inner(taken).and_then(OnceLock::into_inner);
        Ok(outcome.with(snapshot.ok_or(OpsError::Closed)?))
    }

    /// Refuses further writes, finishes those that wait, and stops the writer. Reads go on.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    pub(super) async fn write(
        &self,
        order: Order,
        plan: impl FnOnce(&View<'_>) -> Result<Vec<Change>, PlanError> + Send + 'static,
    ) -> Result<Written<()>, OpsError> {
        Ok(self.outcome(order, plan).await?.with(()))
    }

    async fn outcome(
        &self,
        order: Order,
        plan: impl FnOnce(&View<'_>) -> Result<Vec<Change>, PlanError> + Send + 'static,
    ) -> Result<Outcome, OpsError> {
        self.writer.write(order, Box::new(plan)).await
    }
}

impl Outcome {
    fn with<T>(self, value: T) -> Written<T> {
        Written {
            value,
            sequence: self.sequence,
        }
    }
}
