//! What a command is: one declaration, from which dispatch, `listCommands` and the documentation
//! are made.

use std::future::Future;
use std::pin::Pin;

use bson::raw::RawDocument;

use super::arguments::{Arguments, Field, Path, Rules};
use super::context::Context;
use super::execute::execute;
use super::reply::Reply;
use crate::authz::{Authority, Denied, Pass};
use crate::error::CommandError;
use crate::model::names::DbName;

/// The properties of a command that do not depend on a request.
#[allow(clippy::struct_excessive_bools)] // independent properties, each named where it is set
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The canonical name.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// Who may call it at all; privileges are [`Command::authorize`]'s business.
    pub access: Access,
    /// Whether it runs only on the database `admin`.
    pub admin_only: bool,
    /// Whether it takes a write concern.
    pub write_concern: bool,
    /// Whether it takes every read concern; all commands take `local`.
    pub read_concern: bool,
    /// Whether clients may repeat it under the same `txnNumber` when they do not know what came of it.
    pub is_retryable_write: bool,
    /// Whether it is part of API version 1.
    pub api_version_1: bool,
    /// Whether unknown fields are errors.
    pub strict: bool,
    /// Whether `maxTimeMS` may end it anywhere. Writes look at their deadline themselves, before they
    /// are queued; a sign-in must not become quicker to fail by it.
    pub is_interruptible: bool,
    /// Whether it may come by `OP_QUERY`, as drivers before `OP_MSG` send it.
    pub by_op_query: bool,
    /// Whether its arrays may come as document sequences.
    pub takes_sequences: bool,
    /// Which members of a replica set run it.
    pub runs_on: RunsOn,
}

impl Spec {
    /// A strict command without privileges of its own for whoever is signed in.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            help,
            access: Access::SignedIn,
            admin_only: false,
            write_concern: false,
            read_concern: false,
            is_retryable_write: false,
            api_version_1: false,
            strict: true,
            is_interruptible: true,
            by_op_query: false,
            takes_sequences: false,
            runs_on: RunsOn::AnyMember,
        }
    }
}

/// Which members of a replica set run a command. A standalone runs all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsOn {
    /// Each, whatever its state.
    AnyMember,
    /// Those that are not out of touch for too long, one that was removed from the set among them.
    InTouch,
    /// The primary and every secondary, whatever `$readPreference` says.
    PrimaryOrSecondary,
    /// The primary, and a secondary if `$readPreference` allows one.
    SecondaryIfAsked,
    /// The primary alone.
    Primary,
}

/// Who may call a command before its privileges are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, also before signing in.
    Anyone,
    /// Whoever is signed in, or holds the localhost exception.
    SignedIn,
}

/// A command: its arguments, who may run it, and what it does.
pub trait Command: Arguments + 'static {
    /// Its declaration.
    const SPEC: Spec;

    /// What texts about its fields begin with; mongod has another word than the name for some.
    const ARGUMENTS_NAME: &'static str = Self::SPEC.name;

    /// Decides from the arguments and nothing else whether the caller may go on. The default is
    /// enough for commands whose [`Access`] is the whole rule.
    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let _ = db;
        match Self::SPEC.access {
            Access::Anyone => Ok(authority.pass_for_anybody()),
            Access::SignedIn => authority.require_sign_in(),
        }
    }

    /// Does it. The pass proves that `authorize` was asked.
    fn run(
        self,
        context: &mut Context<'_>,
        pass: Pass,
    ) -> impl Future<Output = Result<Reply, CommandError>> + Send;
}

/// A command's place in the registry.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its declaration.
    pub spec: &'static Spec,
    /// Its fields.
    pub fields: &'static [Field],
    /// Parses a document as its arguments and forgets them: whether it would be taken.
    pub check_arguments: fn(&RawDocument) -> Result<(), CommandError>,
    /// Parses, authorizes and runs it.
    pub execute: for<'a> fn(Context<'a>) -> Running<'a>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Entry")
            .field(&self.spec.name)
            .finish()
    }
}

/// A command at work.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Reply, CommandError>> + Send + 'a>>;

/// The registry's entry for `C`.
pub const fn entry<C: Command>() -> Entry {
    Entry {
        spec: &C::SPEC,
        fields: C::FIELDS,
        check_arguments: |body| {
            C::parse(body, &Path::root(C::ARGUMENTS_NAME), rules::<C>()).map(drop)
        },
        execute: |context| Box::pin(execute::<C>(context)),
    }
}

/// How `C`'s document is read.
pub const fn rules<C: Command>() -> Rules {
    Rules {
        strict: C::SPEC.strict,
        is_command: true,
    }
}
