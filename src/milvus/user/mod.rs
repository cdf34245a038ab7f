//! Calls about users.

mod create_credential;
mod delete_credential;
mod list_cred_users;
mod select_user;
mod update_credential;
