//! Why a SCRAM exchange failed.

use super::messages::{MESSAGE_BYTES_MAX, NONCE_BYTES_MAX};

/// Why an exchange failed: for the log only, since a client is told the same text for each.
///
/// Holds nothing that the client sent and no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The message does not follow RFC 5802 section 7; the text says where.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The message is longer than any honest one.
    #[error("SCRAM message exceeds {MESSAGE_BYTES_MAX} bytes")]
    MessageTooLong,
    /// The client's nonce is longer than any honest one.
    #[error("SCRAM client nonce exceeds {NONCE_BYTES_MAX} bytes")]
    NonceTooLong,
    /// The client insists on channel binding (`p=`), which MongoDB does not offer.
    #[error("channel binding wanted but not offered")]
    ChannelBindingWanted,
    /// The client insists on an extension (`m=`); RFC 5802 defines none.
    #[error("mandatory SCRAM extension not supported")]
    ExtensionWanted,
    /// The client asked to act as somebody else (`a=`).
    #[error("authorization identity differs from the user name")]
    AuthorizationIdentityMismatch,
    /// `c=` does not repeat the header of the first message.
    #[error("channel binding data differs from the first message")]
    ChannelBindingMismatch,
    /// `r=` is not the nonce of this exchange.
    #[error("nonce differs from the one of this exchange")]
    NonceMismatch,
    /// The client does not know the password.
    #[error("client proof does not match")]
    ProofMismatch,
    /// There was no credential to begin with: unknown user, or none for this mechanism.
    #[error("no credential for this user and mechanism")]
    Doomed,
}
