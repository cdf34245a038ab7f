//! SCRAM: a client's two messages against the server's side.
//!
//! An exchange succeeds if, and only if, the final message carries the proof of the client's key for
//! this very exchange, as judged here by RFC 5802 without the server's code. Nothing succeeds for
//! a user who is not there.
//!
//! Input: `arbitrary`'s encoding of [`Exchange`]. The server's nonce is random, so a reproducer has
//! the same messages but for that.

#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use portcullis::auth::scram::{ClientFirst, Keys, MESSAGE_BYTES_MAX, ScramMechanism, ServerNonce};
use portcullis::model::names::{DbName, UserName};
use portcullis::model::user::{ScramSha1Credential, ScramSha256Credential};
use portcullis::secret::Secret;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// What the client does.
#[derive(Arbitrary, Debug)]
struct Exchange<'a> {
    sha_256: bool,
    /// There is no such user.
    doomed: bool,
    client_key: [u8; 32],
    first: First<'a>,
    last: Last<'a>,
}

#[derive(Arbitrary, Debug)]
enum First<'a> {
    Raw(&'a [u8]),
    Formed {
        flag: Flag,
        authzid: Option<&'a str>,
        name: &'a str,
        nonce: Nonce<'a>,
        tail: Option<&'a str>,
    },
}

#[derive(Arbitrary, Debug)]
enum Flag {
    No,
    Unused,
    Required,
}

#[derive(Arbitrary, Debug)]
enum Nonce<'a> {
    Usual,
    Raw(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Last<'a> {
    Raw(&'a [u8]),
    Formed {
        channel_binding: Part<'a>,
        nonce: Part<'a>,
        tail: Option<&'a str>,
        proof: Part<'a>,
        /// Places in the finished message and what is written there.
        edits: Vec<(u16, u8)>,
        cut: Option<u16>,
    },
}

/// A part of the final message: what it should be, or something else.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Right,
    Flipped(u16),
    Shortened(u8),
    With(&'a str),
    Raw(&'a str),
}

fuzz_target!(|exchange: Exchange<'_>| {
    let payload = exchange.first.payload();
    let first = match ClientFirst::parse(&payload) {
        Ok(first) => first,
        Err(_) => {
            assert!(
                !exchange.first.is_honest(),
                "{:?} is refused",
                exchange.first
            );
            return;
        }
    };
    exchange.first.check_name(first.user());
    let keys = exchange.keys(&first);
    let nonce = ServerNonce::random().expect("random bytes");
    let (server_first, awaiting) = first.respond(keys, &nonce);

    let judge = Judge::new(&exchange, &payload, &server_first);
    let last = exchange.last.payload(&judge);
    let expected = judge.answer(&last).filter(|_| !exchange.doomed);
    match awaiting.finish(&last) {
        Ok(server_final) => assert_eq!(Some(server_final), expected, "signed in without the proof"),
        Err(reason) => assert!(expected.is_none(), "the right proof is refused: {reason}"),
    }
});

impl Exchange<'_> {
    fn keys(&self, first: &ClientFirst) -> Keys {
        let mechanism = if self.sha_256 {
            ScramMechanism::Sha256
        } else {
            ScramMechanism::Sha1
        };
        if self.doomed {
            let user = UserName::new(first.user(), DbName::ADMIN).expect("a valid user name");
            return Keys::doomed(mechanism, &Secret::new([7; 32]), &user, 15_000);
        }
        if self.sha_256 {
            Keys::from(&ScramSha256Credential {
                iteration_count: 15_000,
                salt: [1; 28],
                stored_key: Sha256::digest(self.client_key).into(),
                server_key: [2; 32],
            })
        } else {
            Keys::from(&ScramSha1Credential {
                iteration_count: 10_000,
                salt: [1; 16],
                stored_key: Sha1::digest(&self.client_key[..20]).into(),
                server_key: [2; 20],
            })
        }
    }
}

impl First<'_> {
    fn payload(&self) -> Vec<u8> {
        let (flag, authzid, name, nonce, tail) = match self {
            Self::Raw(bytes) => return bytes.to_vec(),
            Self::Formed {
                flag,
                authzid,
                name,
                nonce,
                tail,
            } => (flag, authzid, name, nonce, tail),
        };
        let flag = match flag {
            Flag::No => "n",
            Flag::Unused => "y",
            Flag::Required => "p=tls-unique",
        };
        let authzid = authzid.map_or_else(String::new, |name| format!("a={}", encoded(name)));
        let nonce = match nonce {
            Nonce::Usual => "fyko+d2lbbFgONRv9qkxdawL",
            Nonce::Raw(text) => text,
        };
        let tail = tail.map_or_else(String::new, |tail| format!(",{tail}"));
        format!("{flag},{authzid},n={},r={nonce}{tail}", encoded(name)).into_bytes()
    }

    /// A message that no server may refuse.
    fn is_honest(&self) -> bool {
        match self {
            Self::Formed {
                flag: Flag::No | Flag::Unused,
                authzid,
                name,
                nonce: Nonce::Usual,
                tail,
            } => {
                let is_name = !name.is_empty() && !name.contains('\0');
                let is_self = authzid.is_none_or(|authzid| authzid == *name);
                is_name && is_self && tail.is_none() && self.payload().len() <= MESSAGE_BYTES_MAX
            }
            _ => false,
        }
    }

    fn check_name(&self, found: &str) {
        assert!(!found.is_empty() && !found.contains('\0'));
        if let Self::Formed { name, .. } = self {
            assert_eq!(found, *name);
        }
    }
}

fn encoded(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

impl Last<'_> {
    fn payload(&self, judge: &Judge) -> Vec<u8> {
        let (channel_binding, nonce, tail, proof, edits, cut) = match self {
            Self::Raw(bytes) => return bytes.to_vec(),
            Self::Formed {
                channel_binding,
                nonce,
                tail,
                proof,
                edits,
                cut,
            } => (channel_binding, nonce, tail, proof, edits, cut),
        };
        let tail = tail.map_or_else(String::new, |tail| format!(",{tail}"));
        let channel_binding = channel_binding.of(judge.channel_binding.as_bytes());
        let nonce = nonce.of(judge.nonce.as_bytes());
        let without_proof = [b"c=", &channel_binding[..], b",r=", &nonce, tail.as_bytes()].concat();
        let right = match proof {
            // Flips bits of the proof itself, not of its base64.
            Part::Flipped(_) => proof.of(&judge.proof(&without_proof)),
            _ => judge.proof(&without_proof),
        };
        let right = STANDARD.encode(right).into_bytes();
        let proof = if let Part::Flipped(_) = proof {
            right
        } else {
            proof.of(&right)
        };
        let mut message = [&without_proof[..], b",p=", &proof].concat();
        for (place, byte) in edits {
            let place = usize::from(*place) % message.len();
            message[place] = *byte;
        }
        if let Some(cut) = cut {
            message.truncate(usize::from(*cut));
        }
        message
    }
}

impl Part<'_> {
    fn of(&self, right: &[u8]) -> Vec<u8> {
        let mut part = right.to_vec();
        match self {
            Self::Right => {}
            Self::Flipped(bit) => {
                let bit = usize::from(*bit) % (8 * part.len()).max(1);
                if let Some(byte) = part.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Shortened(by) => part.truncate(part.len().saturating_sub(usize::from(*by))),
            Self::With(tail) => part.extend(tail.as_bytes()),
            Self::Raw(text) => part = text.as_bytes().to_vec(),
        }
        part
    }
}

/// RFC 5802 sections 3 and 5 once more, from the client's side.
struct Judge {
    sha_256: bool,
    client_key: Vec<u8>,
    /// What `c=` must be.
    channel_binding: String,
    /// What `r=` must be.
    nonce: String,
    /// `AuthMessage` up to the final message.
    said: Vec<u8>,
}

impl Judge {
    /// `payload` is a first message that was accepted.
    fn new(exchange: &Exchange<'_>, payload: &[u8], server_first: &[u8]) -> Self {
        // The header ends with the second comma.
        let commas = payload
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b',');
        let bare_at = commas.map(|(place, _)| place).nth(1).expect("two commas") + 1;
        let bare = &payload[bare_at..];
        let text = std::str::from_utf8(server_first).expect("text");
        let nonce = text
            .strip_prefix("r=")
            .and_then(|rest| rest.split(',').next());
        let key_bytes = if exchange.sha_256 { 32 } else { 20 };
        Self {
            sha_256: exchange.sha_256,
            client_key: exchange.client_key[..key_bytes].to_vec(),
            channel_binding: STANDARD.encode(&payload[..bare_at]),
            nonce: nonce.expect("a nonce").to_owned(),
            said: [bare, b",", server_first, b","].concat(),
        }
    }

    /// `ClientProof` for a final message that begins so.
    fn proof(&self, without_proof: &[u8]) -> Vec<u8> {
        let stored_key = if self.sha_256 {
            Sha256::digest(&self.client_key).to_vec()
        } else {
            Sha1::digest(&self.client_key).to_vec()
        };
        let signature = self.hmac(&stored_key, without_proof);
        self.client_key
            .iter()
            .zip(signature)
            .map(|(key, byte)| key ^ byte)
            .collect()
    }

    /// The server's final message, if this one deserves it.
    fn answer(&self, last: &[u8]) -> Option<Vec<u8>> {
        if last.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(last).ok()?;
        let proof_at = text.rfind(",p=")?;
        let (without_proof, proof) = (&text[..proof_at], &text[proof_at + 3..]);
        let start = format!("c={},r={}", self.channel_binding, self.nonce);
        let tail = without_proof.strip_prefix(&start)?;
        if !tail.is_empty() && !tail.starts_with(',') {
            return None;
        }
        if proof != STANDARD.encode(self.proof(without_proof.as_bytes())) {
            return None;
        }
        let server_key = vec![2; self.client_key.len()];
        let signature = STANDARD.encode(self.hmac(&server_key, without_proof.as_bytes()));
        Some(format!("v={signature}").into_bytes())
    }

    fn hmac(&self, key: &[u8], without_proof: &[u8]) -> Vec<u8> {
        let message = [&self.said[..], without_proof].concat();
        if self.sha_256 {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
            mac.chain_update(message).finalize().into_bytes().to_vec()
        } else {
            let mac = Hmac::<Sha1>::new_from_slice(key).expect("any key");
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }
    }
}
