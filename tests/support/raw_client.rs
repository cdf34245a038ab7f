//! A client that sends bytes and documents as it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};

use super::{PATIENCE, binary, checked, text};

/// A TCP or a Unix socket.
trait ByteStream: Read + Write + Send {}

impl<T: Read + Write + Send> ByteStream for T {}

/// A blocking client without opinions: it sends what it is told and returns what it gets.
pub struct RawClient {
    stream: Box<dyn ByteStream>,
    next_id: i32,
}

impl RawClient {
    pub fn connect(to: SocketAddr, from: Option<IpAddr>) -> Self {
        let stream = match from {
            None => TcpStream::connect(to).unwrap(),
            Some(from) => {
                let socket = socket2::Socket::new(
                    socket2::Domain::for_address(to),
                    socket2::Type::STREAM,
                    None,
                );
                let socket = socket.unwrap();
                socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
                socket.connect(&to.into()).unwrap();
                socket.into()
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: Box::new(stream),
            next_id: 1,
        }
    }

    /// Like [`Self::connect`] where nobody may be there; no answer takes longer than `patience`.
    pub fn try_connect(to: SocketAddr, patience: Duration) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// Over a connection that is there already.
    pub fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            next_id: 1,
        }
    }

    pub(super) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: Box::new(stream),
            next_id: 1,
        }
    }

    /// Runs a command; the reply without looking at `ok`.
    pub fn run(&mut self, db: &str, mut command: Document) -> Document {
        command.insert("$db", db);
        self.run_raw(&RawDocumentBuf::try_from(&command).unwrap())
    }

    /// Runs a command of which some arrays (of documents) go as document sequences.
    pub fn run_with_sequences(
        &mut self,
        db: &str,
        mut command: Document,
        sequences: &Document,
    ) -> Document {
        command.insert("$db", db);
        let mut body = vec![0, 0, 0, 0, 0];
        body.extend_from_slice(RawDocumentBuf::try_from(&command).unwrap().as_bytes());
        for (name, documents) in sequences {
            let mut section = format!("{name}\0").into_bytes();
            for document in documents.as_array().unwrap() {
                let document = RawDocumentBuf::try_from(document.as_document().unwrap()).unwrap();
                section.extend_from_slice(document.as_bytes());
            }
            body.push(1);
            body.extend_from_slice(&i32::try_from(section.len() + 4).unwrap().to_le_bytes());
            body.extend_from_slice(&section);
        }
        self.send(2013, &body);
        self.receive_reply()
    }

    /// Like [`Self::run`] where the server may end meanwhile.
    pub fn try_run(&mut self, db: &str, mut command: Document) -> std::io::Result<Document> {
        command.insert("$db", db);
        let mut body = vec![0, 0, 0, 0, 0];
        body.extend_from_slice(RawDocumentBuf::try_from(&command).unwrap().as_bytes());
        self.try_send(2013, &body)?;
        let (_, reply) = self.try_receive()?;
        Ok(Document::try_from(RawDocumentBuf::from_bytes(reply[5..].to_vec()).unwrap()).unwrap())
    }

    /// Sends a command and does not wait for its reply.
    pub fn send_command(&mut self, db: &str, mut command: Document) {
        command.insert("$db", db);
        let command = RawDocumentBuf::try_from(&command).unwrap();
        let mut body = vec![0, 0, 0, 0, 0];
        body.extend_from_slice(command.as_bytes());
        self.send(2013, &body);
    }

    /// The reply to a command that was sent before.
    pub fn receive_reply(&mut self) -> Document {
        let (op_code, reply) = self.receive();
        assert_eq!(op_code, 2013);
        Document::try_from(RawDocumentBuf::from_bytes(reply[5..].to_vec()).unwrap()).unwrap()
    }

    /// Runs a command document as it is, `$db` included; keys may come twice.
    pub fn run_raw(&mut self, command: &RawDocumentBuf) -> Document {
        let mut body = vec![0, 0, 0, 0, 0];
        body.extend_from_slice(command.as_bytes());
        self.send(2013, &body);
        self.receive_reply()
    }

    /// Sends a message with a right header.
    pub fn send(&mut self, op_code: i32, body: &[u8]) -> i32 {
        self.try_send(op_code, body).unwrap()
    }

    fn try_send(&mut self, op_code: i32, body: &[u8]) -> std::io::Result<i32> {
        let id = self.next_id;
        self.next_id += 1;
        let mut message = Vec::with_capacity(16 + body.len());
        for word in [i32::try_from(16 + body.len()).unwrap(), id, 0, op_code] {
            message.extend_from_slice(&word.to_le_bytes());
        }
        message.extend_from_slice(body);
        self.stream.write_all(&message)?;
        Ok(id)
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes one by one.
    pub fn send_one_by_one(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.stream.write_all(&[*byte]).unwrap();
        }
    }

    /// The next message: its operation and what follows the header.
    pub fn receive(&mut self) -> (i32, Vec<u8>) {
        self.try_receive().unwrap()
    }

    pub fn try_receive(&mut self) -> std::io::Result<(i32, Vec<u8>)> {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header)?;
        let word = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let mut body = vec![0; usize::try_from(word(0)).unwrap() - 16];
        self.stream.read_exact(&mut body)?;
        Ok((word(12), body))
    }

    /// Whether the server has closed the connection (waits for it).
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// Signs in by SCRAM-SHA-256 with an independent client; the server's reply if it refuses.
    pub fn sign_in(&mut self, db: &str, user: &str, password: &str) -> Result<(), Document> {
        self.try_sign_in(db, user, password).unwrap()
    }

    /// Like [`Self::sign_in`] where the server may end meanwhile.
    pub fn try_sign_in(
        &mut self,
        db: &str,
        user: &str,
        password: &str,
    ) -> std::io::Result<Result<(), Document>> {
        let client = scram::ScramClient::new(user, password, None);
        let (client, first) = client.client_first();
        let started = self.try_run(
            db,
            doc! {
                "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": binary(first.as_bytes()),
                "options": { "skipEmptyExchange": true },
            },
        )?;
        let started = match checked(started) {
            Ok(started) => started,
            Err(refused) => return Ok(Err(refused)),
        };
        let reply = text(&started);
        let (client, last) = client.handle_server_first(&reply).unwrap().client_final();
        let continued = self.try_run(
            db,
            doc! {
                "saslContinue": 1, "conversationId": 1, "payload": binary(last.as_bytes()),
            },
        )?;
        let continued = match checked(continued) {
            Ok(continued) => continued,
            Err(refused) => return Ok(Err(refused)),
        };
        assert!(continued.get_bool("done").unwrap());
        client.handle_server_final(&text(&continued)).unwrap();
        Ok(Ok(()))
    }
}
