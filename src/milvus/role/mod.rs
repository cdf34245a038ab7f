//! Calls about roles and who has them.

mod create_role;
mod drop_role;
mod operate_user_role;
mod select_role;
