//! Connections that are turned away: counted one by one, logged now and then.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Refusals of one kind are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// All refusals for one reason. Whoever floods the door does not flood the log.
#[derive(Debug)]
pub(super) struct Refusals {
    message: &'static str,
    total: AtomicU64,
    log: Mutex<LogState>,
}

#[derive(Debug, Default)]
struct LogState {
    /// Since the last line.
    count: u64,
    logged_at: Option<Instant>,
}

impl Refusals {
    /// `message` is the log line.
    pub(super) const fn new(message: &'static str) -> Self {
        Self {
            message,
            total: AtomicU64::new(0),
            log: Mutex::new(LogState {
                count: 0,
                logged_at: None,
            }),
        }
    }

    /// One more; `detail` is of this one.
    pub(super) fn add(&self, client: &dyn Display, detail: &dyn Display) {
        if let Some(refused) = self.count() {
            let message = self.message;
            tracing::warn!(refused, %client, %detail, "{message}");
        }
    }

    /// One more, for whoever writes the line: how many it is about, if it is time for one.
    pub(super) fn count(&self) -> Option<u64> {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.due(Instant::now())
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// How many to log now, if any.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.count += 1;
        let is_due = |last: Instant| now.duration_since(last) >= LOG_INTERVAL;
        if !log.logged_at.is_none_or(is_due) {
            return None;
        }
        log.logged_at = Some(now);
        Some(std::mem::take(&mut log.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_one_a_second_is_logged() {
        let refusals = Refusals::new("refused");
        let begin = Instant::now();
        assert_eq!(refusals.due(begin), Some(1));
        assert_eq!(refusals.due(begin), None);
        assert_eq!(refusals.due(begin + LOG_INTERVAL / 2), None);
        assert_eq!(refusals.due(begin + LOG_INTERVAL), Some(3));
        refusals.add(&"192.0.2.1", &"");
        refusals.add(&"192.0.2.1", &"");
        assert_eq!(refusals.total(), 2);
    }
}
