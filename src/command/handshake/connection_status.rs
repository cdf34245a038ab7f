//! `connectionStatus` (MongoDB manual, "connectionStatus").

use bson::{RawArrayBuf, rawdoc};

use crate::auth::session::SignedIn;
use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::roles_array::roles_array;
use crate::command::spec::{Access, Command, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `connectionStatus`.
    #[derive(Debug)]
    pub struct ConnectionStatus {
        /// Any value.
        "connectionStatus" => value: Anything,
        /// Whether to show what the user may do.
        "showPrivileges" => show_privileges: SafeBool = SafeBool(false),
    }
}

impl Command for ConnectionStatus {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        ..Spec::new(
            "connectionStatus",
            "Answers who is signed in on this connection.",
        )
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let signed_in = context.connection.session.signed_in();
        let mut users = RawArrayBuf::new();
        if let Some(SignedIn { user, .. }) = signed_in {
            users.push(rawdoc! { "user": user.name.user(), "db": user.name.db().as_str() });
        }
        let roles = signed_in
            .map(|signed_in| roles_array(signed_in.roles.names()))
            .unwrap_or_default();
        let mut info = rawdoc! { "authenticatedUsers": users, "authenticatedUserRoles": roles };
        if self.show_privileges.0 {
            let mut privileges = RawArrayBuf::new();
            for privilege in signed_in
                .iter()
                .flat_map(|signed_in| signed_in.roles.privileges())
            {
                privileges.push(privilege.to_raw_document());
            }
            info.append(bson::raw::cstr!("authenticatedUserPrivileges"), privileges);
        }
        Ok(Reply::new().with("authInfo", info))
    }
}
