//! What administrators and tools ask the server about itself.

pub mod get_cmd_line_opts;
pub mod get_default_rw_concern;
pub mod get_log;
pub mod get_parameter;
pub mod host_info;
pub mod list_commands;
pub mod list_databases;
pub mod rotate_certificates;
pub mod server_status;
pub mod set_default_rw_concern;
pub mod set_parameter;

mod machine;

/// The number as a BSON int, or the largest one.
pub(super) fn int32(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// The number as a BSON long, or the largest one.
fn int64(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
