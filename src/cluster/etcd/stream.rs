//! Calls that stay open: watching keys, and keeping a lease alive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use super::proto::watch_request::RequestUnion;
use super::proto::{
    Event, LeaseKeepAliveRequest, LeaseKeepAliveResponse, WatchCreateRequest, WatchProgressRequest,
    WatchRequest, WatchResponse,
};
use super::{CALL_TIMEOUT, Etcd, EtcdError, MESSAGE_BYTES_MAX, not_ready, prefix_end};

/// Requests that may wait to be sent; more only come where nothing answers.
const REQUESTS_MAX: usize = 16;

/// One open call. When dropped, the call ends.
struct Call<Q, A> {
    etcd: Arc<Etcd>,
    place: usize,
    requests: mpsc::Sender<Q>,
    answers: Streaming<A>,
}

impl<Q, A> Call<Q, A>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    async fn open(etcd: &Arc<Etcd>, path: &'static str, first: Q) -> Result<Self, EtcdError> {
        let (place, channel) = etcd.channel()?;
        let opened = tokio::time::timeout(CALL_TIMEOUT, async {
            let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
            // There is room: nothing was sent yet.
            let _ = requests.send(first).await;
            let sending = stream::unfold(waiting, |mut waiting| async {
                waiting.recv().await.map(|request| (request, waiting))
            });
            let mut request = etcd.signed(sending, &channel).await?;
            // A member that has lost the others says so instead of keeping silent.
            let value = AsciiMetadataValue::from_static("true");
            request.metadata_mut().insert("hasleader", value);
            let mut grpc = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
            grpc.ready().await.map_err(|error| not_ready(&error))?;
            let codec: ProstCodec<Q, A> = ProstCodec::default();
            let path = PathAndQuery::from_static(path);
            let answers = grpc.streaming(request, path, codec).await?.into_inner();
            Ok((requests, answers))
        });
        match opened.await {
            Ok(Ok((requests, answers))) => Ok(Self {
                etcd: Arc::clone(etcd),
                place,
                requests,
                answers,
            }),
            Ok(Err(error)) => {
                etcd.lost(place, &error);
                Err(error)
            }
            Err(_) => {
                etcd.turn_from(place);
                Err(silent(CALL_TIMEOUT))
            }
        }
    }

    /// Sends a request; `false` if so many wait that nobody can be listening.
    fn send(&self, request: Q) -> bool {
        self.requests.try_send(request).is_ok()
    }

    async fn next(&mut self) -> Result<A, EtcdError> {
        let answer = match self.answers.message().await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(EtcdError::Unreachable("etcd closed the stream".into())),
            Err(status) => Err(EtcdError::from(status)),
        };
        if let Err(error @ (EtcdError::Unreachable(_) | EtcdError::TokenExpired)) = &answer {
            self.etcd.lost(self.place, error);
        }
        answer
    }
}

/// Events of all keys with a prefix, from a revision on.
pub(in crate::cluster) struct Watch {
    call: Call<WatchRequest, WatchResponse>,
    /// What has come of an answer that comes in parts.
    parts: Vec<Event>,
    /// When anything came.
    heard: Instant,
}

impl Watch {
    /// Watches all keys that begin with `prefix`, from `revision` on.
    pub(in crate::cluster) async fn open(
        etcd: &Arc<Etcd>,
        prefix: &[u8],
        revision: i64,
    ) -> Result<Self, EtcdError> {
        let create = WatchCreateRequest {
            key: Bytes::copy_from_slice(prefix),
            range_end: prefix_end(prefix),
            start_revision: revision,
            progress_notify: true,
            // Who is far behind gets much at once.
            fragment: true,
        };
        let first = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(create)),
        };
        let call = Call::open(etcd, "/etcdserverpb.Watch/Watch", first).await?;
        Ok(Self {
            call,
            parts: Vec::new(),
            heard: Instant::now(),
        })
    }

    /// When anything came last, were it a part of an answer.
    pub(in crate::cluster) fn heard(&self) -> Instant {
        self.heard
    }

    /// Asks for an answer even if nothing happens.
    pub(in crate::cluster) fn ask_for_progress(&self) -> bool {
        self.call.send(WatchRequest {
            request_union: Some(RequestUnion::ProgressRequest(WatchProgressRequest {})),
        })
    }

    /// The next events; all of one revision come together. Without events it says that etcd is there.
    /// May be dropped at any time without losing anything.
    pub(in crate::cluster) async fn next(&mut self) -> Result<WatchResponse, EtcdError> {
        let mut answer = self.call.next().await?;
        self.heard = Instant::now();
        while answer.fragment {
            self.parts.append(&mut answer.events);
            answer = self.call.next().await?;
            self.heard = Instant::now();
        }
        if !self.parts.is_empty() {
            self.parts.append(&mut answer.events);
            answer.events = std::mem::take(&mut self.parts);
        }
        if answer.compact_revision > 0 {
            return Err(EtcdError::Compacted(answer.compact_revision));
        }
        if answer.canceled {
            let error = EtcdError::canceled(answer.cancel_reason);
            self.call.etcd.lost(self.call.place, &error);
            return Err(error);
        }
        Ok(answer)
    }

    /// Waits until calls go to another endpoint than this one, because some have failed here.
    pub(in crate::cluster) fn turned(&self) -> impl Future<Output = ()> + use<> {
        let (etcd, place) = (Arc::clone(&self.call.etcd), self.call.place);
        async move { etcd.turned_from(place).await }
    }

    /// Asks another endpoint the next time.
    pub(in crate::cluster) fn turn(&self) {
        self.call.etcd.turn_from(self.call.place);
    }
}

/// A lease that is kept alive.
pub(in crate::cluster) struct KeepAlive {
    call: Call<LeaseKeepAliveRequest, LeaseKeepAliveResponse>,
    lease: i64,
}

/// What etcd says of a lease that it was asked to renew.
#[derive(Debug, Clone, Copy)]
pub(in crate::cluster) struct Renewal {
    /// Until when it holds, if whoever has renewed it was the leader.
    pub(in crate::cluster) until: Instant,
    /// The term of the leader, as far as is known where it was asked for.
    pub(in crate::cluster) raft_term: u64,
}

impl KeepAlive {
    /// Renews `lease` and stays ready to do it again.
    pub(in crate::cluster) async fn open(
        etcd: &Arc<Etcd>,
        lease: i64,
    ) -> Result<(Self, Renewal), EtcdError> {
        let sent = Instant::now();
        let first = LeaseKeepAliveRequest { id: lease };
        let call = Call::open(etcd, "/etcdserverpb.Lease/LeaseKeepAlive", first).await?;
        let mut keep_alive = Self { call, lease };
        let renewal = keep_alive.renewed(sent).await?;
        Ok((keep_alive, renewal))
    }

    /// Renews the lease. Answers until when it holds, counted from before it was asked: etcd cannot
    /// have begun to count earlier.
    pub(in crate::cluster) async fn renew(&mut self) -> Result<Renewal, EtcdError> {
        let sent = Instant::now();
        if !self.call.send(LeaseKeepAliveRequest { id: self.lease }) {
            return Err(silent(CALL_TIMEOUT));
        }
        self.renewed(sent).await
    }

    async fn renewed(&mut self, sent: Instant) -> Result<Renewal, EtcdError> {
        let answer = tokio::time::timeout(CALL_TIMEOUT, self.call.next()).await;
        let Ok(answer) = answer else {
            self.call.etcd.turn_from(self.call.place);
            return Err(silent(CALL_TIMEOUT));
        };
        let answer = answer?;
        let ttl = u64::try_from(answer.ttl).unwrap_or_default();
        if ttl == 0 {
            return Err(EtcdError::Refused("the lease has run out".into()));
        }
        Ok(Renewal {
            until: sent + Duration::from_secs(ttl),
            raft_term: answer.header.map_or(0, |header| header.raft_term),
        })
    }
}

fn silent(waited: Duration) -> EtcdError {
    EtcdError::from(Status::deadline_exceeded(format!(
        "no answer within {} s",
        waited.as_secs()
    )))
}
