//! A server with the face on, and a gRPC client for it.

use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::http::uri::PathAndQuery;
use portcullis::milvus::proto::common;
use portcullis::milvus::proto::milvus::CreateCredentialRequest;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::support::{Options, TestServer};

/// The password that root begins with in these tests.
pub(crate) const ROOT_PASSWORD: &str = "root's own";

/// A server for both faces.
pub(crate) struct Server {
    pub(crate) mongodb: TestServer,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments; also with an administrator of the other face.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::of(Self::options().arguments(arguments))
    }

    pub(crate) fn options() -> Options {
        Self::face(Options::default())
            .argument("--setParameter=allowPlainWithoutTLS=true")
            .argument("--setParameter=authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN")
    }

    /// Turned on.
    pub(crate) fn face(options: Options) -> Options {
        options
            .arguments(&["--milvus.enabled", "--milvus.port=0"])
            .argument(format!("--milvus.defaultRootPassword={ROOT_PASSWORD}"))
    }

    pub(crate) fn of(options: Options) -> Self {
        Self::started(options, TestServer::with_admin_and)
    }

    /// Nobody of the other face is on it, unless its data say so.
    pub(crate) fn without_admin(options: Options) -> Self {
        Self::started(options, Options::start)
    }

    fn started(options: Options, start: impl FnOnce(Options) -> TestServer) -> Self {
        let port_file = options.data().with_file_name("milvus-port");
        let options = options.argument(format!("--milvus.portFile={}", port_file.display()));
        let mongodb = start(options);
        let port = std::fs::read_to_string(port_file).unwrap();
        let port = port.trim().parse().unwrap();
        Self { mongodb, port }
    }

    /// Signed in as root.
    pub(crate) async fn root(&self) -> Client {
        self.client_as("root", ROOT_PASSWORD).await
    }

    pub(crate) async fn client_as(&self, user: &str, password: &str) -> Client {
        let mut client = self.client().await;
        client.sign(user, password);
        client
    }

    /// Without metadata.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.port).await.unwrap()
    }
}

pub(crate) struct Client {
    grpc: Grpc<Channel>,
    pub(crate) authorization: Option<String>,
    pub(crate) db: Option<String>,
}

impl Client {
    /// To a port of this machine, without metadata.
    pub(crate) async fn connect(port: u16) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
        Ok(Self {
            grpc: Grpc::new(endpoint.connect().await?),
            authorization: None,
            db: None,
        })
    }

    /// Another one on the same connection, who calls as the same user.
    pub(crate) fn again(&self) -> Self {
        Self {
            grpc: self.grpc.clone(),
            authorization: self.authorization.clone(),
            db: self.db.clone(),
        }
    }

    /// Calls as this user from now on.
    pub(crate) fn sign(&mut self, user: &str, password: &str) {
        self.authorization = Some(STANDARD.encode(format!("{user}:{password}")));
    }

    /// Calls a method of the one service.
    pub(crate) async fn call<Q, R>(&mut self, method: &str, message: Q) -> Result<R, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        self.call_path(
            &format!("/milvus.proto.milvus.MilvusService/{method}"),
            message,
        )
        .await
    }

    pub(crate) async fn call_path<Q, R>(&mut self, path: &str, message: Q) -> Result<R, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Some(authorization) = &self.authorization {
            metadata.insert("authorization", authorization.parse().unwrap());
        }
        if let Some(db) = &self.db {
            metadata.insert("dbname", db.parse().unwrap());
        }
        self.grpc.ready().await.unwrap();
        let path: PathAndQuery = path.parse().unwrap();
        let codec = Prost(PhantomData::<(Q, R)>);
        let response = self.grpc.unary(request, path, codec).await?;
        Ok(response.into_inner())
    }

    /// Calls a method and never sends what it is asked.
    pub(crate) async fn call_without_message(&mut self, method: &str) -> Status {
        let mut request = Request::new(futures_util::stream::pending::<common::Status>());
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", authorization.parse().unwrap());
        }
        self.grpc.ready().await.unwrap();
        let path = format!("/milvus.proto.milvus.MilvusService/{method}");
        let codec = Prost(PhantomData::<(common::Status, common::Status)>);
        let grpc = &mut self.grpc;
        let answer = grpc.client_streaming(request, path.parse().unwrap(), codec);
        answer.await.unwrap_err()
    }

    /// Calls a method that answers a bare status: `Ok` or its code, error code and reason.
    pub(crate) async fn change<Q: Message + 'static>(&mut self, method: &str, message: Q) -> Told {
        let status: common::Status = self.call(method, message).await.unwrap();
        told(Some(status))
    }
}

/// `CreateCredential`.
pub(crate) async fn create_user(client: &mut Client, user: &str, password: &str) -> Told {
    let message = CreateCredentialRequest {
        username: user.to_owned(),
        password: encoded(password),
        description: None,
    };
    client.change("CreateCredential", message).await
}

/// The same data again, after the process was killed.
pub(crate) fn restarted(server: Server) -> Server {
    let options = Options::in_folder(server.mongodb.kill());
    Server::without_admin(Server::face(options))
}

/// `Ok`, or code, error code and reason.
pub(crate) type Told = Result<(), (i32, i32, String)>;

/// What a status says.
pub(crate) fn told(status: Option<common::Status>) -> Told {
    let status = status.unwrap();
    if (status.code, status.error_code) == (0, 0) {
        assert_eq!(status, common::Status::default());
        return Ok(());
    }
    assert!(!status.retriable);
    Err((status.code, status.error_code, status.reason))
}

pub(crate) fn encoded(password: &str) -> String {
    STANDARD.encode(password)
}

/// Any two messages.
struct Prost<Q, R>(PhantomData<(Q, R)>);

impl<Q: Message + 'static, R: Message + Default + 'static> Codec for Prost<Q, R> {
    type Encode = Q;
    type Decode = R;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(PhantomData)
    }
}

impl<Q: Message, R> Encoder for Prost<Q, R> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, message: Q, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).unwrap();
        Ok(())
    }
}

impl<Q, R: Message + Default> Decoder for Prost<Q, R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        Ok(Some(R::decode(buffer).unwrap()))
    }
}
