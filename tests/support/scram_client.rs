//! A SCRAM client that shows its work (RFC 5802): for both mechanisms, in single steps, with every
//! secret in reach. It shares no code with the server.

use bson::{Bson, Document, doc};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{RawClient, binary, checked};

/// Both names, strongest last.
pub const MECHANISMS: [&str; 2] = ["SCRAM-SHA-1", "SCRAM-SHA-256"];

/// The client's side of one exchange.
pub struct Exchange {
    is_sha_1: bool,
    /// What PBKDF2 gets: the digest for SCRAM-SHA-1, else the password, which must be prepared.
    pub secret: String,
    bare: String,
    nonce: String,
}

/// The client's last message, and what it came from.
pub struct Final {
    pub message: String,
    /// What the server must answer.
    pub answer: String,
    pub salted_password: Vec<u8>,
    pub client_key: Vec<u8>,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
    pub proof: String,
    pub salt: String,
    pub iterations: u32,
}

impl Exchange {
    pub fn new(mechanism: &str, user: &str, password: &str) -> Self {
        let is_sha_1 = mechanism == "SCRAM-SHA-1";
        let secret = if is_sha_1 {
            password_digest(user, password)
        } else {
            password.to_owned()
        };
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Self {
            is_sha_1,
            secret,
            bare: format!("n={name},r={nonce}"),
            nonce,
        }
    }

    pub fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers the server's first message, which must be well-formed.
    pub fn last(&self, server_first: &str) -> Final {
        let fields: Vec<_> = server_first.split(',').collect();
        let [nonce, salt, iterations] = fields.as_slice() else {
            panic!("{server_first}")
        };
        let nonce = nonce.strip_prefix("r=").unwrap();
        assert!(
            nonce.starts_with(&self.nonce) && nonce.len() == self.nonce.len() + 32,
            "{nonce}"
        );
        let salt = salt.strip_prefix("s=").unwrap();
        let iterations: u32 = iterations.strip_prefix("i=").unwrap().parse().unwrap();
        let salted_password = self.hi(&from_base64(salt), iterations);
        let client_key = self.hmac(&salted_password, b"Client Key");
        let server_key = self.hmac(&salted_password, b"Server Key");
        let stored_key = self.hash(&client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.bare);
        let signature = self.hmac(&stored_key, auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(k, s)| k ^ s)
            .collect();
        let proof = to_base64(&proof);
        let answer = to_base64(&self.hmac(&server_key, auth_message.as_bytes()));
        Final {
            message: format!("{without_proof},p={proof}"),
            answer: format!("v={answer}"),
            salted_password,
            client_key,
            stored_key,
            server_key,
            proof,
            salt: salt.to_owned(),
            iterations,
        }
    }

    fn hi(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        if self.is_sha_1 {
            pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(self.secret.as_bytes(), salt, iterations).to_vec()
        } else {
            pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(self.secret.as_bytes(), salt, iterations)
                .to_vec()
        }
    }

    fn hmac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        if self.is_sha_1 {
            let mac = Hmac::<Sha1>::new_from_slice(key)
                .unwrap()
                .chain_update(message);
            mac.finalize().into_bytes().to_vec()
        } else {
            let mac = Hmac::<Sha256>::new_from_slice(key)
                .unwrap()
                .chain_update(message);
            mac.finalize().into_bytes().to_vec()
        }
    }

    fn hash(&self, bytes: &[u8]) -> Vec<u8> {
        if self.is_sha_1 {
            Sha1::digest(bytes).to_vec()
        } else {
            Sha256::digest(bytes).to_vec()
        }
    }
}

/// Lower-case hex MD5 of `user:mongo:password`.
pub fn password_digest(user: &str, password: &str) -> String {
    hex(&Md5::digest(format!("{user}:mongo:{password}")))
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

pub fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub fn from_base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

/// A payload as text, whichever of its two forms it came in.
pub fn payload(reply: &Document) -> String {
    let bytes = match reply.get("payload").unwrap() {
        Bson::Binary(binary) => binary.bytes.clone(),
        Bson::String(text) => from_base64(text),
        other => panic!("{other}"),
    };
    String::from_utf8(bytes).unwrap()
}

impl RawClient {
    /// `saslStart` as drivers send it, without the empty third message.
    pub fn sasl_start(&mut self, db: &str, mechanism: &str, payload: &str) -> Document {
        self.run(
            db,
            doc! {
                "saslStart": 1, "mechanism": mechanism, "payload": binary(payload.as_bytes()),
                "autoAuthorize": 1, "options": { "skipEmptyExchange": true },
            },
        )
    }

    pub fn sasl_continue(&mut self, db: &str, payload: &str) -> Document {
        let payload = binary(payload.as_bytes());
        self.run(
            db,
            doc! { "saslContinue": 1, "conversationId": 1, "payload": payload },
        )
    }

    /// Signs in by either mechanism; the server's reply if it refuses.
    pub fn sign_in_by(
        &mut self,
        mechanism: &str,
        db: &str,
        user: &str,
        password: &str,
    ) -> Result<(), Document> {
        let exchange = Exchange::new(mechanism, user, password);
        let started = checked(self.sasl_start(db, mechanism, &exchange.first()))?;
        let last = exchange.last(&payload(&started));
        let continued = checked(self.sasl_continue(db, &last.message))?;
        assert_eq!(payload(&continued), last.answer);
        assert!(continued.get_bool("done").unwrap());
        Ok(())
    }

    /// The user of this connection as `user@db`, if somebody is signed in.
    pub fn signed_in_user(&mut self) -> Option<String> {
        let status = self.run("admin", doc! { "connectionStatus": 1 });
        let info = status.get_document("authInfo").unwrap();
        let user = info
            .get_array("authenticatedUsers")
            .unwrap()
            .first()?
            .as_document()?
            .clone();
        Some(format!(
            "{}@{}",
            user.get_str("user").unwrap(),
            user.get_str("db").unwrap()
        ))
    }
}
