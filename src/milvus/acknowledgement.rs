//! On a replica set a change waits for other members, as a command without `writeConcern` does.
//!
//! The calls of Milvus have no field for it, so the default of the deployment holds
//! (`setDefaultRWConcern`, else a majority), and the time that the call itself has.

use std::time::Duration;

use hyper::HeaderMap;
use tokio::time::Instant;

use super::failure::Failure;
use crate::command::services::Services;
use crate::command::write_concern::Pending;
use crate::ops::CommitNote;

/// How long a refusal waits where the client does not say how long it does itself.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

/// What a call has to wait for once it has run, if it has tried to write.
pub(super) struct Acknowledgement<'a> {
    pending: Pending,
    services: &'a Services,
    /// When the client gives the call up.
    deadline: Option<Instant>,
}

impl<'a> Acknowledgement<'a> {
    /// `None` on a standalone, or where the commit of this member is enough.
    pub(super) fn of(services: &'a Services, deadline: Option<Instant>) -> Option<Self> {
        let set = services.replica_set.as_ref()?;
        let pending = Pending::new(None, services, set)?;
        Some(Self {
            pending,
            services,
            deadline,
        })
    }

    /// Where the commit is to be noted.
    pub(super) fn note(&self) -> CommitNote {
        self.pending.note()
    }

    /// Waits, and says so where it was in vain. A refusal stays what it is, also then, and comes in time
    /// for the client to hear of it: it waits only because the reason may be news to other members.
    pub(super) async fn finish<R>(self, answered: Result<R, Failure>) -> Result<R, Failure> {
        let services = self.services;
        let Some(set) = &services.replica_set else {
            return answered;
        };
        let deadline = match &answered {
            Ok(_) => self.deadline,
            Err(_) => Some(refusal_deadline(Instant::now(), self.deadline)),
        };
        let waited = self.pending.wait(set, services, deadline).await;
        match (answered, waited) {
            (Ok(_), Err(miss)) => Err(Failure::open(format!(
                "the change is written, but not acknowledged by as many members as it should be: {}",
                miss.message
            ))),
            (answered, _) => answered,
        }
    }
}

/// Until when a refusal waits: half of the time that the client has left. At the end of it the client
/// would only hear that its time is over.
fn refusal_deadline(now: Instant, deadline: Option<Instant>) -> Instant {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
    now + left.map_or(REFUSAL_WAIT, |left| left / 2)
}

/// When the client gives up a call that has just come, if it says so.
pub(super) fn deadline(metadata: &HeaderMap) -> Option<Instant> {
    timeout(metadata).and_then(|limit| Instant::now().checked_add(limit))
}

/// `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Timeout"). Another value is none.
fn timeout(metadata: &HeaderMap) -> Option<Duration> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<Duration> {
        let mut metadata = HeaderMap::new();
        metadata.insert("grpc-timeout", value.parse().unwrap());
        timeout(&metadata)
    }

    #[test]
    fn a_refusal_waits_for_half_of_the_time_that_is_left() {
        let now = Instant::now();
        let wait = |left| refusal_deadline(now, left) - now;
        assert_eq!(wait(None), REFUSAL_WAIT);
        let in_8 = now + Duration::from_secs(8);
        assert_eq!(wait(Some(in_8)), Duration::from_secs(4));
        assert_eq!(refusal_deadline(in_8, Some(now)), in_8);
    }

    #[test]
    fn timeouts_have_a_unit() {
        assert_eq!(of("2H"), Some(Duration::from_hours(2)));
        assert_eq!(of("2M"), Some(Duration::from_mins(2)));
        assert_eq!(of("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(of("15m"), Some(Duration::from_millis(15)));
        assert_eq!(of("15u"), Some(Duration::from_micros(15)));
        assert_eq!(of("0n"), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_timeout_limits_nothing() {
        for value in ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", "1 S"] {
            assert_eq!(of(value), None, "{value:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }
}
