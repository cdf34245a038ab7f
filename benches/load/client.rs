//! A client that costs little: frames are built beforehand and replies are looked at only as far as
//! needed to know that they are right.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::raw::{RawDocument, RawDocumentBuf};
use bson::spec::BinarySubtype;
use bson::{Binary, Document, RawBsonRef, doc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::echo::frame_length;

/// The administrator of every server that is measured.
pub const ADMIN: &str = "admin";
/// Its password, and that of all other users.
pub const PASSWORD: &str = "correct horse battery staple";

const OP_MSG: i32 = 2013;
/// Header, flags and the kind of the only section.
const BODY_START: usize = 16 + 4 + 1;
/// How every successful reply ends: `ok: 1.0` and the end of the document.
const OK: &[u8] = b"\x01ok\0\0\0\0\0\0\0\xf0\x3f\0";

/// One connection.
pub struct Connection {
    stream: TcpStream,
    reply: Vec<u8>,
}

impl Connection {
    /// Connects and sends nothing.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            reply: Vec::with_capacity(1024),
        })
    }

    /// Connects and signs in.
    pub async fn signed_in(address: SocketAddr, sign_in: &SignIn) -> io::Result<Self> {
        let mut connection = Self::open(address).await?;
        sign_in.run(&mut connection).await?;
        Ok(connection)
    }

    /// Sends a frame and waits for the reply, which must be a success.
    pub async fn call(&mut self, frame: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(frame).await?;
        self.reply.clear();
        while frame_length(&self.reply).is_none() {
            if self.stream.read_buf(&mut self.reply).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // Members of a replica set say something after it.
        let is_ok = |body: &RawDocument| body.get_f64("ok").is_ok_and(|ok| ok > 0.0);
        if self.reply.ends_with(OK) || body(&self.reply).is_ok_and(is_ok) {
            Ok(&self.reply)
        } else {
            let shown = body(&self.reply)
                .map(|body| format!("{body:?}"))
                .unwrap_or_default();
            Err(io::Error::other(format!("the server answered {shown}")))
        }
    }
}

/// A command as an `OP_MSG`.
pub fn frame(db: &str, mut command: Document) -> Vec<u8> {
    command.insert("$db", db);
    let body = RawDocumentBuf::try_from(&command).unwrap_or_default();
    let length = i32::try_from(BODY_START + body.as_bytes().len()).unwrap_or(i32::MAX);
    let mut frame = Vec::new();
    for word in [length, 1, 0, OP_MSG, 0] {
        frame.extend_from_slice(&word.to_le_bytes());
    }
    frame.push(0);
    frame.extend_from_slice(body.as_bytes());
    frame
}

/// The document of a reply.
fn body(reply: &[u8]) -> io::Result<&RawDocument> {
    RawDocument::from_bytes(reply.get(BODY_START..).unwrap_or_default()).map_err(io::Error::other)
}

/// Signing in by SCRAM-SHA-256 as [`ADMIN`]. The slow part is done once for all connections.
pub struct SignIn {
    client_key: [u8; 32],
    stored_key: [u8; 32],
    nonces: Cell<u64>,
}

impl SignIn {
    /// Asks the server for the salt and derives the keys.
    pub async fn prepare(address: SocketAddr) -> io::Result<Rc<Self>> {
        let mut unprepared = Self {
            client_key: [0; 32],
            stored_key: [0; 32],
            nonces: Cell::new(0),
        };
        let mut connection = Connection::open(address).await?;
        let started = connection.call(&start_frame("first")).await?;
        let server_first = payload(started)?;
        let field = |name: &str| {
            server_first
                .split(',')
                .find_map(|field| field.strip_prefix(name))
        };
        let (salt, rounds) = field("s=")
            .zip(field("i="))
            .ok_or_else(|| io::Error::other("no salt"))?;
        let salt = STANDARD.decode(salt).map_err(io::Error::other)?;
        let rounds = rounds.parse().map_err(io::Error::other)?;
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(PASSWORD.as_bytes(), &salt, rounds, &mut salted);
        unprepared.client_key = hmac(&salted, b"Client Key");
        unprepared.stored_key = Sha256::digest(unprepared.client_key).into();
        Ok(Rc::new(unprepared))
    }

    /// Two round trips. Against the echo server the proof is worthless but costs the same.
    pub async fn run(&self, connection: &mut Connection) -> io::Result<()> {
        self.nonces.set(self.nonces.get() + 1);
        let nonce = format!("{:024}", self.nonces.get());
        let started = connection.call(&start_frame(&nonce)).await?;
        let last = self.client_final(&nonce, payload(started)?);
        connection.call(&continue_frame(&last)).await?;
        Ok(())
    }

    /// The replies of one sign-in, for the echo server.
    pub async fn replies(&self, address: SocketAddr) -> io::Result<Vec<Vec<u8>>> {
        let mut connection = Connection::open(address).await?;
        let nonce = format!("{:024}", 0);
        let first = connection.call(&start_frame(&nonce)).await?.to_vec();
        let last = self.client_final(&nonce, payload(&first)?);
        let second = connection.call(&continue_frame(&last)).await?.to_vec();
        Ok(vec![first, second])
    }

    fn client_final(&self, nonce: &str, server_first: &str) -> String {
        let whole_nonce = server_first.split(',').next().unwrap_or_default();
        let without_proof = format!("c=biws,{whole_nonce}");
        let message = format!("n={ADMIN},r={nonce},{server_first},{without_proof}");
        let mut proof = hmac(&self.stored_key, message.as_bytes());
        proof
            .iter_mut()
            .zip(self.client_key)
            .for_each(|(byte, key)| *byte ^= key);
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }
}

fn start_frame(nonce: &str) -> Vec<u8> {
    let command = doc! {
        "saslStart": 1,
        "mechanism": "SCRAM-SHA-256",
        "payload": binary(&format!("n,,n={ADMIN},r={nonce}")),
        "options": { "skipEmptyExchange": true },
    };
    frame("admin", command)
}

fn continue_frame(payload: &str) -> Vec<u8> {
    let command = doc! { "saslContinue": 1, "conversationId": 1, "payload": binary(payload) };
    frame("admin", command)
}

fn binary(text: &str) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: text.as_bytes().to_vec(),
    }
}

fn payload(reply: &[u8]) -> io::Result<&str> {
    match body(reply)?.get("payload") {
        Ok(Some(RawBsonRef::Binary(binary))) => {
            std::str::from_utf8(binary.bytes).map_err(io::Error::other)
        }
        _ => Err(io::Error::other("a reply without payload")),
    }
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}
