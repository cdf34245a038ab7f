//! Commands about roles.

pub mod roles_info;
