//! The server's two steps of an exchange (RFC 5802 section 5).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::ScramError;
use super::hash::HashFunction;
use super::keys::{KeyPair, Keys, StoredKeys};
use super::messages::{ClientFinal, ClientFirst};

/// Random bytes in the server's part of the nonce, as many as a mongod uses.
const SERVER_NONCE_BYTES: usize = 24;

/// The server's part of the nonce. Use each one once.
#[derive(Debug)]
pub struct ServerNonce(String);

impl ServerNonce {
    /// A fresh one from the operating system: 24 bytes, 32 characters of base64.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; SERVER_NONCE_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(STANDARD.encode(bytes)))
    }

    /// The nonce of a recorded exchange.
    #[cfg(test)]
    pub(super) fn recorded(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl ClientFirst {
    /// Gives the server's first message, `r=<nonce>,s=<salt>,i=<iteration count>`, and the state
    /// that waits for the client's final one.
    pub fn respond(self, keys: Keys, server_nonce: &ServerNonce) -> (Vec<u8>, AwaitingFinal) {
        let nonce = format!("{}{}", self.nonce, server_nonce.0);
        let server_first = format!(
            "r={nonce},s={salt},i={iteration_count}",
            salt = STANDARD.encode(&keys.salt),
            iteration_count = keys.iteration_count,
        );
        let awaiting = AwaitingFinal {
            channel_binding: STANDARD.encode(&self.gs2_header).into_boxed_str(),
            // Without room to grow: it is kept until the client speaks again.
            auth_message: [&*self.bare, &*server_first, ""].join(",").into_boxed_str(),
            nonce: nonce.into_boxed_str(),
            keys,
        };
        (server_first.into_bytes(), awaiting)
    }
}

/// An exchange whose client has been sent salt and nonce, and owes its proof.
pub struct AwaitingFinal {
    /// What `c=` has to be: base64 of the first message's header.
    channel_binding: Box<str>,
    /// What `r=` has to be.
    nonce: Box<str>,
    /// `AuthMessage` up to the client's final message.
    auth_message: Box<str>,
    keys: Keys,
}

impl AwaitingFinal {
    /// Bytes of the client's, and of what answers it, that wait for its final message.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.channel_binding.len() + self.nonce.len() + self.auth_message.len()
    }

    /// Checks the client's final message and gives the server's, `v=<server signature>`.
    ///
    /// Success means that the client knows the password. A failure is final.
    pub fn finish(self, payload: &[u8]) -> Result<Vec<u8>, ScramError> {
        let last = ClientFinal::parse(payload)?;
        if !same(last.channel_binding, &self.channel_binding) {
            return Err(ScramError::ChannelBindingMismatch);
        }
        if !same(last.nonce, &self.nonce) {
            return Err(ScramError::NonceMismatch);
        }
        let auth_message = [&*self.auth_message, last.without_proof].concat();
        let (auth_message, doomed) = (auth_message.as_bytes(), self.keys.doomed);
        match &self.keys.pair {
            KeyPair::Sha1(keys) => server_final::<Sha1, 20>(keys, auth_message, last.proof, doomed),
            KeyPair::Sha256(keys) => {
                server_final::<Sha256, 32>(keys, auth_message, last.proof, doomed)
            }
        }
    }
}

impl fmt::Debug for AwaitingFinal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AwaitingFinal")
    }
}

fn server_final<Hash: HashFunction<KEY>, const KEY: usize>(
    keys: &StoredKeys<KEY>,
    auth_message: &[u8],
    proof: &str,
    doomed: bool,
) -> Result<Vec<u8>, ScramError> {
    let mut client_key = decode_proof::<KEY>(proof)?;
    let client_signature = Hash::hmac(keys.stored_key.expose(), auth_message);
    for (byte, signature) in client_key.iter_mut().zip(client_signature) {
        *byte ^= signature;
    }
    let proven = keys.stored_key.matches(&Hash::h(&*client_key));
    // After the comparison, so that a doomed exchange takes as long as one with a wrong password.
    if doomed {
        return Err(ScramError::Doomed);
    }
    if !proven {
        return Err(ScramError::ProofMismatch);
    }
    let server_signature = Hash::hmac(keys.server_key.expose(), auth_message);
    Ok(format!("v={}", STANDARD.encode(server_signature)).into_bytes())
}

fn decode_proof<const KEY: usize>(proof: &str) -> Result<Zeroizing<[u8; KEY]>, ScramError> {
    let malformed = ScramError::Malformed("proof not base64");
    let bytes = Zeroizing::new(STANDARD.decode(proof).map_err(|_| malformed)?);
    <[u8; KEY]>::try_from(bytes.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| ScramError::Malformed("proof of the wrong length"))
}

/// In time that does not depend on where two texts of one length differ.
fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}
