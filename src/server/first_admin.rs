//! The administrator that the environment names.

use super::StartError;
use crate::audit::{self, Audit, Event};
use crate::auth::hash_pool::{HashPool, Owner};
use crate::auth::origin::Origin;
use crate::authz::Authority;
use crate::catalog::PlanError;
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
use crate::telemetry::events;

/// Creates it.
pub(super) async fn create(
    directory: &Directory,
    audit: &Audit,
    first_admin: FirstAdmin,
    parameters: &Parameters,
    hash_pool: &HashPool,
) -> Result<(), StartError> {
    let refused = |error: OpsError| StartError::FirstAdmin(error.to_string());
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
    let user = User {
        user_id: uuid::Uuid::new_v4(),
        credentials: derived.map_err(unusable)?,
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: root.into_iter().collect(),
        name: name.clone(),
    };
    let pass = Authority::Unchecked.require_sign_in();
    let change = DirectoryChange {
        roles: Some(user.roles.clone()),
        ..DirectoryChange::of_user("createUser", ChangeKind::Created, &name)
    };
    let order = Order::new(pass.map_err(|denied| StartError::FirstAdmin(denied.to_string()))?)
        .audited(audit.clone(), move |refusal| {
            let code = refusal.map_or(0, |refusal| ops_error_code(refusal).0);
            Event::change(&audit::Origin::system(), &change, code)
        });
    match directory.create_user(order, user).await {
        Ok(_) => events::first_admin_created(&name),
        Err(OpsError::Plan(PlanError::UserExists(_))) => {}
        Err(error) => return Err(refused(error)),
    }
    Ok(())
}
