//! What administrators and tools ask the server about itself.

pub mod get_cmd_line_opts;
pub mod get_default_rw_concern;
pub mod get_log;
pub mod get_parameter;
pub mod host_info;
pub mod list_commands;
pub mod list_databases;
pub mod server_status;
pub mod set_default_rw_concern;
pub mod set_parameter;
