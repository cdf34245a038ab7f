//! Commands about roles.

pub mod roles_info;
mod roles_info_shape;
