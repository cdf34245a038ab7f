//! The environment: only the first administrator comes from there.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use crate::model::names::{DbName, UserName};
use crate::secret::Secret;

use super::FirstAdmin;
use super::error::{ConfigError, nearest};

pub(super) const USERNAME: &str = "PORTCULLIS_INITDB_ROOT_USERNAME";
pub(super) const PASSWORD_FILE: &str = "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE";
/// Only this prefix is ours: orchestrators set `PORTCULLIS_PORT` and the like by themselves.
const PREFIX: &str = "PORTCULLIS_INITDB_";

/// Bytes the password file may have, with its final newline.
const PASSWORD_FILE_BYTES_MAX: usize = 4096;

/// The administrator that the environment names, if it does.
pub(super) fn first_admin(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Option<FirstAdmin>, ConfigError> {
    let mut user = None;
    let mut file = None;
    for (name, value) in environment {
        match name.to_string_lossy().as_ref() {
            USERNAME => user = Some(value),
            PASSWORD_FILE => file = Some(value),
            other if other.starts_with(PREFIX) => {
                let nearest = nearest(other, [PASSWORD_FILE, USERNAME].into_iter());
                let reason = nearest.map_or_else(
                    || "is not known".to_owned(),
                    |nearest| format!("is not known; did you mean {nearest}?"),
                );
                return Err(refuse(other, reason));
            }
            _ => {}
        }
    }
    match (user, file) {
        (None, None) => Ok(None),
        (Some(user), Some(file)) => Ok(Some(FirstAdmin {
            name: user_name(&user)?,
            password: password(Path::new(&file))?,
        })),
        (Some(_), None) => Err(refuse(USERNAME, format!("needs {PASSWORD_FILE} beside it"))),
        (None, Some(_)) => Err(refuse(PASSWORD_FILE, format!("needs {USERNAME} beside it"))),
    }
}

fn user_name(text: &OsString) -> Result<UserName, ConfigError> {
    let Some(text) = text.to_str() else {
        return Err(refuse(USERNAME, "is not UTF-8"));
    };
    UserName::new(text, DbName::ADMIN)
        .map_err(|error| refuse(USERNAME, format!("is no user name: {error}")))
}

fn password(path: &Path) -> Result<Secret<String>, ConfigError> {
    read_password_file(path).map_err(|reason| {
        let file = path.display();
        refuse(PASSWORD_FILE, format!("names {file}, which {reason}"))
    })
}

/// The password in a file, without one final newline; the error says what is wrong with the file.
pub(super) fn read_password_file(path: &Path) -> Result<Secret<String>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    // Full capacity from the start: a growing vector would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSWORD_FILE_BYTES_MAX + 64));
    file.take(PASSWORD_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > PASSWORD_FILE_BYTES_MAX {
        return Err(format!("has more than {PASSWORD_FILE_BYTES_MAX} bytes"));
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        error.into_bytes().zeroize();
        "is not UTF-8".to_owned()
    })?;
    let password = Secret::new(text);
    if password.expose().is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(password)
}

fn refuse(name: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Environment {
        name: name.to_owned(),
        reason: reason.into(),
    }
}
