//! Why a configuration is refused: one sentence each, shown to whoever started the server.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The command line.
    CommandLine,
    /// A line of the configuration file, counted from 1.
    File {
        /// The file as it was named.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// Nowhere: the default applies.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => formatter.write_str("on the command line"),
            Self::File { file, line } => write!(formatter, "in {} line {line}", file.display()),
            Self::Default => formatter.write_str("by default"),
        }
    }
}

/// Why the server cannot start with these options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name nobody knows.
    #[error("unknown option '{name}' {place}{}", did_you_mean(nearest.as_deref()))]
    UnknownOption {
        /// The name as written, `--prot` or `net.prot`.
        name: String,
        /// Where it was written.
        place: Place,
        /// The known name that is most like it.
        nearest: Option<String>,
    },
    /// A server parameter nobody knows.
    #[error("unknown server parameter '{name}' {place}{}", did_you_mean(nearest.as_deref()))]
    UnknownParameter {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Place,
        /// The known name that is most like it.
        nearest: Option<String>,
    },
    /// An option of mongod's that does not exist here.
    #[error("option '{name}' {place} is one of mongod's that Portcullis does not support")]
    NotSupported {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Place,
    },
    /// A value outside of what the option accepts.
    #[error("option '{name}' {place} is {found}; expected {expected}")]
    BadValue {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Place,
        /// The value, quoted, or what kind of thing it is.
        found: String,
        /// What the option accepts.
        expected: String,
    },
    /// Something other than `NAME=VALUE` after `--setParameter`.
    #[error("'{text}' after --setParameter on the command line is not of the form NAME=VALUE")]
    BadSetParameter {
        /// The word as written.
        text: String,
    },
    /// The same option twice in one place.
    #[error("option '{name}' {place} is given twice")]
    Duplicate {
        /// The name as written.
        name: String,
        /// Where it was written.
        place: Place,
    },
    /// Options that exclude each other.
    #[error("options '{first}' and '{second}' exclude each other")]
    Conflict {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// An option without the value it needs, or with one it does not take.
    #[error("option '{name}' on the command line {reason}")]
    FlagValue {
        /// The name as written.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Any other fault of the command line.
    #[error("the command line is not understood: {reason}")]
    CommandLine {
        /// What is wrong.
        reason: String,
    },
    /// A configuration file that is no YAML, or not of the right shape.
    #[error("{} line {line}: {reason}", file.display())]
    Syntax {
        /// The file as it was named.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file that could not be read or is too large.
    #[error("cannot read {}: {reason}", file.display())]
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A fault in the environment.
    #[error("environment variable {name} {reason}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// The candidate that is most like `name`, if any is like it at all: as a whole, else in its last
/// part (`port` for `net.port`).
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.collect();
    let best = |score: &dyn Fn(&str) -> f64, score_min: f64| {
        candidates
            .iter()
            // Of equals the last is taken, which makes it the first of the list.
            .rev()
            .map(|candidate| (score(candidate), *candidate))
            .filter(|(score, _)| *score >= score_min)
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, candidate)| candidate.to_owned())
    };
    best(&|candidate| strsim::jaro_winkler(name, candidate), 0.85).or_else(|| {
        best(
            &|candidate| strsim::jaro_winkler(last_part(name), last_part(candidate)),
            0.9,
        )
    })
}

fn last_part(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}
