//! Prints `docs/commands.md` from the registry.

use std::fmt::Write;

use super::arguments::Field;
use super::registry::COMMANDS;
use super::spec::{Access, Entry, RunsOn, Spec};
use super::unserved::{self, Unserved};

/// The text of `docs/commands.md`.
pub fn commands_reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for entry in COMMANDS {
        push(&mut text, format_args!("{}", overview_row(entry.spec)));
    }
    push(&mut text, format_args!("\n{GENERIC_INTRODUCTION}"));
    for (name, meaning) in GENERIC_ARGUMENTS {
        push(&mut text, format_args!("| `{name}` | {meaning} |\n"));
    }
    push(
        &mut text,
        format_args!(
            "| `{}` | {NO_MEANING} |\n",
            GENERIC_WITHOUT_MEANING.join("`, `")
        ),
    );
    for entry in COMMANDS {
        push(&mut text, format_args!("\n{}", section(entry)));
    }
    push(&mut text, format_args!("\n{UNSERVED_INTRODUCTION}"));
    for command in unserved::all() {
        push(&mut text, format_args!("{}", unserved_row(command)));
    }
    let internal = unserved::internal_names().join("`, `");
    push(
        &mut text,
        format_args!("{INTERNAL_INTRODUCTION}`{internal}`\n"),
    );
    text
}

const INTRODUCTION: &str = "\
# Commands

<!-- Printed from src/command; `UPDATE_DOCS=1 cargo test --test meta` renews it. -->

Names, fields, checks and answers are those of MongoDB 8.0, whose manual has a page for each command;
the privileges a command takes are those under \"Required Access\" there, and are written in the
`authorize` of the command's file. Where an answer differs on purpose, [security.md](security.md) says
why. [errors.md](errors.md) lists the error codes.

*Who*: *anyone* may call it before signing in; *signed in* takes a user, or the localhost exception,
and mostly privileges besides. *Writes*: takes a `writeConcern`. *API 1*: part of API version 1, so it
runs with `apiStrict: true`. *OP_QUERY*: may also come by the old `OP_QUERY`, as the handshake of most
drivers does. *Members*: which members of a replica set run it: *all*; those that are *primary or
secondary*, or *removed* from the set besides; a *secondary if asked* by `$readPreference`; the *primary*. A standalone runs everything.

| Command | Also called | Who | Only on `admin` | Members | Writes | API 1 | OP_QUERY |
|---|---|---|---|---|---|---|---|
";

const GENERIC_INTRODUCTION: &str = "\
## Fields of every command

They may stand in any command beside its own fields. Whatever else a command does not know is an error
(40415), unless the command says that it passes over unknown fields.

| Field | Meaning |
|---|---|
";

/// Generic arguments that do something here, and what.
const GENERIC_ARGUMENTS: &[(&str, &str)] = &[
    (
        "$db",
        "The database the command runs on. Required, except by `OP_QUERY`, where the namespace says it.",
    ),
    (
        "writeConcern",
        "How far a write must have come; refused by commands that do not write. On a member of a replica set `w` is a number, `\"majority\"`, a mode of the configuration or tags, and what is not fulfilled stands in the answer as `writeConcernError`. On a standalone `w` is up to 1 or `\"majority\"`. `j: true` unless the engine is in memory. See \"Write concern\" in the manual.",
    ),
    (
        "readConcern",
        "`{level: \"local\"}` or `\"available\"`; for `find`, `aggregate`, `count` and `distinct` also `\"majority\"` and, from a primary, `\"linearizable\"`. Other levels are refused (72). On a member of a replica set `afterClusterTime` waits until a change of that time is applied there.",
    ),
    (
        "maxTimeMS",
        "Milliseconds the command may take, 0 for no limit; beyond it 50, and then nothing was written: a write that is queued is finished.",
    ),
    (
        "$readPreference",
        "On a secondary, any `mode` but `\"primary\"` allows reads (else 13435). Choosing a member by `tags` and `maxStalenessSeconds` is the driver's work.",
    ),
    ("apiVersion", "`\"1\"` or nothing."),
    (
        "apiStrict",
        "`true` refuses commands outside API version 1 (323).",
    ),
    (
        "help",
        "`true` answers what the command does instead of running it.",
    ),
    (
        "lsid",
        "The driver's logical session; checked for its form. Only inserts with a `txnNumber` are kept under it.",
    ),
    (
        "txnNumber",
        "On a member of a replica set, the number under which an `insert` may be repeated; other commands are refused (50768). Refused (20) on a standalone.",
    ),
    (
        "autocommit",
        "Refused (20; 263 or 72 on a member of a replica set): there are no transactions.",
    ),
    ("startTransaction", "Refused, likewise."),
    (
        "$clusterTime",
        "On a member of a replica set, what the client has heard; it must be signed by a member (204, 211). Else without effect.",
    ),
];

const NO_MEANING: &str = "Accepted and without effect.";

/// Generic arguments that are accepted because clients and other servers send them.
const GENERIC_WITHOUT_MEANING: &[&str] = &[
    "comment",
    "apiDeprecationErrors",
    "$clusterTime",
    "$audit",
    "$client",
    "$configServerState",
    "$configTime",
    "$topologyTime",
    "$queryOptions",
    "$oplogQueryData",
    "$replData",
    "$gleStats",
    "$impersonatedUsers",
    "$tenant",
    "databaseVersion",
    "shardVersion",
    "clientOperationKey",
    "coordinator",
    "maxTimeMSOpOnly",
    "mayBypassWriteBlocking",
    "expectPrefix",
    "serialization_context",
    "startOrContinueTransaction",
];

const UNSERVED_INTRODUCTION: &str = "\
## Commands without an engine

mongod knows these; here nothing stands behind them. They are authorized all the same, so that what a
user may do can be tried: 13 for those who may not, 115 for those who may. A name that no server knows
is answered with 59.

An aggregation pipeline takes `find` on its collection unless it begins with a stage that is a source
itself (`$documents`, `$collStats`, `$changeStream` and the like, which take actions of their own);
`find` on each collection that `$lookup`, `$graphLookup` and `$unionWith` read, and what the pipelines
within take; `insert` and `remove` on that of `$out`; `insert`, `update` or both on that of `$merge`,
by its modes. A pipeline that cannot be understood is refused. A secret in a command is not repeated in
a refusal.

| Command | Also called | Only on `admin` | Takes |
|---|---|---|---|
";

const INTERNAL_INTRODUCTION: &str = "
Servers of a cluster send each other these, which take `internal` on the cluster:
";

fn overview_row(spec: &Spec) -> String {
    let yes = |flag: bool| if flag { "yes" } else { "" };
    format!(
        "| [`{name}`](#{anchor}) | {aliases} | {access} | {admin} | {members} | {writes} | {api} | {query} |\n",
        name = spec.name,
        anchor = spec.name.to_lowercase(),
        aliases = code_list(spec.aliases, ""),
        access = match spec.access {
            Access::Anyone => "anyone",
            Access::SignedIn => "signed in",
        },
        admin = yes(spec.admin_only),
        members = match spec.runs_on {
            RunsOn::AnyMember => "all",
            RunsOn::InTouch => "primary, secondary or removed",
            RunsOn::PrimaryOrSecondary => "primary or secondary",
            RunsOn::SecondaryIfAsked => "secondary if asked",
            RunsOn::Primary => "primary",
        },
        writes = yes(spec.write_concern),
        api = yes(spec.api_version_1),
        query = yes(spec.by_op_query),
    )
}

fn unserved_row(command: &Unserved) -> String {
    format!(
        "| `{name}` | {aliases} | {admin} | {takes} |\n",
        name = command.name(),
        aliases = code_list(command.aliases(), ""),
        admin = if command.is_admin_only() { "yes" } else { "" },
        takes = command.requirement_text(),
    )
}

fn section(entry: &Entry) -> String {
    let mut text = format!("## {}\n\n{}\n", entry.spec.name, escape(entry.spec.help));
    if !entry.spec.strict {
        text += "Unknown fields are passed over.\n";
    }
    text += "\n| Field | Types | Required | Meaning |\n|---|---|---|---|\n";
    for field in entry.fields {
        text += &field_row(field);
    }
    text
}

fn field_row(field: &Field) -> String {
    let lines: Vec<_> = field.doc.lines().map(str::trim).collect();
    let secret = if field.sensitive {
        " Never printed or logged."
    } else {
        ""
    };
    format!(
        "| `{}` | {} | {} | {}{secret} |\n",
        field.name,
        code_list(field.types, "any"),
        if field.required { "yes" } else { "" },
        escape(&lines.join(" ")),
    )
}

fn code_list(names: &[&str], none: &str) -> String {
    if names.is_empty() {
        none.to_owned()
    } else {
        format!("`{}`", names.join("`, `"))
    }
}

/// A bar would end the cell of a table.
fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(piece);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::generic::is_generic;

    #[test]
    fn what_is_said_to_be_generic_is() {
        let with_meaning = GENERIC_ARGUMENTS.iter().map(|(name, _)| *name);
        for name in with_meaning.chain(GENERIC_WITHOUT_MEANING.iter().copied()) {
            assert!(is_generic(name), "{name}");
        }
    }

    #[test]
    fn commands_without_an_engine_are_sorted_and_not_served() {
        assert!(unserved::all().is_sorted_by(|left, right| left.name() < right.name()));
        for command in unserved::all() {
            assert!(
                super::super::registry::find(command.name()).is_none(),
                "{}",
                command.name()
            );
        }
    }
}
