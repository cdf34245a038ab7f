//! Commands that mongod knows and that need an engine this server does not have.
//!
//! They are authorized all the same, so that what a user may do can be tested: 13 for those who may
//! not, 115 for those who may. `table` says what each takes; where that depends on the document,
//! `needs`, `writes` and `pipeline` read as much of it as matters, and refuse what they cannot
//! understand.

mod asked;
mod collected;
mod fields;
mod internal;
mod members;
pub(in crate::command) mod needs;
pub(in crate::command) mod pipeline;
mod reaching;
mod stages;
mod table;
pub(in crate::command) mod writes;
mod writing;

pub(in crate::command) use asked::Asked;
pub use pipeline::pipeline_needs;
pub use table::Unserved;

use bson::RawBsonRef;

use self::fields::{Namespace, first, invalid_namespace};
use self::internal::INTERNAL;
use self::table::{Rule, TABLE, Target};
use crate::authz::{Authority, Need, Requirement, Way};
use crate::command::arguments::type_name;
use crate::command::spec::RunsOn;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

/// Fields that may hold a secret in whatever command they stand, at whatever depth: passwords, what
/// is sent to sign in, what is stored of a password, and tokens of encrypted collections.
pub(super) const SENSITIVE: &[&str] = &[
    "pwd",
    "payload",
    "credentials",
    "speculativeAuthenticate",
    "hmacKey",
    "tokens",
    "compactionTokens",
    "cleanupTokens",
    "encryptionTokens",
];

/// The command called `name`, if it is one of these.
pub fn find(name: &str) -> Option<Unserved> {
    if let Ok(place) = INTERNAL.binary_search(&name) {
        return INTERNAL.get(place).copied().map(Unserved::internal);
    }
    let is_called = |command: &&Unserved| command.name == name || command.aliases.contains(&name);
    TABLE.iter().find(is_called).copied()
}

/// All of these but those that servers of a cluster send each other, sorted by name.
pub(super) fn all() -> &'static [Unserved] {
    TABLE
}

/// The names of those that servers of a cluster send each other, sorted.
pub(super) fn internal_names() -> &'static [&'static str] {
    INTERNAL
}

impl Unserved {
    /// The name on the wire.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Other names it answers to.
    pub(super) fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// Whether it runs only on `admin`.
    pub(super) fn is_admin_only(&self) -> bool {
        self.admin_only
    }

    /// Whether its arrays may come as document sequences.
    pub(super) fn takes_sequences(&self) -> bool {
        self.takes_sequences
    }

    /// Which members of a replica set would run it.
    pub(in crate::command) fn runs_on(&self) -> RunsOn {
        members::runs_on(self.name)
    }

    /// What it takes to be told 115 instead of 13, for people.
    pub(super) fn requirement_text(&self) -> String {
        match self.rule {
            Rule::SignedIn => "to be signed in".to_owned(),
            Rule::On(target, actions) => target.text(actions),
            Rule::AnyOf(ways) => {
                let ways = ways.iter().map(|way| {
                    let needs: Vec<_> = way.iter().map(|(on, actions)| on.text(actions)).collect();
                    needs.join(" and ")
                });
                ways.collect::<Vec<_>>().join("; or ")
            }
            Rule::Computed(_, words) => words.to_owned(),
        }
    }

    /// What the request takes; an error if it cannot be told.
    pub(in crate::command) fn requirement(
        &self,
        asked: &Asked<'_>,
    ) -> Result<Requirement, CommandError> {
        needs::check_fields_once(self.name, asked.body)?;
        match self.rule {
            Rule::SignedIn => Ok(Requirement::signed_in()),
            Rule::On(target, actions) => Ok(Requirement::all(vec![target.need(asked, actions)?])),
            Rule::AnyOf(ways) => {
                let way = |way: &&[(Target, &[Action])]| {
                    let needs = way.iter().map(|(on, actions)| on.need(asked, actions));
                    needs.collect::<Result<Vec<_>, _>>().map(Way::all)
                };
                let ways: Result<Vec<_>, _> = ways.iter().map(way).collect();
                ways.map(Requirement::any)
            }
            Rule::Computed(compute, _) => compute(asked),
        }
    }

    /// Why it is not run, which depends on whether it might be.
    pub(in crate::command) fn refuse(
        &self,
        asked: &Asked<'_>,
        authority: &Authority<'_>,
    ) -> CommandError {
        if self.admin_only && !asked.db.is_admin() {
            let text = format!("{} may only be run against the admin database.", self.name);
            return CommandError::new(ErrorCode::UNAUTHORIZED, text);
        }
        if matches!(authority, Authority::Nobody) {
            return CommandError::requires_authentication(self.name);
        }
        let requirement = match self.requirement(asked) {
            Ok(requirement) => requirement,
            Err(error) => return error,
        };
        match requirement.check(authority) {
            Err(denied) => {
                denied.to_command_error(self.name, asked.db.as_str(), asked.body, SENSITIVE)
            }
            Ok(_) => CommandError::no_engine(self.name),
        }
    }
}

impl Target {
    fn need(self, asked: &Asked<'_>, actions: &[Action]) -> Result<Need, CommandError> {
        Ok(asked::need(self.resource(asked)?, actions))
    }

    fn resource(self, asked: &Asked<'_>) -> Result<Resource, CommandError> {
        let named = || match first(asked.body)? {
            RawBsonRef::String(name) => Ok(name),
            other => Err(CommandError::new(
                ErrorCode::INVALID_NAMESPACE,
                format!("namespace has invalid type {}", type_name(other)),
            )),
        };
        let database = |name: &str| DbName::parse(name).map_err(|_| invalid_namespace(name));
        Ok(match self {
            Self::Collection => asked.collection()?.resource(),
            Self::Namespace => Namespace::parse(named()?)?.resource(),
            Self::NamedDatabase => Resource::Database(database(named()?)?),
            Self::Database => Resource::Database(asked.db.clone()),
            Self::Fixed(db, collection) => Namespace::of(&database(db)?, collection)?.resource(),
            Self::AnyNormal => Resource::AnyNormal,
            Self::AnyResource => Resource::AnyResource,
            Self::Cluster => Resource::Cluster,
        })
    }

    fn text(self, actions: &[Action]) -> String {
        let target = match self {
            Self::Collection | Self::Namespace => "the collection",
            Self::NamedDatabase => "the database that is named",
            Self::Database => "the database",
            Self::Fixed(db, collection) => &format!("`{db}.{collection}`"),
            Self::AnyNormal => "every database",
            Self::AnyResource => "everything there is",
            Self::Cluster => "the cluster",
        };
        let actions: Vec<_> = actions.iter().map(|action| action.name()).collect();
        format!("`{}` on {target}", actions.join("`, `"))
    }
}

#[cfg(test)]
mod tests;
