//! `$clusterTime` and `operationTime`: how clients carry from one member to the next what they have
//! seen (driver specification "Sessions", "Gossiping the cluster time"; causal consistency).
//!
//! The cluster time is the latest op time that this member has heard of: by following, or from a
//! client. It is signed, so a client can only pass on what some member of this set has told it. It
//! decides nothing but how far ahead `afterClusterTime` may ask: op times are made elsewhere and never
//! from it, so no client can push the clock of the set.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bson::raw::{RawDocument, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, RawBsonRef, RawDocumentBuf, Timestamp, rawdoc};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::arguments::type_name;
use crate::authz::{Authority, Need};
use crate::cluster::ReplicaSet;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::secret::Secret;

/// How far before the wall clock a cluster time without a valid signature may be, from somebody with
/// the privilege to advance it.
const UNSIGNED_CLUSTER_TIME_AHEAD_MAX: Duration = Duration::from_hours(1);
/// The smallest id of a key: no double has all numbers from there on.
const KEY_ID_MIN: u64 = 1 << 61;
/// Bytes of a signature: those of SHA-1.
const HASH_BYTES: usize = 20;

/// The signature of somebody who has no key: zeros, with the key 0.
const DUMMY_HASH: [u8; HASH_BYTES] = [0; HASH_BYTES];

/// The cluster time as this member knows it, and the key that signs it.
pub struct ClusterClock {
    /// The latest time heard from a client: seconds in the upper half, the increment in the lower.
    heard: AtomicU64,
    key: Secret<[u8; 32]>,
    key_id: i64,
}

/// `$clusterTime` as a client has sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SignedTime {
    time: Timestamp,
    hash: [u8; HASH_BYTES],
    key_id: i64,
}

impl ClusterClock {
    /// Members with the same deployment secret understand each other's signatures.
    pub fn new(deployment_secret: &Secret<[u8; 32]>) -> Self {
        let derive = |purpose: &[u8]| -> [u8; 32] {
            let mut mac = <Hmac<Sha256> as KeyInit>::new(&hmac_key(deployment_secret.expose()));
            mac.update(purpose);
            mac.finalize().into_bytes().into()
        };
        let id = derive(b"id of the key that signs cluster times");
        let id = id.first_chunk().map_or(0, |id| u64::from_be_bytes(*id));
        Self {
            heard: AtomicU64::new(0),
            key: Secret::new(derive(b"key that signs cluster times")),
            // Never 0, which stands for no key, and more than 53 bits, as mongod's: a smaller one becomes
            // a double on its way through clients written in JavaScript.
            key_id: i64::try_from((id >> 2) | KEY_ID_MIN).unwrap_or(i64::MAX),
        }
    }

    /// The cluster time.
    pub fn now(&self, set: &ReplicaSet) -> Timestamp {
        let heard = unpack(self.heard.load(Ordering::Relaxed));
        heard.max(set.last_visible().op_time.timestamp)
    }

    /// Ends an answer with `$clusterTime` and `operationTime`; without either while nothing was ever
    /// written.
    pub fn append_to(&self, answer: &mut RawDocumentBuf, set: &ReplicaSet) {
        // In this order: what is applied between the two makes the cluster time the later one.
        // What was read may be of a change that is still being applied.
        let operation_time = set.last_visible().op_time.timestamp;
        let now = self.now(set);
        self.append_times(answer, now, operation_time);
    }

    /// Takes in the `$clusterTime` of a request.
    ///
    /// # Errors
    /// 4, 14 or 16 for what is none; 204 or 211 for one that no member of this set has signed, from
    /// somebody without the privilege `advanceClusterTime`; 205 for one too far ahead from somebody
    /// with it.
    pub fn hear(
        &self,
        document: &RawDocument,
        set: &ReplicaSet,
        authority: &Authority<'_>,
    ) -> Result<(), CommandError> {
        let signed = SignedTime::parse(document)?;
        if signed.time <= self.now(set) {
            return Ok(());
        }
        if let Err(refusal) = self.check_signature(&signed) {
            // Who has yet to sign in sends what it got before it had anything to prove.
            if matches!(authority, Authority::Nobody) && signed.hash == DUMMY_HASH {
                return Ok(());
            }
            let may = authority.require(&[Need::on_cluster(Action::AdvanceClusterTime)]);
            if may.is_err() {
                return Err(refusal);
            }
            check_not_far_ahead(signed.time, SystemTime::now())?;
        }
        self.heard.fetch_max(pack(signed.time), Ordering::Relaxed);
        Ok(())
    }

    fn append_times(&self, answer: &mut RawDocumentBuf, now: Timestamp, operation: Timestamp) {
        if pack(now) == 0 {
            return;
        }
        let hash = Binary {
            subtype: BinarySubtype::Generic,
            bytes: self.sign(now).to_vec(),
        };
        let signature = rawdoc! { "hash": hash, "keyId": self.key_id };
        answer.append(
            cstr!("$clusterTime"),
            rawdoc! { "clusterTime": now, "signature": signature },
        );
        if pack(operation) != 0 {
            answer.append(cstr!("operationTime"), operation);
        }
    }

    fn sign(&self, time: Timestamp) -> [u8; HASH_BYTES] {
        let mut mac = <Hmac<Sha1> as KeyInit>::new(&hmac_key(self.key.expose()));
        mac.update(&pack(time).to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    fn check_signature(&self, signed: &SignedTime) -> Result<(), CommandError> {
        if signed.key_id != self.key_id {
            let message = format!(
                "Cache Reader No keys found for HMAC that is valid for time: {} with id: {}",
                timestamp_text(signed.time),
                signed.key_id
            );
            return Err(CommandError::new(ErrorCode::KEY_NOT_FOUND, message));
        }
        if !bool::from(self.sign(signed.time).ct_eq(&signed.hash)) {
            return Err(CommandError::new(
                ErrorCode::TIME_PROOF_MISMATCH,
                "Proof does not match the cluster time",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for ClusterClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClusterClock")
            .finish_non_exhaustive()
    }
}

impl SignedTime {
    fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let time = match field(document, "clusterTime")? {
            RawBsonRef::Timestamp(time) => time,
            other => return Err(wrong_type("clusterTime", other, "timestamp")),
        };
        let signature = match field(document, "signature")? {
            RawBsonRef::Document(signature) => signature,
            other => return Err(wrong_type("signature", other, "object")),
        };
        let hash = match field(signature, "hash")? {
            RawBsonRef::Binary(hash) => hash.bytes,
            other => return Err(wrong_type("hash", other, "binData")),
        };
        let hash = <[u8; HASH_BYTES]>::try_from(hash).map_err(|_| {
            let message = format!("Unsupported SHA1Block hash length: {}", hash.len());
            CommandError::new(ErrorCode::INVALID_LENGTH, message)
        })?;
        let key_id = match field(signature, "keyId")? {
            RawBsonRef::Int64(id) => id,
            RawBsonRef::Int32(id) => id.into(),
            other => return Err(wrong_type("keyId", other, "long")),
        };
        Ok(Self { time, hash, key_id })
    }
}

/// As texts show a cluster time.
pub fn timestamp_text(timestamp: Timestamp) -> String {
    let Timestamp { time, increment } = timestamp;
    format!("{{ ts: Timestamp({time}, {increment}) }}")
}

/// A key as HMAC wants it: filled up with zeros to a block of the hash.
fn hmac_key(key: &[u8; 32]) -> hmac::digest::Key<Hmac<Sha1>> {
    let mut block = hmac::digest::Key::<Hmac<Sha1>>::default();
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    block
}

fn field<'a>(document: &'a RawDocument, name: &str) -> Result<RawBsonRef<'a>, CommandError> {
    let found = document.get(name).ok().flatten();
    found.ok_or_else(|| {
        let message = format!("Missing expected field \"{name}\"");
        CommandError::new(ErrorCode::NO_SUCH_KEY, message)
    })
}

fn wrong_type(name: &str, value: RawBsonRef<'_>, expected: &str) -> CommandError {
    let found = type_name(value);
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!("\"{name}\" had the wrong type. Expected {expected}, found {found}"),
    )
}

fn check_not_far_ahead(time: Timestamp, now: SystemTime) -> Result<(), CommandError> {
    let wall_clock = now.duration_since(SystemTime::UNIX_EPOCH);
    let wall_clock = wall_clock.unwrap_or_default();
    let limit = wall_clock.saturating_add(UNSIGNED_CLUSTER_TIME_AHEAD_MAX);
    if u64::from(time.time) > limit.as_secs() {
        return Err(CommandError::new(
            ErrorCode::CLUSTER_TIME_FAILS_RATE_LIMITER,
            format!(
                "New $clusterTime, {}, is too far from this node's wall clock time, {}.",
                time.time,
                wall_clock.as_secs()
            ),
        ));
    }
    Ok(())
}

fn pack(timestamp: Timestamp) -> u64 {
    u64::from(timestamp.time) << 32 | u64::from(timestamp.increment)
}

fn unpack(packed: u64) -> Timestamp {
    #[allow(clippy::cast_possible_truncation)] // the two halves
    let (time, increment) = ((packed >> 32) as u32, packed as u32);
    Timestamp { time, increment }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp {
        time: 1_700_000_000,
        increment: 7,
    };

    fn clock(seed: u8) -> ClusterClock {
        ClusterClock::new(&Secret::new([seed; 32]))
    }

    /// What a member with this clock would send at `time`.
    fn sent(clock: &ClusterClock, time: Timestamp) -> RawDocumentBuf {
        let mut answer = RawDocumentBuf::new();
        clock.append_times(&mut answer, time, time);
        let sent = answer.get_document("$clusterTime").unwrap();
        sent.to_owned()
    }

    fn check(clock: &ClusterClock, document: &RawDocument) -> Result<(), (i32, String)> {
        SignedTime::parse(document)
            .and_then(|signed| clock.check_signature(&signed))
            .map_err(|error| (error.code.0, error.message))
    }

    #[test]
    fn an_answer_ends_with_both_times() {
        let clock = clock(1);
        let mut answer = rawdoc! { "ok": 1.0 };
        clock.append_times(&mut answer, AT, AT);
        let keys: Vec<_> = answer.iter().map(|field| field.unwrap().0).collect();
        assert_eq!(keys, ["ok", "$clusterTime", "operationTime"]);
        let mut nothing = rawdoc! { "ok": 1.0 };
        clock.append_times(&mut nothing, unpack(0), unpack(0));
        assert_eq!(nothing, rawdoc! { "ok": 1.0 });
    }

    #[test]
    fn members_of_one_deployment_understand_each_other() {
        assert_eq!(check(&clock(1), &sent(&clock(1), AT)), Ok(()));
        let (code, message) = check(&clock(2), &sent(&clock(1), AT)).unwrap_err();
        assert_eq!(code, 211);
        let start = "Cache Reader No keys found for HMAC that is valid for time: \
                     { ts: Timestamp(1700000000, 7) } with id: ";
        assert!(message.starts_with(start), "{message}");
    }

    #[test]
    fn another_time_needs_another_signature() {
        let clock = clock(1);
        let signed = SignedTime::parse(&sent(&clock, AT)).unwrap();
        let later = SignedTime {
            time: Timestamp {
                time: AT.time,
                increment: 8,
            },
            ..signed
        };
        assert_eq!(clock.check_signature(&later).unwrap_err().code.0, 204);
    }

    #[test]
    fn what_is_no_cluster_time_is_refused() {
        let hash = |bytes: usize| Binary {
            subtype: BinarySubtype::Generic,
            bytes: vec![0; bytes],
        };
        let code = |document: &RawDocument| SignedTime::parse(document).unwrap_err().code.0;
        assert_eq!(code(&rawdoc! {}), 4);
        assert_eq!(code(&rawdoc! { "clusterTime": 1 }), 14);
        assert_eq!(code(&rawdoc! { "clusterTime": AT }), 4);
        assert_eq!(code(&rawdoc! { "clusterTime": AT, "signature": 1 }), 14);
        let signature = rawdoc! { "hash": hash(19), "keyId": 1_i64 };
        let document = rawdoc! { "clusterTime": AT, "signature": signature };
        assert_eq!(code(&document), 16);
        let signature = rawdoc! { "hash": hash(20), "keyId": "1" };
        let document = rawdoc! { "clusterTime": AT, "signature": signature };
        assert_eq!(code(&document), 14);
    }

    #[test]
    fn nobody_goes_far_ahead_without_a_signature() {
        let clock = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let check = |time, now| check_not_far_ahead(Timestamp { time, increment: 1 }, now);
        let now = clock(u64::from(AT.time));
        assert!(check(AT.time + 3600, now).is_ok());
        assert_eq!(check(AT.time + 3601, now).unwrap_err().code.0, 205);
        // A clock that has jumped back lets less through, and one that is nowhere nothing but its hour.
        assert_eq!(check(AT.time, clock(0)).unwrap_err().code.0, 205);
        let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_hours(1);
        assert!(check(3600, before_1970).is_ok());
        assert_eq!(check(3601, before_1970).unwrap_err().code.0, 205);
        assert!(check(u32::MAX, clock(u64::MAX / 4)).is_ok());
    }

    #[test]
    fn times_are_packed_in_their_order() {
        assert_eq!(unpack(pack(AT)), AT);
        let later = Timestamp {
            time: AT.time + 1,
            increment: 0,
        };
        assert!(pack(AT) < pack(later));
    }
}
