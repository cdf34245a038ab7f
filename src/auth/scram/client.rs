//! The client's side of SCRAM-SHA-256 (RFC 7677), for programs of ours that sign in at a server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha256;

use super::credential::Sha256Password;
use super::hash::HashFunction;
use super::messages::MESSAGE_BYTES_MAX;
use crate::secret::Secret;

/// Random bytes of a nonce, as drivers send.
const NONCE_BYTES: usize = 24;
/// Fewer rounds than this are refused, as by drivers (RFC 7677 section 4).
const ITERATION_COUNT_MIN: u32 = 4096;
/// More are refused too: the server decides how long a client works.
const ITERATION_COUNT_MAX: u32 = 10_000_000;
/// `n,,` in base64: no channel binding, nobody else's identity.
const CHANNEL_BINDING: &str = "biws";

/// Why a sign-in cannot go on. Who signs in may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// The server's message does not follow RFC 5802 section 7.
    #[error("the server's SCRAM message is malformed: {0}")]
    Malformed(&'static str),
    /// The server asks for another nonce than the client's.
    #[error("the server's nonce does not begin with ours")]
    NonceMismatch,
    /// The server wants too few rounds of hashing, or too many.
    #[error("the server asks for {0} rounds of hashing")]
    IterationCount(u32),
    /// The server does not know the keys of the user.
    #[error("the server cannot prove that it knows the user")]
    ServerProofMismatch,
}

/// A sign-in whose first message is ready.
#[derive(Debug)]
pub struct ClientExchange {
    bare: String,
    nonce: String,
    password: Sha256Password,
}

/// What the server has to answer in the end.
#[derive(Debug)]
pub struct ServerProof(Secret<[u8; 32]>);

impl ClientExchange {
    /// Begins to sign `user` in.
    pub fn start(user: &str, password: Sha256Password) -> Result<Self, ClientError> {
        let mut bytes = [0; NONCE_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| ClientError::NoRandomness)?;
        Ok(Self::with_nonce(user, password, STANDARD.encode(bytes)))
    }

    /// The client's first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// The client's last message, for the server's first one. Slow: as many rounds as the server asks
    /// for.
    pub fn respond(self, server_first: &[u8]) -> Result<(String, ServerProof), ClientError> {
        let server_first = text(server_first)?;
        let mut fields = server_first.splitn(3, ',');
        let nonce = field(fields.next(), "r=", "no nonce")?;
        let salt = field(fields.next(), "s=", "no salt")?;
        let rounds = field(fields.next(), "i=", "no iteration count")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ClientError::NonceMismatch);
        }
        let salt = from_base64(salt, "the salt is no base64")?;
        let rounds = rounds.split(',').next().unwrap_or_default();
        let rounds = rounds
            .parse()
            .map_err(|_| ClientError::Malformed("the iteration count is no number"))?;
        if !(ITERATION_COUNT_MIN..=ITERATION_COUNT_MAX).contains(&rounds) {
            return Err(ClientError::IterationCount(rounds));
        }
        let salted_password = self.password.salted(&salt, rounds);
        let without_proof = format!("c={CHANNEL_BINDING},r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare);
        let client_key = Secret::new(Sha256::hmac(salted_password.expose(), b"Client Key"));
        let stored_key = Sha256::h(client_key.expose());
        let mut proof = Sha256::hmac(&stored_key, signed.as_bytes());
        for (byte, key) in proof.iter_mut().zip(client_key.expose()) {
            *byte ^= key;
        }
        let server_key = Secret::new(Sha256::hmac(salted_password.expose(), b"Server Key"));
        let expected = Sha256::hmac(server_key.expose(), signed.as_bytes());
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((last, ServerProof(Secret::new(expected))))
    }

    fn with_nonce(user: &str, password: Sha256Password, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            bare: format!("n={user},r={nonce}"),
            nonce,
            password,
        }
    }
}

impl ServerProof {
    /// Whether the server's last message shows that it knows the user.
    pub fn check(&self, server_final: &[u8]) -> Result<(), ClientError> {
        let proof = text(server_final)?.split(',').next();
        let proof = field(proof, "v=", "no proof")?;
        let proof = from_base64(proof, "the proof is no base64")?;
        if self.0.matches(&proof) {
            Ok(())
        } else {
            Err(ClientError::ServerProofMismatch)
        }
    }
}

fn text(message: &[u8]) -> Result<&str, ClientError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(ClientError::Malformed("it is too long"));
    }
    std::str::from_utf8(message).map_err(|_| ClientError::Malformed("not UTF-8"))
}

fn field<'a>(
    piece: Option<&'a str>,
    name: &str,
    otherwise: &'static str,
) -> Result<&'a str, ClientError> {
    let value = piece.and_then(|piece| piece.strip_prefix(name));
    value
        .filter(|value| !value.is_empty())
        .ok_or(ClientError::Malformed(otherwise))
}

fn from_base64(text: &str, otherwise: &'static str) -> Result<Vec<u8>, ClientError> {
    STANDARD
        .decode(text)
        .map_err(|_| ClientError::Malformed(otherwise))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The exchange of RFC 7677 section 3.
    fn exchange() -> ClientExchange {
        let password = Sha256Password::prepare(&Secret::new("pencil".into())).unwrap();
        ClientExchange::with_nonce("user", password, CLIENT_NONCE.into())
    }

    #[test]
    fn the_example_of_rfc_7677() {
        let exchange = exchange();
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, proof) = exchange.respond(SERVER_FIRST.as_bytes()).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proof.check(server_final.as_bytes()), Ok(()));
        let other = "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(
            proof.check(other.as_bytes()),
            Err(ClientError::ServerProofMismatch)
        );
        assert!(proof.check(b"e=other-error").is_err());
    }

    #[test]
    fn names_are_escaped_and_nonces_differ() {
        let password = || Sha256Password::prepare(&Secret::new("x".into())).unwrap();
        let one = ClientExchange::start("a=b,c", password()).unwrap();
        let other = ClientExchange::start("a=b,c", password()).unwrap();
        assert!(one.first().starts_with("n,,n=a=3Db=2Cc,r="));
        assert_ne!(one.first(), other.first());
    }

    #[test]
    fn a_server_may_say_anything() {
        let refused = |message: &str| {
            exchange()
                .respond(message.as_bytes())
                .map(drop)
                .unwrap_err()
        };
        let malformed = [
            "",
            ",",
            "r=",
            "m=x",
            "x",
            "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
            "\0",
        ];
        for message in malformed {
            assert!(
                matches!(refused(message), ClientError::Malformed(_)),
                "{message:?}"
            );
        }
        for nonce in [CLIENT_NONCE, "rOprNGfwEbeRWgbNEkqX123"] {
            let message = format!("r={nonce},s=AAAA,i=4096");
            assert_eq!(refused(&message), ClientError::NonceMismatch);
        }
        for rounds in [0, 1, 4095, 10_000_001, u32::MAX] {
            let message = format!("r={CLIENT_NONCE}x,s=AAAA,i={rounds}");
            assert_eq!(refused(&message), ClientError::IterationCount(rounds));
        }
        for rest in ["s=A,i=4096", "s=AAAA,i=-1", "s=AAAA,i=4294967296", "s=AAAA"] {
            let message = format!("r={CLIENT_NONCE}x,{rest}");
            assert!(
                matches!(refused(&message), ClientError::Malformed(_)),
                "{rest}"
            );
        }
        assert!(exchange().respond(&[0xff; 8]).is_err());
        assert!(exchange().respond(&[b'r'; MESSAGE_BYTES_MAX + 1]).is_err());
    }
}
