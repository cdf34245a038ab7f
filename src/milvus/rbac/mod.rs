//! Users, roles, grants and groups as a whole, to be kept elsewhere and brought back.

mod backup_rbac;
mod restore_rbac;
