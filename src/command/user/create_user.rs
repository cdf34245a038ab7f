//! `createUser` (MongoDB manual, "createUser").

use bson::RawDocumentBuf;

use super::credentials::{NewPassword, PasswordRequest};
use crate::auth::x509::Subject;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::execute::until;
use crate::command::field_types::SafeBool;
use crate::command::names::RoleArgument;
use crate::command::reply::Reply;
use crate::command::restrictions::RestrictionArgument;
use crate::command::services::Services;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::names::{DbName, InvalidName, UserName};
use crate::model::user::{Credentials, User};
use crate::secret::Secret;

arguments! {
    /// The fields of `createUser`.
    #[derive(Debug)]
    pub struct CreateUser {
        /// The new user's name.
        "createUser" => user: String,
        /// The password; none for users on `$external`.
        "pwd" => password: Option<Secret<String>>,
        /// Anything the administrator wants kept with the user.
        "customData" => custom_data: Option<RawDocumentBuf>,
        /// The roles granted; may be empty.
        "roles" => roles: Vec<RoleArgument>,
        /// Whether the server digests the password; `false` only with SCRAM-SHA-1 alone.
        "digestPassword" => digest_password: SafeBool = SafeBool(true),
        /// Where the user may sign in from and to.
        "authenticationRestrictions" => restrictions: Option<Vec<RestrictionArgument>>,
        /// The mechanisms the user can sign in with; all enabled SCRAMs unless given.
        "mechanisms" => mechanisms: Option<Vec<String>>,
    }
}

impl Command for CreateUser {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_interruptible: false,
        ..Spec::new(
            "createUser",
            "Creates a user on the database where the command runs.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let mut needs = vec![Need::on_database(db, Action::CreateUser)];
        needs.extend(RoleArgument::needs(&self.roles, db, Action::GrantRole));
        if self.restrictions.is_some() {
            needs.push(Need::on_database(db, Action::SetAuthenticationRestriction));
        }
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let db = context.generic.db.clone();
        self.check(&db)?;
        self.check_cluster_separation(services, &db)?;
        let new_password = match self.password {
            None => None,
            Some(password) => {
                let request = PasswordRequest {
                    user: &self.user,
                    password,
                    digest: self.digest_password.0,
                    mechanisms: self.mechanisms.as_deref(),
                    is_of_milvus: services.has_milvus_clients(&db),
                };
                Some(NewPassword::check(request, &services.parameters)?)
            }
        };
        let name = UserName::new(&self.user, db.clone()).map_err(|invalid| bad_name(&invalid))?;
        let roles = RoleArgument::resolve_all(&self.roles, &db)?;
        let entries = self.restrictions.unwrap_or_default();
        let restrictions = RestrictionArgument::resolve_all(&entries)?;
        let mut user = User {
            name: name.clone(),
            user_id: uuid::Uuid::new_v4(),
            // Stands for the keys until they are derived.
            credentials: Credentials::External,
            restrictions,
            custom_data: self.custom_data.map(Box::new),
            roles: roles.into(),
        };
        // Asked again when the change is planned; asking first spares useless hashing.
        let change = DirectoryChange {
            custom_data: user.custom_data.clone(),
            roles: Some(user.roles.clone()),
            restrictions: Some(user.restrictions.clone()).filter(|it| !it.is_empty()),
            ..DirectoryChange::of_user(Self::SPEC.name, ChangeKind::Created, &name)
        };
        if let Err(error) = services.directory.check_create_user(&user) {
            return Err(context.refused(&change, services.ops_error(error)).await);
        }
        if let Some(new_password) = new_password {
            let derived = new_password.derive(&services.parameters, context.hash_share());
            // Nothing is written yet.
            user.credentials = until(context.deadline, derived).await??;
        }
        let order = context.order(pass, change);
        services
            .directory
            .create_user(order, user)
            .await
            .map_err(|e| services.ops_error(e))?;
        Ok(Reply::new())
    }
}

impl CreateUser {
    /// What can be said without looking at mechanisms, in mongod's order.
    fn check(&self, db: &DbName) -> Result<(), CommandError> {
        let bad = |text: &str| Err(CommandError::bad_value(text));
        if db.is_local() {
            return bad("Cannot create users in the local database");
        }
        if self.user.contains('\0') {
            return Err(bad_name(&InvalidName::UserNul));
        }
        if self.password.is_none() && !db.is_external() {
            return bad(
                "Must provide a 'pwd' field for all user documents, except those with \
                 '$external' as the user's source db",
            );
        }
        if self.password.is_some() && db.is_external() {
            return bad("Cannot set the password for users defined on the '$external' database");
        }
        if self.mechanisms.as_ref().is_some_and(Vec::is_empty) {
            return bad("mechanisms field must not be empty");
        }
        Ok(())
    }

    /// Nobody could sign in as such a user.
    fn check_cluster_separation(
        &self,
        services: &Services,
        db: &DbName,
    ) -> Result<(), CommandError> {
        let is_enforced = services.parameters.enforce_user_cluster_separation();
        if is_enforced && db.is_external() && is_member(&self.user, services.server_subject()) {
            return Err(CommandError::bad_value(
                "Cannot create an x.509 user with a subjectname that would be recognized as an \
                 internal cluster member",
            ));
        }
        Ok(())
    }
}

fn is_member(name: &str, server: Option<Subject>) -> bool {
    let of_same_cluster = |server: Subject| {
        Subject::parse(name).is_ok_and(|subject| server.is_of_same_cluster(&subject))
    };
    server.is_some_and(of_same_cluster)
}

fn bad_name(invalid: &InvalidName) -> CommandError {
    CommandError::bad_value(match invalid {
        InvalidName::UserNul => "Username cannot contain NULL characters",
        _ => "User document needs 'user' field to be non-empty",
    })
}
