//! Commands about users.

pub mod create_user;
pub mod credentials;
pub mod drop_all_users_from_database;
pub mod drop_user;
pub mod grant_roles_to_user;
mod grants;
pub mod revoke_roles_from_user;
pub mod update_user;
pub mod users_info;
pub(in crate::command) mod users_info_shape;
