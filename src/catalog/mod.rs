//! All users and roles in memory, and the rules about what may change.
//!
//! The [`Catalog`] serves every read. It is derived: replaying the store gives the same catalog. It
//! changes in one place only, [`Catalog::apply`], after the store has committed, unless all of it is read
//! anew ([`Catalog::replace`]); what may change is decided by the pure functions of [`plan`].

mod apply;
pub mod builtin;
pub mod plan;
#[cfg(test)]
mod testing;
mod view;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bson::RawDocumentBuf;
use dashmap::DashMap;

use crate::model::milvus::PrivilegeGroups;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::role::Role;
use crate::model::transient::TransientIds;
use crate::model::user::User;
use crate::secret::Secret;
use crate::store::{Change, Setting};

pub use plan::{
    CredentialsUpdate, Dump, Dumped, LeftOut, Merged, PlanError, PrivilegeGroupError, RoleUpdate,
    UserUpdate,
};
pub use view::View;

/// All users, roles and settings of the deployment.
///
/// Reads take a shard's lock for the moment of a copy. A reader sees each user and role whole, old or
/// new; one that lists them sees each batch whole, too. Who keeps something derived from the catalog
/// reads [`Catalog::generation`] *before* reading, and reads again when it has moved.
#[derive(Debug)]
pub struct Catalog {
    users: DashMap<UserName, Arc<User>>,
    roles: DashMap<RoleName, Arc<Role>>,
    default_read_write_concern: RwLock<Option<Arc<RawDocumentBuf>>>,
    deployment_secret: RwLock<Option<Secret<[u8; 32]>>>,
    privilege_groups: RwLock<PrivilegeGroups>,
    transient_ids: RwLock<TransientIds>,
    /// Where users and roles of Milvus clients are.
    milvus_db: DbName,
    had_users_or_roles: AtomicBool,
    has_auth_schema: AtomicBool,
    milvus_users: AtomicUsize,
    milvus_roles: AtomicUsize,
    generation: AtomicU64,
    /// Held for writing while a batch is applied, for reading by who looks at many entries at once:
    /// they see a batch whole or not at all. Who looks up one need not.
    whole: RwLock<()>,
}

/// See [`Catalog::read_whole`].
const READINGS: usize = 4;

/// See [`Catalog::hold`].
#[derive(Debug)]
#[must_use]
pub struct Hold<'a>(
    #[expect(dead_code, reason = "its end is what matters")] RwLockReadGuard<'a, ()>,
);

impl Catalog {
    /// An empty catalog, with Milvus clients on `milvus`.
    pub fn new() -> Self {
        Self::with_milvus_on(DbName::MILVUS)
    }

    /// An empty catalog, with Milvus clients on that database: its users and roles are counted for
    /// their limits, and do not end the localhost exception unless MongoDB's privileges come with them.
    pub fn with_milvus_on(db: DbName) -> Self {
        Self {
            users: DashMap::default(),
            roles: DashMap::default(),
            default_read_write_concern: RwLock::default(),
            deployment_secret: RwLock::default(),
            privilege_groups: RwLock::default(),
            transient_ids: RwLock::default(),
            whole: RwLock::default(),
            milvus_db: db,
            had_users_or_roles: AtomicBool::default(),
            has_auth_schema: AtomicBool::default(),
            milvus_users: AtomicUsize::default(),
            milvus_roles: AtomicUsize::default(),
            generation: AtomicU64::default(),
        }
    }

    /// Where users and roles of Milvus clients are.
    pub fn milvus_db(&self) -> &DbName {
        &self.milvus_db
    }

    /// Moves with every applied batch. One atomic load.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The user of that name.
    pub fn user(&self, name: &UserName) -> Option<Arc<User>> {
        self.users.get(name).map(|user| Arc::clone(&user))
    }

    /// While this is kept no batch is applied: who looks up several users and roles sees each batch whole.
    /// Not to be kept for long, nor asked for twice.
    pub fn hold(&self) -> Hold<'_> {
        Hold(self.whole.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What `read` finds when nothing changes meanwhile: it sees each batch whole, and holds none up. Where
    /// changes never cease it reads [`READINGS`] times, and what it found last may show a part of one.
    pub fn read_whole<T>(&self, read: impl Fn() -> T) -> T {
        // Not in the middle of a batch.
        let settled = || {
            let _hold = self.hold();
            self.generation()
        };
        for _ in 1..READINGS {
            let before = settled();
            let found = read();
            if settled() == before {
                return found;
            }
        }
        read()
    }

    /// The users of one database, sorted by name. Looks at every user there is.
    pub fn users_on(&self, db: &DbName) -> Vec<Arc<User>> {
        sorted_users(self.users_where(|user| user.name.db() == db))
    }

    /// Every user, sorted by name, then database.
    pub fn all_users(&self) -> Vec<Arc<User>> {
        sorted_users(self.users_where(|_| true))
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// The role of that name, if it is a stored one.
    pub fn role(&self, name: &RoleName) -> Option<Arc<Role>> {
        self.roles.get(name).map(|role| Arc::clone(&role))
    }

    /// The stored roles of one database, sorted by name. Looks at every stored role.
    pub fn roles_on(&self, db: &DbName) -> Vec<Arc<Role>> {
        sorted_roles(self.roles_where(|role| role.name.db() == db))
    }

    /// Every stored role, sorted by name, then database.
    pub fn all_roles(&self) -> Vec<Arc<Role>> {
        sorted_roles(self.roles_where(|_| true))
    }

    /// How many stored roles there are.
    pub fn role_count(&self) -> usize {
        self.roles.len()
    }

    /// How many users there are on the database of Milvus clients; looks at none of them.
    pub fn milvus_user_count(&self) -> usize {
        self.milvus_users.load(Ordering::Relaxed)
    }

    /// How many roles there are on the database of Milvus clients; looks at none of them.
    pub fn milvus_role_count(&self) -> usize {
        self.milvus_roles.load(Ordering::Relaxed)
    }

    /// All of it as the changes that make it: settings, roles, users, in no order within. Copies
    /// pointers only, while nothing is applied. A restoration under way is left out: nobody has its
    /// documents with these changes.
    pub fn snapshot(&self) -> Vec<Change> {
        let _whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let groups = self.privilege_groups();
        let settings = [
            self.has_auth_schema().then_some(Setting::AuthSchema),
            self.default_read_write_concern()
                .map(Setting::DefaultReadWriteConcern),
            self.deployment_secret().map(Setting::DeploymentSecret),
            (!groups.as_slice().is_empty()).then_some(Setting::PrivilegeGroups(groups)),
        ];
        let mut changes = Vec::with_capacity(settings.len() + self.roles.len() + self.users.len());
        changes.extend(settings.into_iter().flatten().map(Change::PutSetting));
        let roles = self.roles.iter();
        changes.extend(roles.map(|role| Change::PutRole(Arc::clone(role.value()))));
        let users = self.users.iter();
        changes.extend(users.map(|user| Change::PutUser(Arc::clone(user.value()))));
        changes
    }

    /// Whether there was a user or role at any time since the start that is more than one of Milvus
    /// clients: once true, true until a restart, as with mongod. The localhost exception ends with it.
    pub fn had_users_or_roles(&self) -> bool {
        self.had_users_or_roles.load(Ordering::Acquire)
    }

    /// Whether the store says which schema its users and roles have; the first change of any says so.
    pub fn has_auth_schema(&self) -> bool {
        self.has_auth_schema.load(Ordering::Acquire)
    }

    /// What `setDefaultRWConcern` keeps.
    pub fn default_read_write_concern(&self) -> Option<Arc<RawDocumentBuf>> {
        let setting = self.default_read_write_concern.read();
        setting.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The secret of the deployment; `None` only before the first start has made it.
    pub fn deployment_secret(&self) -> Option<Secret<[u8; 32]>> {
        let setting = self.deployment_secret.read();
        setting.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The groups of privileges that administrators made for Milvus clients.
    pub fn privilege_groups(&self) -> PrivilegeGroups {
        let setting = self.privilege_groups.read();
        setting.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which collections of a restoration there are.
    pub fn transient_ids(&self) -> TransientIds {
        let setting = self.transient_ids.read();
        *setting.unwrap_or_else(PoisonError::into_inner)
    }

    fn users_where(&self, matches: impl Fn(&User) -> bool) -> Vec<Arc<User>> {
        let _hold = self.hold();
        let entries = self.users.iter().filter(|entry| matches(entry.value()));
        entries.map(|entry| Arc::clone(entry.value())).collect()
    }

    fn roles_where(&self, matches: impl Fn(&Role) -> bool) -> Vec<Arc<Role>> {
        let _hold = self.hold();
        let entries = self.roles.iter().filter(|entry| matches(entry.value()));
        entries.map(|entry| Arc::clone(entry.value())).collect()
    }
}

fn sorted_users(mut users: Vec<Arc<User>>) -> Vec<Arc<User>> {
    users.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    users
}

fn sorted_roles(mut roles: Vec<Arc<Role>>) -> Vec<Arc<Role>> {
    roles.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    roles
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{catalog, role_name, user, user_name};
    use super::*;
    use crate::model::milvus::PrivilegeGroup;

    #[test]
    fn lists_are_sorted_by_name_then_database() {
        let mut elsewhere = user("bob", &[]);
        elsewhere.name = UserName::new("bob", DbName::EXTERNAL).unwrap();
        let catalog = catalog(vec![user("eve", &[]), user("bob", &[]), elsewhere]);
        let names = |users: Vec<Arc<User>>| -> Vec<String> {
            users.iter().map(|user| user.name.to_string()).collect()
        };
        assert_eq!(
            names(catalog.all_users()),
            ["bob@$external", "bob@admin", "eve@admin"]
        );
        assert_eq!(
            names(catalog.users_on(&DbName::ADMIN)),
            ["bob@admin", "eve@admin"]
        );
        assert_eq!(catalog.user_count(), 3);
        let roles = catalog.roles_on(role_name("a").db());
        let roles: Vec<_> = roles.iter().map(|role| role.name.role()).collect();
        assert_eq!(roles, ["a", "b", "c"]);
        assert!(catalog.roles_on(&DbName::ADMIN).is_empty());
    }

    #[test]
    fn what_changes_meanwhile_is_read_again() {
        let catalog = catalog(vec![user("ann", &["a"])]);
        let changes = std::cell::Cell::new(2);
        let (roles, is_there) = catalog.read_whole(|| {
            let ann = catalog.user(&user_name("ann")).unwrap();
            if changes.replace(changes.get() - 1) > 0 {
                let without = Change::PutUser(Arc::new(user("ann", &[])));
                catalog.apply([without, Change::DropRole(role_name("a"))]);
            }
            let is_there = catalog.role(&role_name("a")).is_some();
            (ann.roles.len(), is_there)
        });
        assert_eq!((roles, is_there), (0, false));
        // Not for ever.
        let readings = std::cell::Cell::new(0);
        catalog.read_whole(|| {
            readings.set(readings.get() + 1);
            catalog.apply([Change::PutUser(Arc::new(user("ann", &[])))]);
        });
        assert_eq!(readings.get(), READINGS);
    }

    #[test]
    fn every_applied_batch_moves_the_generation() {
        let catalog = catalog(vec![]);
        let before = catalog.generation();
        catalog.apply([
            Change::PutUser(Arc::new(user("ann", &[]))),
            Change::DropUser(user_name("bob")),
        ]);
        assert_eq!(catalog.generation(), before + 1);
        assert!(catalog.user(&user_name("ann")).is_some());
        catalog.apply([Change::DropUser(user_name("ann"))]);
        assert_eq!(catalog.generation(), before + 2);
        assert!(catalog.user(&user_name("ann")).is_none());
    }

    #[test]
    fn what_is_read_anew_is_all_there_is() {
        let id = uuid::Uuid::from_bytes([7; 16]);
        let settings = |byte| {
            let groups = PrivilegeGroups::default().with(PrivilegeGroup {
                name: "group".into(),
                privileges: Box::default(),
            });
            [
                Setting::AuthSchema,
                Setting::DefaultReadWriteConcern(Arc::new(RawDocumentBuf::new())),
                Setting::DeploymentSecret(Secret::new([byte; 32])),
                Setting::PrivilegeGroups(groups),
                Setting::TransientCollections(TransientIds {
                    roles: None,
                    users: Some(id),
                }),
            ]
        };
        let catalog = catalog(vec![user("ann", &[]), user("bob", &[])]);
        catalog.apply(settings(1).map(Change::PutSetting));
        let before = catalog.generation();

        let full = Catalog::new();
        full.apply(settings(2).map(Change::PutSetting));
        full.apply([Change::PutUser(Arc::new(user("carl", &[])))]);
        catalog.replace(&full);
        assert_eq!(catalog.generation(), before + 1);
        assert_eq!(catalog.all_users().len(), 1);
        assert!(catalog.user(&user_name("carl")).is_some());
        assert_eq!(catalog.role_count(), 0);
        assert!(catalog.deployment_secret().unwrap().matches(&[2; 32]));
        assert!(catalog.has_auth_schema() && catalog.default_read_write_concern().is_some());
        assert_eq!(catalog.privilege_groups(), full.privilege_groups());
        assert_eq!(catalog.transient_ids().users, Some(id));

        catalog.replace(&Catalog::new());
        assert_eq!(catalog.user_count(), 0);
        assert!(!catalog.has_auth_schema() && catalog.default_read_write_concern().is_none());
        assert!(catalog.deployment_secret().is_none());
        assert_eq!(catalog.privilege_groups(), PrivilegeGroups::default());
        assert_eq!(catalog.transient_ids(), TransientIds::default());
        // There was one since the start.
        assert!(catalog.had_users_or_roles());
    }

    #[test]
    fn settings_are_kept() {
        let catalog = Catalog::new();
        assert!(catalog.deployment_secret().is_none());
        assert!(catalog.default_read_write_concern().is_none());
        let concern = Arc::new(RawDocumentBuf::new());
        catalog.apply([
            Change::PutSetting(Setting::DeploymentSecret(Secret::new([7; 32]))),
            Change::PutSetting(Setting::DefaultReadWriteConcern(Arc::clone(&concern))),
        ]);
        assert!(catalog.deployment_secret().unwrap().matches(&[7; 32]));
        assert_eq!(catalog.default_read_write_concern(), Some(concern));
    }
}
