//! Why files cannot be used.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A file that cannot be used, or that does not go with the others. Its text names the option, the
/// file and the reason and is for the operator; it never repeats what is in the file.
#[derive(Debug, thiserror::Error)]
#[error("{option}{}: {reason}", named(file))]
pub struct TlsError {
    option: &'static str,
    /// Empty where no file is to blame.
    file: PathBuf,
    reason: String,
}

impl TlsError {
    /// The option that names the file.
    pub fn option(&self) -> &'static str {
        self.option
    }

    pub(super) fn new(option: &'static str, file: &Path, reason: impl Display) -> Self {
        Self {
            option,
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The system gave no thread, or the like.
    pub(super) fn system(reason: &dyn Display) -> Self {
        Self::new("net.tls", Path::new(""), reason)
    }
}

fn named(file: &Path) -> String {
    if file.as_os_str().is_empty() {
        String::new()
    } else {
        format!(" {}", file.display())
    }
}
