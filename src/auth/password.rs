//! Preparing passwords, alike for every mechanism that gets to see them.

use stringprep::tables::unassigned_code_point;

use crate::secret::Secret;

/// Why a password cannot be used. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// SASLprep (RFC 4013) forbids it.
    #[error(
        "password cannot be prepared with SASLprep: it has a prohibited or unassigned character, \
         or mixes text of both directions"
    )]
    Unpreparable,
    /// Nothing is left after SASLprep.
    #[error("password is empty after SASLprep")]
    EmptyOncePrepared,
}

/// SASLprep for stored strings: unassigned code points are refused.
pub fn saslprep(password: &Secret<String>) -> Result<Secret<String>, PasswordError> {
    let password = password.expose();
    // Before the mapping too: later Unicode maps some of them to what SASLprep allows.
    if password.chars().any(unassigned_code_point) {
        return Err(PasswordError::Unpreparable);
    }
    let prepared = stringprep::saslprep(password).map_err(|_| PasswordError::Unpreparable)?;
    if prepared.is_empty() {
        return Err(PasswordError::EmptyOncePrepared);
    }
    Ok(Secret::new(prepared.into_owned()))
}
