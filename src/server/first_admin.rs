//! The administrator that the environment names.

use std::time::{Duration, Instant};

use super::StartError;
use super::directory::is_writer;
use crate::audit::{self, Audit, Event};
use crate::auth::hash_pool::{HashPool, Owner};
use crate::auth::origin::Origin;
use crate::authz::Authority;
use crate::catalog::PlanError;
use crate::cluster::ReplicaSet;
use crate::command::services::ops_error_code;
use crate::command::user::credentials::{NewPassword, PasswordRequest};
use crate::config::FirstAdmin;
use crate::config::parameters::Parameters;
use crate::error::CommandError;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::{DbName, RoleName};
use crate::model::restriction::Restrictions;
use crate::model::user::User;
use crate::ops::{Directory, OpsError, Order};
use crate::store::StoreError;
use crate::telemetry::{events, replication};

/// How long to try while the members of a replica set, or etcd, cannot take it.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Creates the one that is named, if one is and there is nobody yet: in a replica set the primary does.
pub(super) async fn ensure(
    directory: &Directory,
    replica_set: Option<&ReplicaSet>,
    audit: &Audit,
    first_admin: Option<FirstAdmin>,
    parameters: &Parameters,
    hash_pool: &HashPool,
) -> Result<(), StartError> {
    let Some(first_admin) = first_admin else {
        return Ok(());
    };
    let is_settled = || directory.catalog().had_users_or_roles();
    if !is_writer(replica_set).await || is_settled() {
        return Ok(());
    }
    let user = hashed(first_admin, parameters, hash_pool).await?;
    let begun = Instant::now();
    loop {
        let error = match directory
            .create_user(order(&user, audit)?, user.clone())
            .await
        {
            Ok(_) => {
                events::first_admin_created(&user.name);
                return Ok(());
            }
            Err(OpsError::Plan(PlanError::UserExists(_))) => return Ok(()),
            Err(error) => error,
        };
        if !is_passing(&error) || begun.elapsed() > START_TIMEOUT {
            return Err(refused(&error));
        }
        replication::first_admin_delayed(&error);
        tokio::time::sleep(PAUSE).await;
        let is_writer = is_writer(replica_set).await;
        // It may have been written after all.
        if is_settled() || (!is_writer && has_other_primary(replica_set)) {
            return Ok(());
        }
    }
}

fn refused(error: &OpsError) -> StartError {
    StartError::FirstAdmin(error.to_string())
}

/// Whether it is for want of etcd, or of a primary.
fn is_passing(error: &OpsError) -> bool {
    matches!(
        error,
        OpsError::Storage(
            StoreError::NotPrimary
                | StoreError::Unreachable { .. }
                | StoreError::OutcomeUnknown { .. }
        )
    )
}

fn has_other_primary(replica_set: Option<&ReplicaSet>) -> bool {
    let topology = replica_set.map(ReplicaSet::topology);
    topology.is_some_and(|topology| topology.primary.is_some() && topology.primary != topology.me)
}

async fn hashed(
    first_admin: FirstAdmin,
    parameters: &Parameters,
    hash_pool: &HashPool,
) -> Result<User, StartError> {
    let name = first_admin.name;
    let request = PasswordRequest {
        user: name.user(),
        password: first_admin.password,
        digest: true,
        mechanisms: None,
        is_of_milvus: false,
    };
    let unusable = |error: CommandError| StartError::FirstAdmin(error.message);
    let password = NewPassword::check(request, parameters).map_err(unusable)?;
    let share = hash_pool.share_of(Owner::Stranger(Origin::of(None)));
    let derived = password.derive(parameters, share).await;
    let root = RoleName::new("root", DbName::ADMIN);
    Ok(User {
        user_id: uuid::Uuid::new_v4(),
        credentials: derived.map_err(unusable)?,
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: root.into_iter().collect(),
        name,
    })
}

fn order(user: &User, audit: &Audit) -> Result<Order, StartError> {
    let pass = Authority::Unchecked.require_sign_in();
    let pass = pass.map_err(|denied| StartError::FirstAdmin(denied.to_string()))?;
    let change = DirectoryChange {
        roles: Some(user.roles.clone()),
        ..DirectoryChange::of_user("createUser", ChangeKind::Created, &user.name)
    };
    Ok(Order::new(pass).audited(audit.clone(), move |refusal| {
        let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
        Event::change(&audit::Origin::system(), &change, code)
    }))
}
