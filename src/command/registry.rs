//! All commands, sorted by name. Each line is one command; everything else about it is in its file.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::collection::aggregate::Aggregate;
use super::collection::count::Count;
use super::collection::distinct::Distinct;
use super::collection::find::Find;
use super::collection::get_more::GetMore;
use super::collection::kill_cursors::KillCursors;
use super::collection::list_collections::ListCollections;
use super::collection::list_indexes::ListIndexes;
use super::diagnostic::get_cmd_line_opts::GetCmdLineOpts;
use super::diagnostic::get_default_rw_concern::GetDefaultRwConcern;
use super::diagnostic::get_log::GetLog;
use super::diagnostic::get_parameter::GetParameter;
use super::diagnostic::host_info::HostInfo;
use super::diagnostic::list_commands::ListCommands;
use super::diagnostic::list_databases::ListDatabases;
use super::diagnostic::rotate_certificates::RotateCertificates;
use super::diagnostic::server_status::ServerStatus;
use super::diagnostic::set_default_rw_concern::SetDefaultRwConcern;
use super::diagnostic::set_parameter::SetParameter;
use super::handshake::build_info::BuildInfo;
use super::handshake::connection_status::ConnectionStatus;
use super::handshake::hello::Hello;
use super::handshake::ping::Ping;
use super::handshake::whatsmyuri::WhatsMyUri;
use super::replication::repl_set_freeze::ReplSetFreeze;
use super::replication::repl_set_get_config::ReplSetGetConfig;
use super::replication::repl_set_get_status::ReplSetGetStatus;
use super::replication::repl_set_initiate::ReplSetInitiate;
use super::replication::repl_set_reconfig::ReplSetReconfig;
use super::replication::repl_set_step_down::ReplSetStepDown;
use super::restore::drop::DropCollection;
use super::restore::insert::Insert;
use super::restore::merge_authz_collections::MergeAuthzCollections;
use super::role::create_role::CreateRole;
use super::role::drop_all_roles_from_database::DropAllRolesFromDatabase;
use super::role::drop_role::DropRole;
use super::role::grant_privileges_to_role::GrantPrivilegesToRole;
use super::role::grant_roles_to_role::GrantRolesToRole;
use super::role::invalidate_user_cache::InvalidateUserCache;
use super::role::revoke_privileges_from_role::RevokePrivilegesFromRole;
use super::role::revoke_roles_from_role::RevokeRolesFromRole;
use super::role::roles_info::RolesInfo;
use super::role::update_role::UpdateRole;
use super::sasl::authenticate::Authenticate;
use super::sasl::logout::Logout;
use super::sasl::sasl_continue::SaslContinue;
use super::sasl::sasl_start::SaslStart;
use super::session::end_sessions::EndSessions;
use super::session::refresh_sessions::RefreshSessions;
use super::session::start_session::StartSession;
use super::spec::{Entry, entry};
use super::user::create_user::CreateUser;
use super::user::drop_all_users_from_database::DropAllUsersFromDatabase;
use super::user::drop_user::DropUser;
use super::user::grant_roles_to_user::GrantRolesToUser;
use super::user::revoke_roles_from_user::RevokeRolesFromUser;
use super::user::update_user::UpdateUser;
use super::user::users_info::UsersInfo;

/// Every command that is served.
pub static COMMANDS: &[Entry] = &[
    entry::<MergeAuthzCollections>(),
    entry::<Aggregate>(),
    entry::<Authenticate>(),
    entry::<BuildInfo>(),
    entry::<ConnectionStatus>(),
    entry::<Count>(),
    entry::<CreateRole>(),
    entry::<CreateUser>(),
    entry::<Distinct>(),
    entry::<DropCollection>(),
    entry::<DropAllRolesFromDatabase>(),
    entry::<DropAllUsersFromDatabase>(),
    entry::<DropRole>(),
    entry::<DropUser>(),
    entry::<EndSessions>(),
    entry::<Find>(),
    entry::<GetCmdLineOpts>(),
    entry::<GetDefaultRwConcern>(),
    entry::<GetLog>(),
    entry::<GetMore>(),
    entry::<GetParameter>(),
    entry::<GrantPrivilegesToRole>(),
    entry::<GrantRolesToRole>(),
    entry::<GrantRolesToUser>(),
    entry::<Hello>(),
    entry::<HostInfo>(),
    entry::<Insert>(),
    entry::<InvalidateUserCache>(),
    entry::<KillCursors>(),
    entry::<ListCollections>(),
    entry::<ListCommands>(),
    entry::<ListDatabases>(),
    entry::<ListIndexes>(),
    entry::<Logout>(),
    entry::<Ping>(),
    entry::<RefreshSessions>(),
    entry::<ReplSetFreeze>(),
    entry::<ReplSetGetConfig>(),
    entry::<ReplSetGetStatus>(),
    entry::<ReplSetInitiate>(),
    entry::<ReplSetReconfig>(),
    entry::<ReplSetStepDown>(),
    entry::<RevokePrivilegesFromRole>(),
    entry::<RevokeRolesFromRole>(),
    entry::<RevokeRolesFromUser>(),
    entry::<RolesInfo>(),
    entry::<RotateCertificates>(),
    entry::<SaslContinue>(),
    entry::<SaslStart>(),
    entry::<ServerStatus>(),
    entry::<SetDefaultRwConcern>(),
    entry::<SetParameter>(),
    entry::<StartSession>(),
    entry::<UpdateRole>(),
    entry::<UpdateUser>(),
    entry::<UsersInfo>(),
    entry::<WhatsMyUri>(),
];

/// Places in [`COMMANDS`] by name and alias.
static PLACES: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| {
    let names = |place: usize| {
        let spec = COMMANDS[place].spec;
        std::iter::once(spec.name)
            .chain(spec.aliases.iter().copied())
            .map(move |name| (name, place))
    };
    (0..COMMANDS.len()).flat_map(names).collect()
});

/// The command called `name` and its place, if it is served.
pub fn find(name: &str) -> Option<(usize, &'static Entry)> {
    let place = *PLACES.get(name)?;
    COMMANDS.get(place).map(|entry| (place, entry))
}

#[cfg(test)]
mod tests {
    use bson::raw::{RawDocumentBuf, cstr};
    use bson::rawdoc;

    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn strict_commands_and_no_others_refuse_a_field_nobody_knows() {
        for entry in COMMANDS {
            let name = bson::raw::CString::try_from(entry.spec.name).unwrap();
            // One of these is what the command's own field takes.
            let values = [
                rawdoc! { "": 1 },
                rawdoc! { "": 1_i64 },
                rawdoc! { "": "x" },
                rawdoc! { "": [] },
            ];
            let refuses = values.iter().any(|value| {
                let value = value.get("").unwrap().unwrap();
                let mut body = RawDocumentBuf::new();
                body.append(&name, value);
                body.append(cstr!("noSuchField"), 1);
                let error = (entry.check_arguments)(&body).err();
                error.is_some_and(|error| error.code == ErrorCode::IDL_UNKNOWN_FIELD)
            });
            assert_eq!(refuses, entry.spec.strict, "{}", entry.spec.name);
        }
    }
}
