//! How long ago a member was sure that nothing newer was missing.
//!
//! It asks etcd again and again how far it is, and under steady writes each answer may name a change that
//! is only about to be applied here. So what was asked is remembered until what was answered is there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Looks that are remembered: each settles that the member had everything when it asked. Of more than
/// these only the last one is kept.
const LOOKS_KEPT: usize = 16;

/// When etcd was asked, and when it had written `head` last by then.
#[derive(Debug, Clone, Copy)]
struct Look {
    asked: Instant,
    head_revision: i64,
}

/// What is known of it.
#[derive(Debug)]
pub(super) struct Freshness {
    /// When nothing was missing.
    at: Instant,
    /// What has yet to be applied here.
    open: VecDeque<Look>,
}

impl Freshness {
    /// Nothing was missing at `at`.
    pub(super) fn since(at: Instant) -> Self {
        Self {
            at,
            open: VecDeque::new(),
        }
    }

    /// etcd was asked at `asked`, and had written `head` last at `head_revision`; this member has applied
    /// everything up to `applied`.
    pub(super) fn look(&mut self, asked: Instant, head_revision: i64, applied: i64) {
        if self.open.len() >= LOOKS_KEPT {
            self.open.pop_back();
        }
        self.open.push_back(Look {
            asked,
            head_revision,
        });
        self.apply(applied);
    }

    /// This member has applied everything up to `applied`.
    pub(super) fn apply(&mut self, applied: i64) {
        let at = &mut self.at;
        self.open.retain(|look| {
            let is_open = look.head_revision > applied;
            if !is_open {
                *at = look.asked.max(*at);
            }
            is_open
        });
    }

    /// How long ago it was.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn secs(secs: u32) -> Duration {
        SECOND * secs
    }

    #[test]
    fn who_has_what_etcd_has_is_fresh_as_of_the_question() {
        let start = Instant::now();
        let mut freshness = Freshness::since(start);
        freshness.look(start + secs(3), 7, 7);
        assert_eq!(freshness.age(start + secs(5)), secs(2));
        // Nor does an answer that comes late make it older.
        freshness.look(start + secs(1), 7, 7);
        assert_eq!(freshness.age(start + secs(5)), secs(2));
    }

    #[test]
    fn who_is_always_one_change_behind_is_fresh_as_of_the_look_before() {
        let start = Instant::now();
        let mut freshness = Freshness::since(start);
        for second in 1..100 {
            let revision = i64::from(second);
            freshness.look(start + secs(second), revision, revision - 1);
            assert_eq!(freshness.age(start + secs(second)), SECOND);
            freshness.apply(revision);
            assert_eq!(freshness.age(start + secs(second)), Duration::ZERO);
        }
    }

    #[test]
    fn who_is_far_behind_is_fresh_as_of_the_last_look_that_it_has_reached() {
        let start = Instant::now();
        let mut freshness = Freshness::since(start);
        for second in 1..100 {
            freshness.look(start + secs(second), i64::from(second), 0);
        }
        assert_eq!(freshness.open.len(), LOOKS_KEPT);
        assert_eq!(freshness.age(start + secs(99)), secs(99));
        freshness.apply(3);
        assert_eq!(freshness.age(start + secs(99)), secs(96));
        freshness.apply(99);
        assert_eq!(freshness.age(start + secs(99)), Duration::ZERO);
        assert!(freshness.open.is_empty());
    }
}
