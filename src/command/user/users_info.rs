//! `usersInfo` (MongoDB manual, "usersInfo").

use std::collections::HashSet;
use std::sync::Arc;

use bson::raw::RawDocument;
use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf};

use super::users_info_shape::{Shape, detailed, plain};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::Catalog;
use crate::command::arguments::{FromField, Path, arguments};
use crate::command::context::Context;
use crate::command::field_types::{SafeBool, number};
use crate::command::names::UserArgument;
use crate::command::reply::{BoundedArray, Reply};
use crate::command::services::Interrupt;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::{DbName, UserName};
use crate::model::user::User;
use crate::query::Filter;

/// Named users that are looked up at once; more are looked up where they hold up no connection.
const USERS_AT_ONCE_MAX: usize = 16;

arguments! {
    /// The fields of `usersInfo`.
    #[derive(Debug)]
    pub struct UsersInfo {
        /// `1`: all users of the database. `{forAllDBs: true}`: all users. A name, `{user, db}` or an
        /// array of them: these users.
        "usersInfo" => target: Target,
        /// Whether to show what the users may do; only for named users.
        "showPrivileges" => show_privileges: SafeBool = SafeBool(false),
        /// Whether to show the stored keys.
        "showCredentials" => show_credentials: SafeBool = SafeBool(false),
        /// Whether to show restrictions; only for named users.
        "showAuthenticationRestrictions" => show_restrictions: SafeBool = SafeBool(false),
        /// Whether to show custom data.
        "showCustomData" => show_custom_data: SafeBool = SafeBool(true),
        /// A query that users must match.
        "filter" => filter: Option<RawDocumentBuf>,
    }
}

/// Which users are asked for.
#[derive(Debug)]
pub enum Target {
    /// Those of the command's database.
    Database,
    /// Those of every database.
    AllDatabases,
    /// These.
    Exact(Vec<UserArgument>),
}

impl FromField for Target {
    const TYPES: &'static [&'static str] = &[
        "long", "int", "decimal", "double", "string", "object", "array",
    ];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::Array(_) => Ok(Vec::from_field(value, path)?.map(Self::Exact)),
            RawBsonRef::Document(document) if is_for_all_databases(document) => {
                Ok(Some(Self::AllDatabases))
            }
            other if number(other) == Some(1.0) => Ok(Some(Self::Database)),
            other => Ok(UserArgument::from_field(other, path)?.map(|user| Self::Exact(vec![user]))),
        }
    }
}

fn is_for_all_databases(document: &RawDocument) -> bool {
    match document.get("forAllDBs") {
        Ok(Some(RawBsonRef::Boolean(value))) => value,
        Ok(Some(other)) => number(other).is_some_and(|number| number != 0.0),
        _ => false,
    }
}

impl Command for UsersInfo {
    const SPEC: Spec = Spec {
        runs_on: RunsOn::SecondaryIfAsked,
        ..Spec::new("usersInfo", "Answers what is known about users.")
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        match &self.target {
            Target::Database => authority.require(&[Need::on_database(db, Action::ViewUser)]),
            Target::AllDatabases => authority.require(&[Need::on_cluster(Action::ViewUser)]),
            Target::Exact(users) => {
                let foreign = users.iter().filter(|user| !user.is_caller(db, authority));
                let needs: Vec<Need> = foreign.map(|user| user.need_to_view(db)).collect();
                authority.require(&needs)
            }
        }
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let services = context.services;
        let is_detailed = self.show_privileges.0 || self.show_restrictions.0;
        let is_exact = matches!(self.target, Target::Exact(_));
        if is_detailed && (!is_exact || self.filter.is_some()) {
            return Err(CommandError::new(
                ErrorCode::ILLEGAL_OPERATION,
                "Privilege or restriction details require exact-match usersInfo queries",
            ));
        }
        let listing = Listing {
            filter: self.filter,
            is_detailed,
            shape: Shape {
                credentials: self.show_credentials.0,
                custom_data: self.show_custom_data.0,
                restrictions: self.show_restrictions.0,
            },
        };
        let db = context.generic.db.clone();
        let users = match self.target {
            Target::Exact(users) if users.is_empty() && !is_detailed => {
                return Err(CommandError::bad_value(
                    "$and/$or/$nor must be a nonempty array",
                ));
            }
            Target::Exact(users)
                if users.len() <= USERS_AT_ONCE_MAX && listing.filter.is_none() =>
            {
                let catalog = services.directory.catalog();
                listing.show_named(&users, &db, catalog, &Interrupt::default())
            }
            Target::Exact(users) => {
                let show = move |catalog: &Catalog, interrupt: &Interrupt| {
                    listing.show_named(&users, &db, catalog, interrupt)
                };
                services.scan(show).await?
            }
            Target::Database => {
                services
                    .scan(move |catalog, interrupt| {
                        listing.show(catalog.users_on(&db), catalog, interrupt)
                    })
                    .await?
            }
            Target::AllDatabases => {
                services
                    .scan(move |catalog, interrupt| {
                        listing.show(catalog.all_users(), catalog, interrupt)
                    })
                    .await?
            }
        };
        Ok(Reply::new().with("users", users?))
    }
}

/// Which users are shown, and how.
struct Listing {
    /// Read only where it holds up no connection: what it is made of may take long to prepare.
    filter: Option<RawDocumentBuf>,
    is_detailed: bool,
    shape: Shape,
}

impl Listing {
    /// Users, and what their roles give them at the same moment.
    fn show_named(
        &self,
        users: &[UserArgument],
        db: &DbName,
        catalog: &Catalog,
        interrupt: &Interrupt,
    ) -> Result<RawArrayBuf, CommandError> {
        catalog.read_whole(|| {
            let users = named(users, db, catalog, self.is_detailed);
            self.show(users, catalog, interrupt)
        })
    }

    fn show(
        &self,
        users: Vec<Arc<User>>,
        catalog: &Catalog,
        interrupt: &Interrupt,
    ) -> Result<RawArrayBuf, CommandError> {
        let filter = self.filter.as_deref().map(Filter::parse).transpose()?;
        let mut array = BoundedArray::default();
        for user in users {
            interrupt.check()?;
            let document = if self.is_detailed {
                detailed(&user, self.shape, catalog)
            } else {
                plain(&user, self.shape)
            };
            if filter
                .as_ref()
                .is_none_or(|filter| filter.matches(&document))
            {
                array.push(&document)?;
            }
        }
        Ok(array.into_array())
    }
}

/// The users that are there: sorted in plain answers, in the order asked for in detailed ones.
fn named(
    users: &[UserArgument],
    db: &DbName,
    catalog: &Catalog,
    keep_order: bool,
) -> Vec<Arc<User>> {
    let mut names: Vec<UserName> = users.iter().filter_map(|user| user.resolve(db)).collect();
    if keep_order {
        let mut seen = HashSet::with_capacity(names.len());
        names.retain(|name| seen.insert(name.clone()));
    } else {
        names.sort();
        names.dedup();
    }
    names.iter().filter_map(|name| catalog.user(name)).collect()
}
