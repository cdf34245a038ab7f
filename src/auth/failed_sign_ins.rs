//! Failed sign-ins make the next ones wait (NIST SP 800-63B section 5.2.2), longer each time and
//! without locking anybody out elsewhere. `docs/decisions/0011-failed-sign-ins.md` has the reasons.
//!
//! Failures are counted three times: by origin, by user and origin, and by user wherever they come
//! from. Beyond what is free, the first two make attempts queue up, one behind the other; the third
//! holds each attempt back a little and never queues. Users that do not exist are counted like those
//! that do. Nothing is kept but numbers: names are hashed under a random key.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::origin::Origin;
use crate::model::names::UserName;

/// Origins, users and pairs of both that are remembered; the oldest are forgotten first.
const TRACKED_MAX: usize = 65_536;
/// Attempts of one origin that wait at one time.
const WAITING_PER_ORIGIN_MAX: u32 = 8;
/// How long failures elsewhere hold back a user's sign-in, in milliseconds.
const EVERYWHERE_DELAY_MS_MAX: u64 = 2_000;

/// What failures cost, as of now. A number of free failures that is 0 turns its rule off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureLimits {
    /// Failures of an origin before its attempts wait.
    pub per_address_free: u32,
    /// Failures for one user from one origin before attempts for it from there wait.
    pub per_user_free: u32,
    /// Failures for one user from anywhere before attempts for it are held back.
    pub everywhere_free: u32,
    /// The first wait; each further failure doubles it.
    pub delay: Duration,
    /// The longest wait.
    pub delay_max: Duration,
    /// The time in which half of the failures are forgotten.
    pub half_life: Duration,
}

/// As many attempts of the origin wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins from the address are waiting after failures")]
pub struct TooManyWaiting;

/// When an attempt may go on. Keeps its place among those that wait until dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The moment.
    pub at: Instant,
    place: Option<(&'a FailedSignIns, u64)>,
}

/// An attempt whose turn has come: what becomes of it is told here, also from the hashing threads.
#[derive(Debug)]
pub struct Guess {
    failures: Arc<FailedSignIns>,
    from: Origin,
    user: UserName,
    limits: FailureLimits,
    has_queued: bool,
    is_counted: AtomicBool,
}

/// The failures of late.
#[derive(Debug, Default)]
pub struct FailedSignIns {
    hasher: RandomState,
    records: Mutex<HashMap<u64, Record>>,
    delayed: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    failed_at: Instant,
    /// When the last of the queue has its turn.
    last_turn: Instant,
    /// Attempts in the queue; counted for origins only.
    waiting: u32,
}

struct Keys {
    origin: u64,
    user_and_origin: u64,
    user: u64,
}

impl FailedSignIns {
    /// When an attempt that arrives at `now` may be checked. Whether its password is right plays no
    /// part: a right one waits as well.
    pub fn turn(
        &self,
        from: Origin,
        user: &UserName,
        now: Instant,
        limits: &FailureLimits,
    ) -> Result<Turn<'_>, TooManyWaiting> {
        let keys = self.keys(from, user);
        let mut records = self.lock();
        let delay_of = |records: &HashMap<u64, Record>, key, free| {
            records.get(&key).map_or(Duration::ZERO, |record| {
                limits.delay_after(record.failures_at(now, limits), free)
            })
        };
        let everywhere = delay_of(&records, keys.user, limits.everywhere_free)
            .min(Duration::from_millis(EVERYWHERE_DELAY_MS_MAX));
        let queues = [
            (keys.origin, limits.per_address_free),
            (keys.user_and_origin, limits.per_user_free),
        ]
        .map(|(key, free)| (key, delay_of(&records, key, free)));
        let behind = |(key, delay): &(u64, Duration)| {
            let last_turn = records.get(key).map_or(now, |record| record.last_turn);
            (!delay.is_zero()).then(|| last_turn.max(now) + *delay)
        };
        let Some(own_turn) = queues.iter().filter_map(behind).max() else {
            if !everywhere.is_zero() {
                self.delayed.fetch_add(1, Ordering::Relaxed);
            }
            return Ok(Turn {
                at: now + everywhere,
                place: None,
            });
        };
        let origin = record(&mut records, keys.origin, now, limits);
        if origin.waiting >= WAITING_PER_ORIGIN_MAX {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(TooManyWaiting);
        }
        origin.waiting += 1;
        for (key, delay) in queues {
            if !delay.is_zero() {
                record(&mut records, key, now, limits).last_turn = own_turn;
            }
        }
        self.delayed.fetch_add(1, Ordering::Relaxed);
        Ok(Turn {
            at: own_turn.max(now + everywhere),
            place: Some((self, keys.origin)),
        })
    }

    /// Whether an attempt would not have to queue up now.
    fn is_free(&self, from: Origin, user: &UserName, limits: &FailureLimits) -> bool {
        let (keys, now) = (self.keys(from, user), Instant::now());
        let records = self.lock();
        let is_free = |(key, free)| {
            records.get(&key).is_none_or(|record| {
                let failures = record.failures_at(now, limits);
                limits.delay_after(failures, free).is_zero()
            })
        };
        let (origin, pair) = (keys.origin, keys.user_and_origin);
        is_free((origin, limits.per_address_free)) && is_free((pair, limits.per_user_free))
    }

    /// The password was wrong, or the user may not come from there.
    pub fn failed(&self, from: Origin, user: &UserName, now: Instant, limits: &FailureLimits) {
        let keys = self.keys(from, user);
        let mut records = self.lock();
        for key in [keys.origin, keys.user_and_origin, keys.user] {
            let record = record(&mut records, key, now, limits);
            record.failures = record.failures_at(now, limits).saturating_add(1);
            record.failed_at = now;
        }
    }

    /// Forgets the user's failures from there. Those of the origin stay: who has one password could
    /// else guess others without end. Those from anywhere stay as well, they are somebody else's.
    pub fn succeeded(&self, from: Origin, user: &UserName) {
        let keys = self.keys(from, user);
        self.lock().remove(&keys.user_and_origin);
    }

    /// Attempts that had to wait, ever.
    pub fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }

    /// Attempts that were refused because too many waited, ever.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Origins, users and pairs that are remembered.
    pub fn tracked(&self) -> usize {
        self.lock().len()
    }

    fn keys(&self, from: Origin, user: &UserName) -> Keys {
        Keys {
            origin: self.hasher.hash_one(("origin", from)),
            user_and_origin: self.hasher.hash_one(("user and origin", user, from)),
            user: self.hasher.hash_one(("user", user)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Whether the attempt queued up behind others of its origin.
    pub fn has_queued(&self) -> bool {
        self.place.is_some()
    }
}

impl Guess {
    /// Where `user` is to be proved from, after a turn that was given without or `has_queued`.
    pub fn new(
        failures: Arc<FailedSignIns>,
        from: Origin,
        user: UserName,
        limits: FailureLimits,
        has_queued: bool,
    ) -> Self {
        Self {
            failures,
            from,
            user,
            limits,
            has_queued,
            is_counted: AtomicBool::new(false),
        }
    }

    /// Whether its password may still be looked at. Many attempts are let through at once while all
    /// of them are free; those that come after too many of them failed have to queue up after all.
    /// That is once, so nobody is sent back again and again by the failures of others.
    pub fn may_start(&self) -> bool {
        self.has_queued || self.failures.is_free(self.from, &self.user, &self.limits)
    }

    /// The password was wrong, or the user may not come from there. Counts once.
    pub fn failed(&self) {
        if !self.is_counted.swap(true, Ordering::Relaxed) {
            let (failures, now) = (&self.failures, Instant::now());
            failures.failed(self.from, &self.user, now, &self.limits);
        }
    }

    /// The password was right.
    pub fn succeeded(&self) {
        self.failures.succeeded(self.from, &self.user);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some((failures, key)) = self.place
            && let Some(record) = failures.lock().get_mut(&key)
        {
            record.waiting = record.waiting.saturating_sub(1);
        }
    }
}

impl FailureLimits {
    fn delay_after(&self, failures: u32, free: u32) -> Duration {
        if free == 0 || failures < free {
            return Duration::ZERO;
        }
        let doubled = 1_u32.checked_shl(failures - free).unwrap_or(u32::MAX);
        self.delay.saturating_mul(doubled).min(self.delay_max)
    }
}

impl Record {
    fn failures_at(&self, now: Instant, limits: &FailureLimits) -> u32 {
        let elapsed = now.saturating_duration_since(self.failed_at).as_millis();
        let half_lives = elapsed / limits.half_life.as_millis().max(1);
        let half_lives = u32::try_from(half_lives).unwrap_or(u32::MAX);
        self.failures.checked_shr(half_lives).unwrap_or(0)
    }

    /// Whether forgetting it changes nothing.
    fn is_over(&self, now: Instant, limits: &FailureLimits) -> bool {
        self.waiting == 0 && self.last_turn <= now && self.failures_at(now, limits) == 0
    }
}

/// The record of `key`, made if there is none.
fn record<'a>(
    records: &'a mut HashMap<u64, Record>,
    key: u64,
    now: Instant,
    limits: &FailureLimits,
) -> &'a mut Record {
    if records.len() >= TRACKED_MAX && !records.contains_key(&key) {
        make_room(records, now, limits);
    }
    records.entry(key).or_insert(Record {
        failures: 0,
        failed_at: now,
        last_turn: now,
        waiting: 0,
    })
}

/// Forgets what is over, and of the rest an eighth if that is not enough: an eighth, so that it is
/// seldom needed. Those that wait stay; there are never more of them than connections.
fn make_room(records: &mut HashMap<u64, Record>, now: Instant, limits: &FailureLimits) {
    records.retain(|_, record| !record.is_over(now, limits));
    let eighth = TRACKED_MAX / 8;
    if records.len() <= TRACKED_MAX - eighth {
        return;
    }
    let mut times: Vec<Instant> = records.values().map(|record| record.failed_at).collect();
    let (_, newest_forgotten, _) = times.select_nth_unstable(eighth);
    let newest_forgotten = *newest_forgotten;
    let mut to_forget = eighth;
    records.retain(|_, record| {
        let stays = record.waiting > 0 || record.failed_at > newest_forgotten || to_forget == 0;
        to_forget -= usize::from(!stays);
        stays
    });
}
