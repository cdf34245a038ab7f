//! The roles every deployment has.

use crate::model::names::RoleName;

/// Whether `role` is built in on its database.
pub fn is_builtin(_role: &RoleName) -> bool {
    false
}
