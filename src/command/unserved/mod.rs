//! Commands that mongod knows and that need an engine this server does not have.
//!
//! They are authorized all the same, so that what a user may do can be tested: 13 for those who may
//! not, 115 for those who may.

mod fields;
pub(in crate::command) mod pipeline;
mod stages;

use bson::RawBsonRef;
use bson::raw::RawDocument;

use crate::authz::{Authority, Need};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

/// A command without an engine.
#[derive(Debug, Clone, Copy)]
pub struct Unserved {
    name: &'static str,
    target: Target,
    actions: &'static [Action],
}

/// What a command's actions are needed on.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// The collection that is the command's value.
    Collection,
    /// The database it runs on.
    Database,
    /// The cluster.
    Cluster,
    /// Nothing: it is enough to be signed in.
    SignedIn,
}

macro_rules! unserved {
    ($($name:literal $target:ident [$($action:ident),*],)*) => {
        static UNSERVED: &[Unserved] = &[$(Unserved {
            name: $name,
            target: Target::$target,
            actions: &[$(Action::$action),*],
        },)*];
    };
}

unserved! {
    "abortTransaction" SignedIn [],
    "collMod" Collection [CollMod],
    "collStats" Collection [CollStats],
    "collmod" Collection [CollMod],
    "collstats" Collection [CollStats],
    "commitTransaction" SignedIn [],
    "compact" Collection [Compact],
    "convertToCapped" Collection [ConvertToCapped],
    "create" Collection [CreateCollection],
    "createIndexes" Collection [CreateIndex],
    "currentOp" Cluster [Inprog],
    "dbHash" Database [DbHash],
    "dbStats" Database [DbStats],
    "dbstats" Database [DbStats],
    "delete" Collection [Remove],
    "drop" Collection [DropCollection],
    "dropDatabase" Database [DropDatabase],
    "dropIndexes" Collection [DropIndex],
    "fsync" Cluster [Fsync],
    "insert" Collection [Insert],
    "killOp" Cluster [Killop],
    "logRotate" Cluster [LogRotate],
    "reIndex" Collection [ReIndex],
    "replSetGetConfig" Cluster [ReplSetGetConfig],
    "replSetGetStatus" Cluster [ReplSetGetStatus],
    "shutdown" Cluster [Shutdown],
    "top" Cluster [Top],
    "update" Collection [Update],
    "validate" Collection [Validate],
}

/// Fields that may hold a secret in whatever command they stand.
const SENSITIVE: &[&str] = &["pwd", "payload"];

/// The command called `name`, if it is one of these.
pub fn find(name: &str) -> Option<&'static Unserved> {
    UNSERVED.iter().find(|command| command.name == name)
}

/// All of these, sorted by name.
pub(super) fn all() -> &'static [Unserved] {
    UNSERVED
}

impl Unserved {
    /// The name on the wire.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// What it takes to be told 115 instead of 13, for people.
    pub(super) fn requirement(&self) -> String {
        let target = match self.target {
            Target::SignedIn => return "to be signed in".to_owned(),
            Target::Collection => "the collection",
            Target::Database => "the database",
            Target::Cluster => "the cluster",
        };
        let actions: Vec<_> = self.actions.iter().map(|action| action.name()).collect();
        format!("`{}` on {target}", actions.join("`, `"))
    }

    /// Why it is not run, which depends on whether it might be.
    pub fn refuse(
        &self,
        db: &DbName,
        body: &RawDocument,
        authority: &Authority<'_>,
    ) -> CommandError {
        if let Err(denied) = authority.require_sign_in() {
            return denied.to_command_error(self.name, db.as_str(), body, SENSITIVE);
        }
        let resource = match self.target {
            Target::SignedIn => None,
            Target::Database => Some(Resource::Database(db.clone())),
            Target::Cluster => Some(Resource::Cluster),
            Target::Collection => match collection(body) {
                Ok(collection) => Some(Resource::Namespace(db.clone(), collection.into())),
                Err(error) => return error,
            },
        };
        let needs = resource.map(|resource| Need {
            resource,
            actions: self.actions.iter().copied().collect(),
        });
        match authority.require(needs.as_slice()) {
            Err(denied) => denied.to_command_error(self.name, db.as_str(), body, SENSITIVE),
            Ok(_) => CommandError::no_engine(self.name),
        }
    }
}

fn collection(body: &RawDocument) -> Result<&str, CommandError> {
    match body.iter().next() {
        Some(Ok((_, RawBsonRef::String(name)))) if !name.is_empty() && !name.contains('\0') => {
            Ok(name)
        }
        // `aggregate: 1` is about the database as a whole.
        Some(Ok((_, RawBsonRef::Int32(1) | RawBsonRef::Double(1.0) | RawBsonRef::Int64(1)))) => {
            Ok("$cmd.aggregate")
        }
        Some(Ok((_, other))) => Err(CommandError::new(
            ErrorCode::INVALID_NAMESPACE,
            format!(
                "collection name has invalid type {}",
                crate::command::arguments::type_name(other)
            ),
        )),
        _ => Err(CommandError::new(
            ErrorCode::INVALID_NAMESPACE,
            "no collection is named",
        )),
    }
}
