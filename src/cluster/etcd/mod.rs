//! A client of etcd's gRPC API, as much of it as is used here (etcd documentation, "API reference").
//!
//! There is one connection for each endpoint, made when it is needed. All calls go to the current
//! endpoint; one that does not answer in time makes the next endpoint the current one. No call is
//! repeated here: the caller knows whether that is harmless.

mod error;
mod messages;
pub(super) mod proto;
mod stream;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::watch;
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

pub(super) use error::EtcdError;
pub(super) use messages::{
    all_of, create_revision_is, delete, delete_prefix, get, is_absent, mod_revision_is, prefix_end,
    put, range_of, txn,
};
pub(super) use stream::{KeepAlive, Renewal, Watch};

use self::proto::{
    AuthenticateRequest, AuthenticateResponse, DeleteRangeRequest, DeleteRangeResponse, KeyValue,
    LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, PutRequest, PutResponse, RangeRequest,
    RangeResponse, TxnRequest, TxnResponse,
};
use crate::config::EtcdConfig;
use crate::secret::Secret;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an answer may take before the next endpoint is asked.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a connection is asked whether it lives; etcd allows no less than five seconds.
const PING_INTERVAL: Duration = Duration::from_secs(6);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// A page of a snapshot, or a batch of events, at most.
const MESSAGE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The connections to an etcd cluster.
#[derive(Debug)]
pub(super) struct Etcd {
    endpoints: Vec<Channel>,
    /// Which of them is asked.
    current: watch::Sender<usize>,
    credentials: Option<(String, Secret<String>)>,
    /// What signing in gave.
    token: Mutex<Option<AsciiMetadataValue>>,
}

impl Etcd {
    /// Reads the files that `config` names; connections are made later.
    pub(super) fn new(config: &EtcdConfig) -> Result<Arc<Self>, EtcdError> {
        let tls = tls(config)?;
        let endpoints = config.endpoints.iter().map(|url| {
            let unusable = |error: tonic::transport::Error| {
                EtcdError::Unusable(format!("the endpoint {url} ({error})"))
            };
            let mut endpoint = Endpoint::from_shared(url.clone())
                .map_err(unusable)?
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_TIMEOUT)
                .tcp_nodelay(true);
            if url.starts_with("https:") {
                endpoint = endpoint.tls_config(tls.clone()).map_err(unusable)?;
            }
            Ok::<_, EtcdError>(endpoint.connect_lazy())
        });
        Ok(Arc::new(Self {
            endpoints: endpoints.collect::<Result<_, _>>()?,
            current: watch::Sender::new(0),
            credentials: config.credentials.clone(),
            token: Mutex::new(None),
        }))
    }

    /// How many endpoints there are: so often may a harmless call be tried.
    pub(super) fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    /// Reads keys.
    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, EtcdError> {
        self.call("/etcdserverpb.KV/Range", request).await
    }

    /// Reads one key as it is now.
    pub(super) async fn get(&self, key: Bytes) -> Result<Option<KeyValue>, EtcdError> {
        self.get_at(key, 0).await
    }

    /// Reads one key as it was at `revision`; 0 for now.
    pub(super) async fn get_at(
        &self,
        key: Bytes,
        revision: i64,
    ) -> Result<Option<KeyValue>, EtcdError> {
        let request = RangeRequest {
            key,
            revision,
            ..RangeRequest::default()
        };
        Ok(self.range(request).await?.kvs.into_iter().next())
    }

    /// Writes a key, unconditionally.
    pub(super) async fn put(&self, request: PutRequest) -> Result<PutResponse, EtcdError> {
        self.call("/etcdserverpb.KV/Put", request).await
    }

    /// Removes keys, unconditionally; also where etcd is full, while a transaction of nothing else may be
    /// refused then (etcd 3.4).
    pub(super) async fn delete(
        &self,
        request: DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, EtcdError> {
        self.call("/etcdserverpb.KV/DeleteRange", request).await
    }

    /// Compares, and then does one thing or the other, as one.
    pub(super) async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, EtcdError> {
        self.call("/etcdserverpb.KV/Txn", request).await
    }

    /// Makes a lease.
    pub(super) async fn grant(&self, ttl: Duration) -> Result<LeaseGrantResponse, EtcdError> {
        let request = LeaseGrantRequest {
            ttl: i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            id: 0,
        };
        self.call("/etcdserverpb.Lease/LeaseGrant", request).await
    }

    /// Ends a lease, and with it every key that was put under it.
    pub(super) async fn revoke(&self, lease: i64) -> Result<LeaseRevokeResponse, EtcdError> {
        let request = LeaseRevokeRequest { id: lease };
        self.call("/etcdserverpb.Lease/LeaseRevoke", request).await
    }

    /// For how long a lease was granted; no time if there is none of that number.
    pub(super) async fn granted(&self, lease: i64) -> Result<Duration, EtcdError> {
        let request = LeaseTimeToLiveRequest { id: lease };
        let answer: LeaseTimeToLiveResponse = self
            .call("/etcdserverpb.Lease/LeaseTimeToLive", request)
            .await?;
        let secs = u64::try_from(answer.granted_ttl).unwrap_or_default();
        Ok(Duration::from_secs(secs))
    }

    /// Asks the next endpoint from now on, because the present one fails.
    pub(super) fn turn_from(&self, failed: usize) {
        let next = (failed + 1) % self.endpoints.len().max(1);
        self.current.send_if_modified(|current| {
            // Whoever was faster has turned already.
            let turns = *current == failed && next != failed;
            if turns {
                *current = next;
            }
            turns
        });
    }

    /// Waits until another endpoint than `place` is asked.
    async fn turned_from(&self, place: usize) {
        let mut current = self.current.subscribe();
        // Who tells of it is held here and does not go away.
        let _ = current.wait_for(|current| *current != place).await;
    }

    /// The endpoint that is asked now, and its place.
    fn channel(&self) -> Result<(usize, Channel), EtcdError> {
        let place = *self.current.borrow();
        let channel = self.endpoints.get(place).cloned();
        channel
            .map(|channel| (place, channel))
            .ok_or_else(|| EtcdError::Unusable("no endpoint".into()))
    }

    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, EtcdError>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        match self.call_once(path, request.clone()).await {
            Err(EtcdError::TokenExpired) => {
                self.forget_token();
                // Refused before anything was done.
                self.call_once(path, request).await
            }
            result => result,
        }
    }

    async fn call_once<Q, A>(&self, path: &'static str, request: Q) -> Result<A, EtcdError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let (place, channel) = self.channel()?;
        let called = tokio::time::timeout(CALL_TIMEOUT, async {
            let request = self.signed(request, &channel).await?;
            unary(channel, path, request).await
        });
        let result = called.await.unwrap_or_else(|_| {
            let text = format!("no answer within {} s", CALL_TIMEOUT.as_secs());
            Err(EtcdError::Unreachable(text))
        });
        if matches!(result, Err(EtcdError::Unreachable(_))) {
            self.turn_from(place);
        }
        result
    }

    /// An open call has failed: the next one asks another endpoint, and signs in if it has to.
    fn lost(&self, place: usize, error: &EtcdError) {
        if *error == EtcdError::TokenExpired {
            self.forget_token();
        }
        self.turn_from(place);
    }

    /// Signs in anew before the next call.
    fn forget_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The request with the token that says who asks.
    async fn signed<Q>(&self, message: Q, channel: &Channel) -> Result<Request<Q>, EtcdError> {
        let mut request = Request::new(message);
        let Some((name, password)) = &self.credentials else {
            return Ok(request);
        };
        let known = self
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let token = if let Some(token) = known {
            token
        } else {
            let sign_in = Request::new(AuthenticateRequest {
                name: name.clone(),
                password: password.expose().clone(),
            });
            let path = "/etcdserverpb.Auth/Authenticate";
            let answer: AuthenticateResponse = unary(channel.clone(), path, sign_in).await?;
            let mut token = AsciiMetadataValue::try_from(answer.token)
                .map_err(|_| EtcdError::Refused("a token that is no text".into()))?;
            token.set_sensitive(true);
            let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some(token.clone());
            token
        };
        request.metadata_mut().insert("token", token);
        Ok(request)
    }
}

async fn unary<Q, A>(
    channel: Channel,
    path: &'static str,
    request: Request<Q>,
) -> Result<A, EtcdError>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let mut grpc = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    grpc.ready().await.map_err(|error| not_ready(&error))?;
    let codec: ProstCodec<Q, A> = ProstCodec::default();
    let response = grpc.unary(request, PathAndQuery::from_static(path), codec);
    Ok(response.await.map_err(EtcdError::from)?.into_inner())
}

fn not_ready(error: &tonic::transport::Error) -> EtcdError {
    EtcdError::from(Status::new(Code::Unavailable, error.to_string()))
}

fn tls(config: &EtcdConfig) -> Result<ClientTlsConfig, EtcdError> {
    let mut tls = ClientTlsConfig::new();
    if let Some(file) = &config.ca_file {
        tls = tls.ca_certificate(Certificate::from_pem(read(file)?));
    }
    if let Some(file) = &config.certificate_key_file {
        // Both are in the one file, as MongoDB has it.
        let pem = read(file)?;
        tls = tls.identity(Identity::from_pem(&pem, &pem));
    }
    Ok(tls)
}

fn read(file: &Path) -> Result<Vec<u8>, EtcdError> {
    fs::read(file).map_err(|error| EtcdError::Unusable(format!("{} ({error})", file.display())))
}
