//! `portcullis backup` and `portcullis restore`: command lines of their own, since the options of the
//! server mean nothing there. Names are those of mongodump and mongosh.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Start;
use super::command_line::{HELP_COLUMNS_MAX, context, fault};
use super::environment::read_password_file;
use super::error::{ConfigError, Place, nearest};
use crate::model::names::{DbName, UserName};
use crate::secret::Secret;

/// What `portcullis backup` is asked for.
#[derive(Debug)]
pub struct BackupConfig {
    /// The folder to make.
    pub folder: PathBuf,
    /// Host name, address, or path of a Unix domain socket.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the server is made sure of; without it there is no encryption.
    pub tls: Option<BackupTls>,
    /// Who signs in; nobody at a server without authorization.
    pub user: Option<BackupUser>,
}

/// The files for TLS, PEM.
#[derive(Debug)]
pub struct BackupTls {
    /// Authorities of the server's certificate.
    pub ca_file: PathBuf,
    /// The client's own certificate and key.
    pub certificate_key_file: Option<PathBuf>,
}

/// Who signs in.
#[derive(Debug)]
pub struct BackupUser {
    /// Its name and where it is.
    pub name: UserName,
    /// Never empty.
    pub password: Secret<String>,
}

/// What `portcullis restore` is asked for.
#[derive(Debug)]
pub struct RestoreConfig {
    /// A folder that `portcullis backup` made, or a data folder nobody uses.
    pub folder: PathBuf,
    /// The data folder to make.
    pub db_path: PathBuf,
}

/// One option of a tool, for the command line and `docs/options.md`.
pub(super) struct ToolOption {
    pub(super) long: &'static str,
    /// What stands for the value; a switch has none.
    pub(super) shown: Option<&'static str>,
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

/// A word after the program's name, with options of its own.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The help of the one word without an option.
    pub(super) folder: &'static str,
    pub(super) options: &'static [ToolOption],
}

const fn value(
    long: &'static str,
    shown: &'static str,
    default: &'static str,
    help: &'static str,
) -> ToolOption {
    ToolOption {
        long,
        shown: Some(shown),
        default,
        help,
    }
}

pub(super) static TOOLS: [&Tool; 2] = [&BACKUP, &RESTORE];

static BACKUP: Tool = Tool {
    name: "backup",
    about: "Copies users, roles and settings of a running server into a new data folder",
    folder: "The folder to make; it must be empty or not there.",
    options: &[
        value(
            "host",
            "HOST",
            "localhost",
            "Host name or address of the server, or the path of its Unix domain socket.",
        ),
        value("port", "PORT", "27017", "TCP port of the server."),
        ToolOption {
            long: "tls",
            shown: None,
            default: "",
            help: "Encrypt the connection. The server refuses to send a backup to another machine \
                   without, unless allowBackupWithoutTLS is set there.",
        },
        value(
            "tlsCAFile",
            "FILE",
            "",
            "PEM file with the authorities of the server's certificate. Needed with --tls.",
        ),
        value(
            "tlsCertificateKeyFile",
            "FILE",
            "",
            "PEM file with a certificate and its key, for a server that asks clients for one.",
        ),
        value(
            "username",
            "NAME",
            "",
            "Who signs in, by SCRAM-SHA-256. It takes the role backup on admin, or root.",
        ),
        value(
            "authenticationDatabase",
            "DB",
            "admin",
            "Where that user is.",
        ),
        value(
            "passwordFile",
            "FILE",
            "",
            "File with the password, without one final newline; /dev/stdin reads it from a pipe. \
             Needed with --username.",
        ),
    ],
};

static RESTORE: Tool = Tool {
    name: "restore",
    about: "Verifies a copy and makes the data folder of a new server of it",
    folder: "A folder made by backup, or a data folder that no server uses. Nothing is changed in it.",
    options: &[value(
        "dbpath",
        "FOLDER",
        "",
        "The data folder to make; it must be empty or not there.",
    )],
};

const FOLDER: &str = "FOLDER";

/// What the command line asks a tool for; `None` if it is the server's. The first of `args` is the
/// program's name.
pub(super) fn read(args: &[OsString]) -> Result<Option<Start>, ConfigError> {
    let word = args.get(1).and_then(|word| word.to_str());
    let Some(tool) = TOOLS.iter().find(|tool| Some(tool.name) == word) else {
        return Ok(None);
    };
    let matches = match command(tool).try_get_matches_from(args.iter().skip(1)) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Ok(Some(Start::Print(error.render().to_string())));
        }
        Err(error) => return Err(refusal(&error, tool)),
    };
    let given = Given(&matches);
    let start = if tool.name == RESTORE.name {
        Start::Restore(restore(&given)?)
    } else {
        Start::Backup(Box::new(backup(&given)?))
    };
    Ok(Some(start))
}

fn command(tool: &'static Tool) -> Command {
    let options = tool.options.iter().map(|option| {
        let arg = Arg::new(option.long).long(option.long);
        let help = match option.default {
            "" => option.help.to_owned(),
            default => format!("{} [default: {default}]", option.help),
        };
        match option.shown {
            Some(shown) => arg.value_name(shown).help(help),
            None => arg.action(ArgAction::SetTrue).help(help),
        }
    });
    Command::new(tool.name)
        .bin_name(format!("portcullis {}", tool.name))
        .about(tool.about)
        .override_usage(format!("portcullis {} [OPTIONS] {FOLDER}", tool.name))
        .max_term_width(HELP_COLUMNS_MAX)
        .arg(Arg::new(FOLDER).value_name(FOLDER).help(tool.folder))
        .args(options)
}

/// The values of options.
struct Given<'a>(&'a ArgMatches);

impl Given<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get_one::<String>(name).map(String::as_str)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn or_default<'a>(&'a self, name: &str) -> &'a str {
        let option = BACKUP.options.iter().find(|option| option.long == name);
        let default = option.map_or("", |option| option.default);
        self.text(name).unwrap_or(default)
    }

    fn needed(&self, name: &str) -> Result<PathBuf, ConfigError> {
        let path = self.path(name).filter(|path| !path.as_os_str().is_empty());
        path.ok_or_else(|| missing(name))
    }

    fn refuse(&self, name: &str, expected: impl Into<String>) -> ConfigError {
        ConfigError::BadValue {
            name: format!("--{name}"),
            place: Place::CommandLine,
            found: format!("'{}'", self.or_default(name)),
            expected: expected.into(),
        }
    }
}

fn backup(given: &Given<'_>) -> Result<BackupConfig, ConfigError> {
    let port = given.or_default("port").parse().ok();
    let port = port.filter(|port: &u16| *port != 0);
    let host = given.or_default("host");
    if host.is_empty() {
        return Err(given.refuse("host", "a host name, an address or a path"));
    }
    Ok(BackupConfig {
        folder: given.needed(FOLDER)?,
        host: host.to_owned(),
        port: port.ok_or_else(|| given.refuse("port", "an integer from 1 to 65535"))?,
        tls: tls(given)?,
        user: user(given)?,
    })
}

fn tls(given: &Given<'_>) -> Result<Option<BackupTls>, ConfigError> {
    if given.0.get_flag("tls") {
        return Ok(Some(BackupTls {
            ca_file: given.needed("tlsCAFile")?,
            certificate_key_file: given.path("tlsCertificateKeyFile"),
        }));
    }
    let without_use = ["tlsCAFile", "tlsCertificateKeyFile"];
    match without_use
        .into_iter()
        .find(|name| given.text(name).is_some())
    {
        Some(name) => Err(given.refuse(name, "--tls beside it")),
        None => Ok(None),
    }
}

fn user(given: &Given<'_>) -> Result<Option<BackupUser>, ConfigError> {
    let Some(user) = given.text("username") else {
        let without_use = ["authenticationDatabase", "passwordFile"];
        let found = without_use
            .into_iter()
            .find(|name| given.text(name).is_some());
        return match found {
            Some(name) => Err(given.refuse(name, "--username beside it")),
            None => Ok(None),
        };
    };
    let db = DbName::parse(given.or_default("authenticationDatabase"))
        .map_err(|error| given.refuse("authenticationDatabase", format!("a name: {error}")))?;
    let name = UserName::new(user, db)
        .map_err(|error| given.refuse("username", format!("a name: {error}")))?;
    let file = given.needed("passwordFile")?;
    let password = read_password_file(&file)
        .map_err(|reason| given.refuse("passwordFile", format!("a password in it; it {reason}")))?;
    Ok(Some(BackupUser { name, password }))
}

fn restore(given: &Given<'_>) -> Result<RestoreConfig, ConfigError> {
    Ok(RestoreConfig {
        folder: given.needed(FOLDER)?,
        db_path: given.needed("dbpath")?,
    })
}

fn missing(name: &str) -> ConfigError {
    let name = match name {
        FOLDER => FOLDER.to_owned(),
        option => format!("--{option}"),
    };
    ConfigError::CommandLine {
        reason: format!("{name} is missing"),
    }
}

fn refusal(error: &clap::Error, tool: &Tool) -> ConfigError {
    let name = context(error, ContextKind::InvalidArg);
    if error.kind() != ErrorKind::UnknownArgument {
        return fault(error, name);
    }
    let known = tool.options.iter().map(|option| option.long);
    let nearest = nearest(name.trim_start_matches('-'), known);
    ConfigError::UnknownOption {
        name,
        place: Place::CommandLine,
        nearest: nearest.map(|long| format!("--{long}")),
    }
}
