//! The parts of the server that commands share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::cluster_time::ClusterClock;
use super::collection::cursors::Cursors;
use super::handshake::topology::TopologyVersion;
use super::metrics::Metrics;
use super::restore::transient::TransientCollections;
use super::user::credentials::argon2_cost;
use crate::audit::Audit;
use crate::auth::failed_sign_ins::{FailedSignIns, Guess};
use crate::auth::half_open::HalfOpenSignIns;
use crate::auth::hash_pool::{HashPool, Share};
use crate::auth::origin::Origin;
use crate::auth::plain::PlainUsers;
use crate::auth::sasl::Policy;
use crate::auth::stranger_lines::{Line, Refusal, StrangerLines};
use crate::auth::unauthenticated::UnauthenticatedConnections;
use crate::auth::verified::VerifiedSecrets;
use crate::auth::x509::Subject;
use crate::catalog::{Catalog, PlanError};
use crate::cluster::ReplicaSet;
use crate::config::Config;
use crate::config::parameters::Parameters;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::names::DbName;
use crate::net::{ConnectionCounters, StopSignal, Tls};
use crate::ops::{Directory, OpsError};
use crate::secret::Secret;
use crate::store::StoreError;
use crate::telemetry::events::{self, Client};
use crate::telemetry::logs::Logs;
use crate::wire::Compressor;

/// Reads of the whole catalog that run at the same time.
pub const SCANS_MAX: usize = 4;
/// Backups under way: each keeps users and roles as they were when it began.
pub const BACKUPS_MAX: usize = 1;

/// Tells a long read that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// An error once nobody waits any more.
    pub fn check(&self) -> Result<(), CommandError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(CommandError::new(
                ErrorCode::INTERRUPTED,
                "operation was interrupted",
            ));
        }
        Ok(())
    }
}

struct InterruptOnDrop(Interrupt);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Everything a command can reach that is not its connection.
pub struct Services {
    /// Users and roles, and the only way to change them.
    pub directory: Directory,
    /// The replica set this server is a member of, if it is.
    pub replica_set: Option<ReplicaSet>,
    /// What `$clusterTime` is told from, on a member of a replica set.
    pub cluster_clock: ClusterClock,
    /// Who did what; the writer of the directory tells it of changes itself.
    pub audit: Audit,
    /// Where passwords are hashed.
    pub hash_pool: HashPool,
    /// Who has to wait before the next sign-in.
    pub failed_sign_ins: Arc<FailedSignIns>,
    /// Sign-ins that have begun and not ended.
    pub half_open_sign_ins: Arc<HalfOpenSignIns>,
    /// Connections on which nobody has signed in.
    pub unauthenticated: Arc<UnauthenticatedConnections>,
    /// What was written about strangers who were refused.
    pub stranger_lines: Arc<StrangerLines>,
    /// Which passwords in clear were right.
    pub verified_secrets: VerifiedSecrets,
    /// What can be set while the server runs.
    pub parameters: Arc<Parameters>,
    /// How the server was started.
    pub config: Config,
    /// What was logged last.
    pub logs: Logs,
    /// Connections and bytes.
    pub connections: Arc<ConnectionCounters>,
    /// Commands and sign-ins.
    pub metrics: Metrics,
    /// Compressors offered to clients, in order of preference.
    pub compressors: Vec<Compressor>,
    /// Whether commands are checked at all.
    pub is_authorization_enabled: bool,
    /// Which process this is.
    pub topology: TopologyVersion,
    /// Places for reads of the whole catalog, [`SCANS_MAX`] of them.
    pub scans: Arc<Semaphore>,
    /// Places for backups, [`BACKUPS_MAX`] of them.
    pub backups: Arc<Semaphore>,
    /// What is answered over several batches.
    pub cursors: Arc<Cursors>,
    /// What mongorestore inserts before it is merged.
    pub transient: Arc<TransientCollections>,
    /// When it started.
    pub started: Instant,
    /// Says when it stops.
    pub stop: StopSignal,
    /// What TLS connections begin with; absent when TLS is disabled.
    pub tls: Option<Arc<Tls>>,
    /// What the made-up salts of unknown users come from.
    pub deployment_secret: Secret<[u8; 32]>,
}

impl Services {
    /// Mechanisms users can sign in with.
    pub fn mechanisms(&self) -> &[Mechanism] {
        self.parameters.authentication_mechanisms()
    }

    /// Whether Milvus clients sign in as users of this database.
    pub fn has_milvus_clients(&self, db: &DbName) -> bool {
        let milvus = self.config.milvus.as_ref();
        milvus.is_some_and(|milvus| milvus.database == *db)
    }

    /// Who may sign in by PLAIN: users of Milvus clients have no other credential.
    pub fn plain_users(&self) -> PlainUsers<'_> {
        if self.mechanisms().contains(&Mechanism::Plain) {
            return PlainUsers::All;
        }
        let milvus = self.config.milvus.as_ref();
        milvus.map_or(PlainUsers::Nobody, |milvus| {
            PlainUsers::Of(&milvus.database)
        })
    }

    /// The subject of the server's own certificate, where there is TLS.
    pub fn server_subject(&self) -> Option<Subject> {
        let certificate = self.tls.as_ref()?.certificate();
        Subject::of_certificate(&certificate).ok()
    }

    /// What signing in is measured by, as of now; passwords in clear are checked on this share of the
    /// hashing pool, and `guess` is told of a wrong one.
    pub fn sign_in_policy<'a>(
        &'a self,
        hash_pool: Share<'a>,
        guess: Option<Arc<Guess>>,
    ) -> Policy<'a> {
        Policy {
            mechanisms: self.mechanisms(),
            plain_users: self.plain_users(),
            sha_1_iterations: self.parameters.scram_sha1_iteration_count(),
            sha_256_iterations: self.parameters.scram_sha256_iteration_count(),
            secret: &self.deployment_secret,
            argon2_cost: argon2_cost(&self.parameters),
            hash_pool,
            verified: &self.verified_secrets,
            guess,
        }
    }

    /// Waits until the topology is another than the one with the counter `known`, which on a
    /// standalone it never is, or the time is up. A server that stops says so.
    pub async fn wait_for_topology_change(
        &self,
        known: i64,
        limit: Duration,
    ) -> Result<(), CommandError> {
        let changed = async {
            let topologies = self.replica_set.as_ref().map(ReplicaSet::topologies);
            let Some(mut topologies) = topologies else {
                return std::future::pending().await;
            };
            // The topology of this moment is looked at first: no change is missed.
            let changed = topologies.wait_for(|topology| {
                topology.counter != known || topology.quiesces_until.is_some()
            });
            if changed.await.is_err() {
                // Nobody will change it any more, the server stops.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => Ok(()),
            () = tokio::time::sleep(limit) => Ok(()),
            () = self.stop.stopped() => Err(self.stopping()),
        }
    }

    /// Whether one more line about a refused stranger goes into the log or the audit log. `from` is where
    /// it comes from if the limits of one address count for it.
    pub fn may_write_of_stranger(
        &self,
        from: Option<Origin>,
        refusal: Refusal,
        client: Client,
    ) -> bool {
        let now = tokio::time::Instant::now();
        let line = from.map(|from| self.stranger_lines.take(from, refusal, now));
        if line == Some(Line::FirstLeftOut) {
            events::refusals_left_out(client);
        }
        line.is_none_or(|line| line == Line::Written)
    }

    /// Runs a read that looks at many users or roles where it holds up no connection. Few run at a
    /// time; when nobody waits for the result any more, the read is told to stop.
    pub async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Catalog, &Interrupt) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let permit = Arc::clone(&self.scans).acquire_owned().await;
        let permit = permit.map_err(|error| internal_error("a scan of the catalog", &error))?;
        let catalog = Arc::clone(self.directory.catalog());
        let interrupt = Interrupt::default();
        let _interrupts_when_dropped = InterruptOnDrop(interrupt.clone());
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&catalog, &interrupt)
        })
        .await
        .map_err(|error| internal_error("a scan of the catalog", &error))
    }

    /// What a client is told about a change that did not happen.
    pub fn ops_error(&self, error: OpsError) -> CommandError {
        match error {
            OpsError::Plan(refusal) => plan_error(&refusal),
            // The cause is in the log; it may name files.
            OpsError::Storage(StoreError::Poisoned(_)) => CommandError::new(
                ErrorCode::INTERNAL_ERROR,
                "an earlier write failed, nothing more is written until a restart",
            ),
            OpsError::Storage(failure @ StoreError::DiskFull { .. }) => {
                events::store_failed(&failure);
                CommandError::new(ErrorCode::OUT_OF_DISK_SPACE, "no space left on the disk")
            }
            OpsError::Storage(StoreError::Unsettled(failure)) => {
                events::store_failed(&failure);
                CommandError::new(
                    unsettled_code(&failure),
                    "the write failed, and whether the change is kept shows after a restart",
                )
            }
            OpsError::Storage(StoreError::NotPrimary) => self.not_writable_primary(),
            OpsError::Storage(failure @ StoreError::Unreachable { .. }) => {
                events::store_failed(&failure);
                CommandError::new(
                    ErrorCode::HOST_UNREACHABLE,
                    "nothing was written, because etcd cannot be reached",
                )
                .before_any_write()
            }
            OpsError::Storage(failure @ StoreError::Refused { .. }) => {
                events::store_failed(&failure);
                CommandError::new(
                    ErrorCode::INTERNAL_ERROR,
                    "nothing was written, because etcd refuses it",
                )
            }
            OpsError::Storage(failure @ StoreError::OutcomeUnknown { .. }) => {
                events::store_failed(&failure);
                CommandError::new(
                    ErrorCode::INTERRUPTED_DUE_TO_REPL_STATE_CHANGE,
                    "it is not known whether it was written: etcd did not answer",
                )
            }
            OpsError::Storage(failure) => internal_error("a commit", &failure),
            OpsError::PassWithdrawn => {
                CommandError::new(ErrorCode::UNAUTHORIZED, format!("not authorized: {error}"))
            }
            OpsError::Audit(failure) => failure.to_command_error(),
            OpsError::Panicked => internal_error("a change", &error),
            OpsError::Closed => self.stopping(),
        }
    }

    /// What is told to who waits while the server stops.
    pub fn stopping(&self) -> CommandError {
        let mut error = CommandError::new(
            ErrorCode::SHUTDOWN_IN_PROGRESS,
            "The server is shutting down",
        );
        let topology = self.topology_version().to_document();
        error.extra = Some(bson::rawdoc! { "topologyVersion": topology });
        error
    }
}

/// The code a client is told for it, whatever the command's words.
pub fn ops_error_code(error: &OpsError) -> ErrorCode {
    match error {
        OpsError::Plan(refusal) => plan_error(refusal).code,
        OpsError::Storage(StoreError::DiskFull { .. }) => ErrorCode::OUT_OF_DISK_SPACE,
        OpsError::Storage(StoreError::Unsettled(failure)) => unsettled_code(failure),
        OpsError::Storage(StoreError::NotPrimary) => ErrorCode::NOT_WRITABLE_PRIMARY,
        OpsError::Storage(StoreError::Unreachable { .. }) => ErrorCode::HOST_UNREACHABLE,
        OpsError::Storage(StoreError::OutcomeUnknown { .. }) => {
            ErrorCode::INTERRUPTED_DUE_TO_REPL_STATE_CHANGE
        }
        OpsError::Storage(_) | OpsError::Panicked => ErrorCode::INTERNAL_ERROR,
        OpsError::PassWithdrawn => ErrorCode::UNAUTHORIZED,
        OpsError::Audit(failure) => failure.to_command_error().code,
        OpsError::Closed => ErrorCode::SHUTDOWN_IN_PROGRESS,
    }
}

fn unsettled_code(failure: &StoreError) -> ErrorCode {
    match failure {
        StoreError::DiskFull { .. } => ErrorCode::OUT_OF_DISK_SPACE,
        _ => ErrorCode::INTERNAL_ERROR,
    }
}

/// What a client is told about a change that the catalog does not allow.
pub fn plan_error(refusal: &PlanError) -> CommandError {
    match refusal {
        PlanError::UserExists(user) => CommandError::user_exists(user),
        PlanError::UserNotFound(user) => CommandError::user_not_found(user.user(), user.db()),
        PlanError::RolesNotFound(roles) => CommandError::roles_not_found(roles),
        PlanError::RoleExists(role) => {
            CommandError::new(ErrorCode(51_002), format!("Role \"{role}\" already exists"))
        }
        PlanError::RoleNotFound(role) => {
            CommandError::new(ErrorCode::ROLE_NOT_FOUND, format!("Role {role} not found"))
        }
        PlanError::RoleIsBuiltIn(role) => CommandError::role_is_built_in(role),
        PlanError::RoleGrantedToItself(role) => {
            invalid_role(format!("Cannot grant role {role} to itself."))
        }
        PlanError::RoleOfOtherDatabase(db) => invalid_role(format!(
            "Roles on the '{db}' database cannot be granted roles from other databases"
        )),
        PlanError::GrantedRolesNotFound { to, missing } => {
            let cause = CommandError::roles_not_found(missing);
            let message = format!("Cannot grant roles to '{to}': {}", cause.message);
            CommandError::new(cause.code, message)
        }
        PlanError::RoleCycle(role) => invalid_role(format!(
            "Granting roles to {role} would introduce a cycle in the role graph"
        )),
        PlanError::PrivilegeOfOtherDatabase(db) => invalid_role(format!(
            "Roles on the '{db}' database cannot be granted privileges that target other databases \
             or the cluster"
        )),
        PlanError::WriteConcernDefaultStays => CommandError::new(
            ErrorCode::ILLEGAL_OPERATION,
            "The global default write concern cannot be unset once it is set.",
        ),
        PlanError::MechanismsNotSubset => CommandError::bad_value(
            "mechanisms field must be a subset of previously set mechanisms",
        ),
        PlanError::NoMechanismKept => CommandError::bad_value(
            "mechanisms field must contain at least one previously set known mechanism",
        ),
        PlanError::NothingToUpdate => {
            CommandError::bad_value("Must specify at least one field to update in updateUser")
        }
        PlanError::MilvusPasswordChanged(_) => {
            CommandError::new(ErrorCode::AUTHENTICATION_FAILED, refusal.to_string())
        }
        PlanError::MilvusUsersFull
        | PlanError::MilvusRolesFull
        | PlanError::PrivilegeGroup(_)
        | PlanError::MilvusRoleHasGrants(_) => CommandError::bad_value(refusal.to_string()),
        PlanError::TransientNotHere(_) => {
            CommandError::new(ErrorCode::OPERATION_FAILED, refusal.to_string())
        }
        PlanError::TooLarge(_) => {
            CommandError::new(ErrorCode::BSON_OBJECT_TOO_LARGE, refusal.to_string())
        }
    }
}

fn invalid_role(message: String) -> CommandError {
    CommandError::new(ErrorCode::INVALID_ROLE_MODIFICATION, message)
}

/// Logs what went wrong under a new id and tells the client the id.
pub fn internal_error(doing: &str, reason: &dyn std::fmt::Display) -> CommandError {
    let id = uuid::Uuid::new_v4().to_string();
    events::internal_error(&id, doing, reason);
    CommandError::internal(&id)
}
