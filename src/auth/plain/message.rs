//! The client's only message (RFC 4616 section 2): `[authzid] NUL authcid NUL passwd`.

use crate::secret::Secret;

/// Longest message in bytes, name and password together.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Who the client says it is, and its password.
#[derive(Debug)]
pub struct ClientMessage {
    /// The user's name without its database; not empty.
    pub user: String,
    /// The password as sent; not empty.
    pub password: Secret<String>,
}

/// Why a message is none: for the log only. Holds nothing that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// Longer than any honest one.
    #[error("PLAIN message exceeds {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("PLAIN message is not UTF-8")]
    NotUtf8,
    /// Not three parts.
    #[error("PLAIN message has not the two NULs between its parts")]
    Malformed,
    /// The client asked to act as somebody else.
    #[error("authorization identity differs from the user name")]
    AuthorizationIdentityMismatch,
    /// No name.
    #[error("PLAIN message has no user name")]
    NoUser,
    /// No password.
    #[error("PLAIN message has no password")]
    NoPassword,
}

impl ClientMessage {
    /// Takes the message apart.
    pub fn parse(payload: &[u8]) -> Result<Self, PlainError> {
        if payload.len() > MESSAGE_BYTES_MAX {
            return Err(PlainError::TooLong);
        }
        let text = std::str::from_utf8(payload).map_err(|_| PlainError::NotUtf8)?;
        let mut parts = text.split('\0');
        let (Some(identity), Some(user), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PlainError::Malformed);
        };
        if user.is_empty() {
            return Err(PlainError::NoUser);
        }
        if !identity.is_empty() && identity != user {
            return Err(PlainError::AuthorizationIdentityMismatch);
        }
        if password.is_empty() {
            return Err(PlainError::NoPassword);
        }
        Ok(Self {
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_three_parts() {
        for good in [&b"\0ann\0secret"[..], b"ann\0ann\0secret"] {
            let message = ClientMessage::parse(good).unwrap();
            assert_eq!(message.user, "ann");
            assert!(message.password.matches(b"secret"));
            assert!(!format!("{message:?}").contains("secret"));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = [&b"\0ann\0"[..], &vec![b'x'; MESSAGE_BYTES_MAX]].concat();
        let cases = [
            (&b""[..], PlainError::Malformed),
            (b"ann\0secret", PlainError::Malformed),
            (b"\0ann\0secret\0", PlainError::Malformed),
            (b"\0ann\0sec\0ret", PlainError::Malformed),
            (b"\0\0secret", PlainError::NoUser),
            (b"ann\0\0secret", PlainError::NoUser),
            (
                b"bob\0ann\0secret",
                PlainError::AuthorizationIdentityMismatch,
            ),
            (b"\0ann\0", PlainError::NoPassword),
            (b"\0ann\0sec\xffret", PlainError::NotUtf8),
            (&long, PlainError::TooLong),
        ];
        for (payload, expected) in cases {
            assert_eq!(ClientMessage::parse(payload).unwrap_err(), expected);
        }
    }
}
