//! The command line, read by clap from the table of options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::error::{ConfigError, Place, nearest};
use super::options::{
    CONFIG, Flag, Kind, OPTIONS, OptionSpec, SET_PARAMETER, Takes, is_mongod_only_flag,
};
use super::settings::{HIDDEN, Setting, Settings};

/// Columns of the help where the terminal is wider.
const HELP_COLUMNS_MAX: usize = 100;

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum CommandLine {
    /// Start with these settings.
    Run {
        settings: Settings,
        config_file: Option<PathBuf>,
    },
    /// Only print the help or the version.
    Print(String),
}

/// Reads the command line; the first of `args` is the program's name.
pub(super) fn read(args: &[OsString]) -> Result<CommandLine, ConfigError> {
    match command().try_get_matches_from(args) {
        Ok(matches) => run(&matches),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(CommandLine::Print(error.render().to_string()))
            }
            _ => Err(refusal(&error)),
        },
    }
}

/// The words of a command line with what follows an option for a secret hidden.
pub(super) fn without_secrets(words: Vec<String>) -> Vec<String> {
    let secrets = OPTIONS.iter().filter(|option| option.kind == Kind::Secret);
    let flags = secrets.flat_map(|option| option.flags);
    let flags: Vec<_> = flags.map(|flag| format!("--{}", flag.long)).collect();
    let mut is_next = false;
    let hide = |word: String| {
        if std::mem::take(&mut is_next) {
            return HIDDEN.to_owned();
        }
        is_next = flags.contains(&word);
        match word.split_once('=') {
            Some((flag, _)) if flags.iter().any(|secret| secret == flag) => {
                format!("{flag}={HIDDEN}")
            }
            _ => word,
        }
    };
    words.into_iter().map(hide).collect()
}

fn command() -> Command {
    let args = OPTIONS.iter().flat_map(|option| {
        let flags = option.flags.iter();
        flags.map(|flag| argument(option, flag))
    });
    Command::new("portcullis")
        .version(concat!(
            env!("CARGO_PKG_VERSION"),
            " (MongoDB 8.0 wire protocol)"
        ))
        .about("A MongoDB-wire-protocol server for users, roles and sign-in")
        .after_help("Every option is described in docs/options.md.")
        .max_term_width(HELP_COLUMNS_MAX)
        .args(args)
}

fn argument(option: &'static OptionSpec, flag: &'static Flag) -> Arg {
    let arg = Arg::new(flag.long)
        .long(flag.long)
        .short(flag.short)
        .help(flag_help(option, flag))
        .help_heading(option.group);
    let arg = match flag.takes {
        Takes::Value(shown) => arg.value_name(shown).allow_negative_numbers(true),
        Takes::Values(shown) => arg.value_name(shown).action(ArgAction::Append),
        Takes::Nothing(_) => arg.action(ArgAction::SetTrue),
        Takes::Repetitions => arg.action(ArgAction::Count),
    };
    let others = option.flags.iter().filter(|other| other.long != flag.long);
    arg.conflicts_with_all(others.map(|other| other.long))
}

/// The flag's help, with the default where there is one to replace.
fn flag_help(option: &OptionSpec, flag: &Flag) -> String {
    match flag.takes {
        Takes::Nothing(_) if !flag.help.is_empty() => flag.help.to_owned(),
        Takes::Value(_) if !option.default.is_empty() => {
            format!("{} [default: {}]", option.help, option.default)
        }
        _ => option.help.to_owned(),
    }
}

fn run(matches: &ArgMatches) -> Result<CommandLine, ConfigError> {
    let mut settings = Settings::default();
    for option in OPTIONS {
        for flag in option.flags {
            if let Some(text) = flag_value(matches, flag) {
                let setting = Setting {
                    name: format!("--{}", flag.long),
                    text,
                    place: Place::CommandLine,
                };
                settings.set_option(option, setting);
            }
        }
    }
    let parameters = matches.get_many::<String>(SET_PARAMETER.yaml);
    for text in parameters.into_iter().flatten() {
        set_parameter(&mut settings, text)?;
    }
    let config_file = settings.text(&CONFIG)?.map(PathBuf::from);
    Ok(CommandLine::Run {
        settings,
        config_file,
    })
}

fn flag_value(matches: &ArgMatches, flag: &Flag) -> Option<String> {
    match flag.takes {
        Takes::Value(_) => matches.get_one::<String>(flag.long).cloned(),
        Takes::Values(_) => None,
        Takes::Nothing(value) => matches.get_flag(flag.long).then(|| value.to_owned()),
        Takes::Repetitions => {
            let count = matches.get_count(flag.long);
            (count > 0).then(|| count.to_string())
        }
    }
}

fn set_parameter(settings: &mut Settings, text: &str) -> Result<(), ConfigError> {
    let Some((name, value)) = text.split_once('=') else {
        let text = text.to_owned();
        return Err(ConfigError::BadSetParameter { text });
    };
    let setting = Setting {
        name: name.to_owned(),
        text: value.to_owned(),
        place: Place::CommandLine,
    };
    if settings.set_parameter(name, setting) {
        Ok(())
    } else {
        Err(ConfigError::Duplicate {
            name: name.to_owned(),
            place: Place::CommandLine,
        })
    }
}

/// One sentence of ours for clap's paragraph.
fn refusal(error: &clap::Error) -> ConfigError {
    let name = context(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(name),
        ErrorKind::ArgumentConflict => {
            let prior = context(error, ContextKind::PriorArg);
            if prior == name {
                let place = Place::CommandLine;
                ConfigError::Duplicate { name, place }
            } else {
                ConfigError::Conflict {
                    first: prior,
                    second: name,
                }
            }
        }
        ErrorKind::InvalidValue => ConfigError::FlagValue {
            name,
            reason: "needs a value",
        },
        ErrorKind::TooManyValues => ConfigError::FlagValue {
            name,
            reason: "takes no value",
        },
        ErrorKind::InvalidUtf8 => ConfigError::CommandLine {
            reason: "a word is not UTF-8".to_owned(),
        },
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            ConfigError::CommandLine {
                reason: line.trim_start_matches("error: ").to_owned(),
            }
        }
    }
}

fn unknown(name: String) -> ConfigError {
    let place = Place::CommandLine;
    let long = name.trim_start_matches('-');
    if is_mongod_only_flag(long) {
        return ConfigError::NotSupported { name, place };
    }
    let flags = OPTIONS.iter().flat_map(|option| option.flags);
    let nearest = nearest(long, flags.map(|flag| flag.long));
    ConfigError::UnknownOption {
        name,
        place,
        nearest: nearest.map(|long| format!("--{long}")),
    }
}

/// The flag that clap talks about, without the name of its value.
fn context(error: &clap::Error, kind: ContextKind) -> String {
    let text = match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", String::as_str),
        _ => "",
    };
    text.split([' ', '=']).next().unwrap_or_default().to_owned()
}
