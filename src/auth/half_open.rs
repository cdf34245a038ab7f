//! Sign-ins that have begun and not ended. There is a limit on all of them and one for each origin;
//! when it is reached, the oldest makes way: who means it is done in milliseconds, and a flood only
//! pushes itself out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::origin::Origin;

/// How many sign-ins may be under way, and how long each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfOpenLimits {
    /// All together.
    pub total_max: usize,
    /// Of one origin.
    pub per_origin_max: usize,
    /// From the first message to the last.
    pub timeout: Duration,
}

/// The sign-ins under way.
#[derive(Debug, Default)]
pub struct HalfOpenSignIns {
    state: Mutex<State>,
    dropped: AtomicU64,
}

/// One of them; it ends when this is dropped.
#[derive(Debug)]
pub struct OpenSignIn {
    all: Arc<HalfOpenSignIns>,
    number: u64,
}

#[derive(Debug, Default)]
struct State {
    last_number: u64,
    /// Oldest first.
    open: BTreeMap<u64, Opened>,
    by_origin: HashMap<Origin, BTreeSet<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Opened {
    /// `None` where the limit of origins does not count.
    from: Option<Origin>,
    at: Instant,
}

impl HalfOpenSignIns {
    /// A sign-in begins at `now`; without an origin only the limit of all together counts.
    pub fn begin(
        self: &Arc<Self>,
        from: Option<Origin>,
        now: Instant,
        limits: &HalfOpenLimits,
    ) -> OpenSignIn {
        let mut state = self.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.open.insert(number, Opened { from, at: now });
        if let Some(from) = from {
            state.by_origin.entry(from).or_default().insert(number);
        }
        let mut dropped = 0;
        while let Some(overdue) = state.first_to_go(from, now, limits) {
            state.remove(overdue);
            dropped += 1;
        }
        drop(state);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        OpenSignIn {
            all: Arc::clone(self),
            number,
        }
    }

    /// Sign-ins under way.
    pub fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// Sign-ins that took too long or made way for others, ever.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSignIn {
    /// Whether it may go on: it took not too long and did not have to make way.
    pub fn may_go_on(&self, now: Instant, limits: &HalfOpenLimits) -> bool {
        let mut state = self.all.lock();
        let opened = state.open.get(&self.number);
        let is_overdue = opened.is_some_and(|opened| opened.is_overdue(now, limits));
        let may_go_on = opened.is_some() && !is_overdue;
        if is_overdue {
            state.remove(self.number);
            self.all.dropped.fetch_add(1, Ordering::Relaxed);
        }
        may_go_on
    }
}

impl Drop for OpenSignIn {
    fn drop(&mut self) {
        self.all.lock().remove(self.number);
    }
}

impl State {
    /// A sign-in that is overdue, or the oldest of a group that has become too large.
    fn first_to_go(
        &self,
        from: Option<Origin>,
        now: Instant,
        limits: &HalfOpenLimits,
    ) -> Option<u64> {
        let (oldest, opened) = self.open.first_key_value()?;
        if opened.is_overdue(now, limits) || self.open.len() > limits.total_max {
            return Some(*oldest);
        }
        let of_origin = self.by_origin.get(&from?)?;
        let is_too_many = of_origin.len() > limits.per_origin_max;
        of_origin.first().copied().filter(|_| is_too_many)
    }

    fn remove(&mut self, number: u64) {
        let Some(Opened {
            from: Some(from), ..
        }) = self.open.remove(&number)
        else {
            return;
        };
        if let Some(of_origin) = self.by_origin.get_mut(&from) {
            of_origin.remove(&number);
            if of_origin.is_empty() {
                self.by_origin.remove(&from);
            }
        }
    }
}

impl Opened {
    fn is_overdue(self, now: Instant, limits: &HalfOpenLimits) -> bool {
        now.saturating_duration_since(self.at) >= limits.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HalfOpenLimits = HalfOpenLimits {
        total_max: 4,
        per_origin_max: 2,
        timeout: Duration::from_secs(10),
    };

    fn origin(last: u8) -> Origin {
        Origin::of(Some([192, 0, 2, last].into()))
    }

    #[test]
    fn the_oldest_of_an_origin_makes_way() {
        let all = Arc::new(HalfOpenSignIns::default());
        let now = Instant::now();
        let other = all.begin(Some(origin(2)), now, &LIMITS);
        let [first, second, third] = [(); 3].map(|()| all.begin(Some(origin(1)), now, &LIMITS));
        assert!(!first.may_go_on(now, &LIMITS));
        for kept in [&other, &second, &third] {
            assert!(kept.may_go_on(now, &LIMITS));
        }
        assert_eq!((all.count(), all.dropped()), (3, 1));
        drop([other, first, second, third]);
        assert_eq!(all.count(), 0);
        assert!(all.lock().by_origin.is_empty());
    }

    #[test]
    fn the_oldest_of_all_makes_way() {
        let all = Arc::new(HalfOpenSignIns::default());
        let now = Instant::now();
        let local: Vec<_> = (0..4).map(|_| all.begin(None, now, &LIMITS)).collect();
        let last = all.begin(Some(origin(1)), now, &LIMITS);
        assert!(last.may_go_on(now, &LIMITS));
        let kept: Vec<bool> = local
            .iter()
            .map(|one| one.may_go_on(now, &LIMITS))
            .collect();
        assert_eq!(kept, [false, true, true, true]);
    }

    #[test]
    fn what_takes_too_long_is_over() {
        let all = Arc::new(HalfOpenSignIns::default());
        let begin = Instant::now();
        let forgotten = all.begin(Some(origin(1)), begin, &LIMITS);
        let asked = all.begin(Some(origin(2)), begin, &LIMITS);
        let late = begin + LIMITS.timeout;
        assert!(!asked.may_go_on(late, &LIMITS));
        let next = all.begin(Some(origin(3)), late, &LIMITS);
        assert_eq!((all.count(), all.dropped()), (1, 2));
        assert!(!forgotten.may_go_on(late, &LIMITS) && next.may_go_on(late, &LIMITS));
    }
}
