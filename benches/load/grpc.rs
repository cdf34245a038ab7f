//! A client for Milvus' calls.

use std::io;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A connection; its clones share it.
#[derive(Clone)]
pub struct Grpc {
    grpc: tonic::client::Grpc<Channel>,
    authorization: Option<AsciiMetadataValue>,
}

impl Grpc {
    /// Connects and calls nothing.
    pub async fn connect(port: u16) -> io::Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"));
        let channel = endpoint.map_err(io::Error::other)?.connect().await;
        Ok(Self {
            grpc: tonic::client::Grpc::new(channel.map_err(io::Error::other)?),
            authorization: None,
        })
    }

    /// Calls as this user from now on.
    pub fn sign(&mut self, user: &str, password: &str) {
        let authorization = STANDARD.encode(format!("{user}:{password}"));
        self.authorization = authorization.parse().ok();
    }

    /// Calls a method and waits for the answer.
    pub async fn call<Q, R>(&mut self, method: &str, message: Q) -> Result<R, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", authorization.clone());
        }
        let ready = self.grpc.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!("/milvus.proto.milvus.MilvusService/{method}").parse();
        let path = path.map_err(|_| Status::internal("no path"))?;
        let codec = Prost(PhantomData::<(Q, R)>);
        Ok(self.grpc.unary(request, path, codec).await?.into_inner())
    }
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
        let encoded = message.encode(buffer);
        encoded.map_err(|error| Status::internal(error.to_string()))
    }
}

impl<Q, R: Message + Default> Decoder for Prost<Q, R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        let decoded = R::decode(buffer).map(Some);
        decoded.map_err(|error| Status::internal(error.to_string()))
    }
}
