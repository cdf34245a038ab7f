//! Prints `docs/options.md` from the tables.

use std::fmt::Write;

use super::environment::{PASSWORD_FILE, USERNAME};
use super::options::{OPTIONS, OptionSpec, Takes};
use super::parameters::{PARAMETERS, ParameterSpec, SetAt};

/// The text of `docs/options.md`.
pub fn options_reference() -> String {
    let mut text = String::from(INTRODUCTION);
    let mut group = "";
    for option in OPTIONS {
        if option.group != group {
            group = option.group;
            push(&mut text, format_args!("\n## {group}\n\n{OPTION_HEADER}"));
        }
        push(&mut text, format_args!("{}", option_row(option)));
    }
    push(&mut text, format_args!("\n{PARAMETERS_INTRODUCTION}"));
    for parameter in PARAMETERS {
        push(&mut text, format_args!("{}", parameter_row(parameter)));
    }
    push(&mut text, format_args!("\n{LEFT_OUT}"));
    push(
        &mut text,
        format_args!(
            "\n## Environment\n\n\
             `{USERNAME}` and `{PASSWORD_FILE}`, both or neither: the\n\
             name of an administrator with the role `root` on `admin`, and the file that holds the\n\
             password (UTF-8, at most 4096 bytes, one final newline is not part of it). The user is\n\
             created when there is no user yet. Other variables that begin with\n\
             `PORTCULLIS_INITDB_` are refused.\n"
        ),
    );
    text
}

const INTRODUCTION: &str = "\
# Options

<!-- Printed from src/config; `UPDATE_DOCS=1 cargo test --test config` renews it. -->

Names and meanings are mongod's. What mongod does not have is marked *ours*. The command line wins over
the environment, that over the file given by `--config`, that over the defaults. An option, a key of
the file or a server parameter that is not listed here keeps the server from starting; the message
names the nearest one that exists. No secret is the value of an option, it comes from a file; the one
exception, `milvus.defaultRootPassword`, is hidden wherever options are shown.

Flags without a value are switches: in the file they are `true` or `false`. `--help` and `--version`
print and leave.

Three defaults differ from mongod's: `security.authorization` is `enabled`, `storage.dbPath` is
`portcullis-data` in the current folder, and `net.maxIncomingConnections` is 65536.
";

const OPTION_HEADER: &str = "\
| Command line | File | Accepts | Default | Meaning |
|---|---|---|---|---|
";

const PARAMETERS_INTRODUCTION: &str = "\
## Server parameters

Set with `--setParameter NAME=VALUE` or below `setParameter:` in the file; those marked *runtime* also
with the command `setParameter`.

| Name | Set at | Accepts | Default | Meaning |
|---|---|---|---|---|
";

const LEFT_OUT: &str = "\
mongod's other parameters are unknown here because they would have no effect: `saslHostName`,
`saslServiceName` and `saslauthdPath` (no Kerberos, no LDAP), `userCacheInvalidationIntervalSecs`,
`authorizationManagerCacheSize`, `authorizationManagerPinnedUsers` and its refresh interval (all users
are always in memory), `startupAuthSchemaValidation`, `allowRolesFromX509Certificates`,
`enforceUserClusterSeparation`, `clusterAuthMode`, `tlsMode` (only by option) and
`auditConfigPollingFrequencySecs` (the filter is read once).
";

fn option_row(option: &OptionSpec) -> String {
    let flags = option.flags.iter().map(|flag| {
        let value = match flag.takes {
            Takes::Value(shown) | Takes::Values(shown) => format!(" {shown}"),
            Takes::Nothing(_) | Takes::Repetitions => String::new(),
        };
        let short = flag
            .short
            .map_or_else(String::new, |short| format!("`-{short}`, "));
        format!("{short}`--{}{value}`", flag.long)
    });
    let yaml = match option.flags {
        [flag] if flag.long == option.yaml && flag.short.is_some() => String::new(),
        _ => format!("`{}`", option.yaml),
    };
    format!(
        "| {} | {yaml} | {} | {} | {}{} |\n",
        flags.collect::<Vec<_>>().join(", "),
        option.kind.expectation(),
        code(option.default),
        ours(option.ours),
        option.help
    )
}

fn parameter_row(parameter: &ParameterSpec) -> String {
    let set_at = match parameter.set_at {
        SetAt::Startup => "startup",
        SetAt::StartupAndRuntime => "startup, runtime",
        SetAt::Never => "never",
    };
    format!(
        "| `{}` | {set_at} | {} | {} | {}{} |\n",
        parameter.name,
        parameter.accepts(),
        code(parameter.default),
        ours(parameter.ours),
        parameter.help
    )
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

fn ours(ours: bool) -> &'static str {
    if ours { "*Ours.* " } else { "" }
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(piece);
}
