//! The events that are logged, one function each.
//!
//! Field names are fixed here and nowhere else. Parameters are typed so that no secret has a way in;
//! text from clients is cut and escaped by the log. Faults of clients are no errors: the highest
//! level they reach is a warning. Each event has an `id`: mongod's where mongod logs the same event,
//! else one from 9900001 up.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use tracing::field::display;
use tracing::{debug, error, info, warn};

use crate::model::directory_change::{ChangeKind, DirectoryChange, Subject};
use crate::model::names::UserName;

/// Events of connections; `--quiet` drops those below a warning.
pub(super) const CONNECTION_TARGET: &str = "NETWORK";
const ACCESS: &str = "ACCESS";
const CONTROL: &str = "CONTROL";
const STORAGE: &str = "STORAGE";
const COMMAND: &str = "COMMAND";

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// Number of the connection; the line's `ctx` is `conn<number>`.
    pub connection_id: u64,
    /// Address; `None` for a Unix domain socket.
    pub address: Option<IpAddr>,
    /// TCP port; 0 for a Unix domain socket.
    pub port: u16,
}

impl Display for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(formatter, "[{address}]:{}", self.port),
            Some(address) => write!(formatter, "{address}:{}", self.port),
            None => formatter.write_str("anonymous unix socket"),
        }
    }
}

/// The server accepts connections. Tools wait for this message, which is mongod's.
pub fn server_started(addresses: &[String], store: &str, authorization: bool) {
    let addresses = addresses.join(",");
    info!(target: CONTROL, id = 23016_u64, addresses, store, authorization, "Waiting for connections");
}

/// The server accepts Milvus clients.
pub fn milvus_started(addresses: &[String]) {
    let addresses = addresses.join(",");
    info!(target: CONTROL, id = 9_900_042_u64, addresses, "Waiting for Milvus clients");
}

/// Milvus clients have no root, and none can be made by a server that was not given its password.
pub fn milvus_root_missing(db: &str) {
    warn!(
        target: CONTROL,
        id = 9_900_044_u64,
        db,
        "There is no Milvus user root, and nobody is shown a password that is made up now: restart the \
         members with --milvus.defaultRootPassword"
    );
}

/// A password for root was made up and shown, but another member was faster to make root.
pub fn milvus_root_made_elsewhere() {
    warn!(
        target: CONTROL,
        id = 9_900_048_u64,
        "Another member has created the Milvus user root meanwhile: the password shown here is not its"
    );
}

/// What Milvus clients begin with could not be made.
pub fn milvus_not_begun(error: &dyn Display) {
    warn!(target: CONTROL, id = 9_900_045_u64, %error, "Cannot create what Milvus clients begin with");
}

/// Something the operator should know, also shown by `mongosh` when it connects.
pub fn startup_warning(message: &str) {
    warn!(target: CONTROL, id = 9_900_001_u64, startup_warning = true, "{message}");
}

/// Anybody may do anything. A startup warning, with mongod's text.
pub fn authorization_disabled() {
    warn!(
        target: CONTROL,
        id = 22120_u64,
        startup_warning = true,
        "Access control is not enabled for the database. Read and write access to data and \
         configuration is unrestricted"
    );
}

/// The server stops taking requests; `reason` is a signal or a command.
pub fn server_stopping(reason: &str) {
    info!(target: CONTROL, id = 9_900_002_u64, reason, "Shutting down");
}

/// The last thing a server says. `connections_cut` did not finish in time.
pub fn server_stopped(connections_cut: usize) {
    info!(target: CONTROL, id = 9_900_003_u64, connections_cut, "Stopped");
}

/// A connection was taken; at verbosity 1.
pub fn connection_accepted(client: Client, connections: u32) {
    debug!(
        target: CONNECTION_TARGET,
        id = 22943_u64,
        connection_id = client.connection_id,
        client = %client,
        connections,
        "Connection accepted"
    );
}

/// A connection is gone; at verbosity 1.
pub fn connection_ended(client: Client, connections: u32) {
    debug!(
        target: CONNECTION_TARGET,
        id = 22944_u64,
        connection_id = client.connection_id,
        client = %client,
        connections,
        "Connection ended"
    );
}

/// Certificates were read again; `asked` is the text of the client who asked for it. mongod's event.
pub fn certificates_rotated(asked: Option<&str>) {
    let text = asked.unwrap_or_default();
    info!(
        target: CONTROL,
        id = 4_988_500_u64,
        text,
        "Certificate rotation completed successfully"
    );
}

/// Certificates were to be read again and cannot be used; those from before stay.
pub fn certificates_kept(reason: &dyn Display) {
    warn!(
        target: CONTROL,
        id = 9_900_030_u64,
        %reason,
        "Certificate rotation failed, those in use stay"
    );
}

/// A client began to take a backup as of the commit `sequence`; `by` is `None` without authorization.
pub fn backup_begun(
    sequence: u64,
    (users, roles): (usize, usize),
    by: Option<&UserName>,
    client: Client,
) {
    let by = name_or_nobody(by);
    info!(
        target: STORAGE,
        id = 9_900_041_u64,
        connection_id = client.connection_id,
        client = %client,
        sequence,
        users,
        roles,
        by,
        "Backup begun"
    );
}

/// A user signed in.
pub fn sign_in_succeeded(user: &UserName, mechanism: &str, client: Client) {
    info!(
        target: ACCESS,
        id = 5_286_306_u64,
        connection_id = client.connection_id,
        client = %client,
        user = %user,
        mechanism,
        "Successfully authenticated"
    );
}

/// A sign-in failed. `user` is what the client sent, as far as it got; `reason` is for the operator
/// only, the client is told nothing.
pub fn sign_in_failed(user: &str, mechanism: &str, client: Client, reason: &dyn Display) {
    warn!(
        target: ACCESS,
        id = 5_286_307_u64,
        connection_id = client.connection_id,
        client = %client,
        user,
        mechanism,
        %reason,
        "Failed to authenticate"
    );
}

/// So much was refused to strangers of an address that more of it is not written one by one.
pub fn refusals_left_out(client: Client) {
    warn!(
        target: ACCESS,
        id = 9_900_046_u64,
        connection_id = client.connection_id,
        client = %client,
        "Too many refusals of one address, most are not written any more"
    );
}

/// A user signed out.
pub fn signed_out(user: &UserName, client: Client) {
    info!(
        target: ACCESS,
        id = 9_900_007_u64,
        connection_id = client.connection_id,
        client = %client,
        user = %user,
        "Signed out"
    );
}

/// A request was refused for lack of privileges; `user` is `None` when nobody is signed in.
pub fn access_denied(command: &str, db: &str, user: Option<&UserName>, client: Client) {
    let user = name_or_nobody(user);
    warn!(
        target: ACCESS,
        id = 9_900_008_u64,
        connection_id = client.connection_id,
        client = %client,
        user,
        command,
        db,
        "Access denied"
    );
}

/// Users or roles were changed, `dropped` of them dropped; `by` is `None` under the localhost
/// exception.
pub fn directory_changed(
    change: &DirectoryChange,
    dropped: usize,
    by: Option<&UserName>,
    client: Client,
) {
    let by = name_or_nobody(by);
    let (mut user, mut role, mut db, mut count, mut group) = (None, None, None, None, None);
    let (id, of) = match &change.subject {
        Subject::User(name) => {
            user = Some(display(name));
            (9_900_009_u64, "User")
        }
        Subject::Role(name) => {
            role = Some(display(name));
            (9_900_010, "Role")
        }
        Subject::AllUsersOf(name) => {
            (db, count) = (Some(display(name)), Some(dropped));
            (9_900_016, "All users of a database")
        }
        Subject::AllRolesOf(name) => {
            (db, count) = (Some(display(name)), Some(dropped));
            (9_900_017, "All roles of a database")
        }
        Subject::PrivilegeGroup(name) => {
            group = Some(display(name));
            (9_900_043, "Privilege group")
        }
    };
    let done = match change.kind {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Dropped => "dropped",
    };
    info!(
        target: ACCESS,
        id,
        connection_id = client.connection_id,
        client = %client,
        user,
        role,
        db,
        count,
        group,
        by,
        "{of} {done}"
    );
}

/// A user or role of a dump, or a part of one, was not restored. `reason` names fields and names,
/// never values.
pub fn not_restored(what: &str, reason: &str, client: Client) {
    warn!(
        target: ACCESS,
        id = 9_900_040_u64,
        connection_id = client.connection_id,
        client = %client,
        what,
        reason,
        "Not restored from the dump"
    );
}

/// The audit log cannot be written any more. Logged once, until it can be again.
pub fn audit_failed(reason: &dyn Display) {
    error!(target: CONTROL, id = 9_900_018_u64, %reason, "Audit log cannot be written");
}

/// The audit log can be written again; `lost` events were not written meanwhile.
pub fn audit_recovered(lost: u64) {
    warn!(target: CONTROL, id = 9_900_019_u64, lost, "Audit log is written again");
}

/// A client said what it is, in its first hello.
pub fn client_metadata(application: &str, client: Client) {
    debug!(
        target: CONNECTION_TARGET,
        id = 51_800_u64,
        connection_id = client.connection_id,
        client = %client,
        application,
        "client metadata"
    );
}

/// The first administrator was created from the environment.
pub fn first_admin_created(user: &UserName) {
    info!(target: ACCESS, id = 9_900_011_u64, user = %user, "First administrator created");
}

/// The store was opened and replayed.
pub fn store_opened(store: &str, users: usize, roles: usize, took: Duration) {
    let duration_ms = milliseconds(took);
    info!(target: STORAGE, id = 9_900_012_u64, store, users, roles, duration_ms, "Store opened");
}

/// The store failed; writes are refused until the server is restarted.
pub fn store_failed(reason: &dyn Display) {
    error!(target: STORAGE, id = 9_900_013_u64, %reason, "Store failed");
}

/// Whether [`command_finished`] is logged: else nobody need look at the clock.
pub fn are_commands_logged() -> bool {
    tracing::enabled!(target: COMMAND, tracing::Level::DEBUG)
}

/// A command was answered; at verbosity 1.
pub fn command_finished(command: &str, code: i32, took: Duration, client: Client) {
    let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    debug!(
        target: COMMAND,
        id = 9_900_014_u64,
        connection_id = client.connection_id,
        command,
        code,
        duration_us,
        "Command finished"
    );
}

/// The server's own fault while it was `doing` something; `error_id` is what the client was told.
pub fn internal_error(error_id: &str, doing: &str, reason: &dyn Display) {
    error!(
        target: COMMAND,
        id = 9_900_015_u64,
        error_id,
        doing,
        %reason,
        "Internal error"
    );
}

fn name_or_nobody(user: Option<&UserName>) -> String {
    user.map_or_else(|| "(nobody)".to_owned(), UserName::to_string)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
