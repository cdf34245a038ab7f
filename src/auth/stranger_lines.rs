//! How much is written about who is refused. Most refusals cost a stranger nothing, and each could be a
//! line in the log and an event in the audit log, until the disk is full. Guesses at passwords are
//! counted for themselves, so that nobody can hide them behind refusals that are free.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::origin::Origin;

/// Lines and events about strangers of one origin that are written at once.
const LINES_AT_ONCE_MAX: u32 = 200;
/// How many more are, each second.
const LINES_PER_SECOND_MAX: u32 = 20;
/// Origins that are remembered.
const ORIGINS_MAX: usize = 65_536;

/// What a stranger was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A sign-in whose password was looked at.
    Guess,
    /// Anything else.
    Other,
}

/// Whether a line is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It is.
    Written,
    /// It is not, and it is the first such one since everything about its origin was written.
    FirstLeftOut,
    /// It is not.
    LeftOut,
}

/// What has been written about strangers of late.
#[derive(Debug, Default)]
pub struct StrangerLines {
    guesses: Origins,
    others: Origins,
}

#[derive(Debug, Default)]
struct Origins(Mutex<HashMap<Origin, Written>>);

#[derive(Debug, Clone, Copy)]
struct Written {
    /// When what was written would be written if nothing were written at once.
    until: Instant,
    is_left_out: bool,
}

impl StrangerLines {
    /// One more line about a stranger from there.
    pub fn take(&self, from: Origin, refusal: Refusal, now: Instant) -> Line {
        match refusal {
            Refusal::Guess => self.guesses.take(from, now),
            Refusal::Other => self.others.take(from, now),
        }
    }
}

impl Origins {
    fn take(&self, from: Origin, now: Instant) -> Line {
        let pause = Duration::from_secs(1) / LINES_PER_SECOND_MAX;
        let mut origins = self.lock();
        if origins.len() >= ORIGINS_MAX && !origins.contains_key(&from) {
            origins.retain(|_, written| written.until > now);
            if origins.len() >= ORIGINS_MAX {
                return Line::LeftOut;
            }
        }
        let nothing = Written {
            until: now,
            is_left_out: false,
        };
        let written = origins.entry(from).or_insert(nothing);
        if written.until <= now {
            *written = nothing;
        }
        if written.until + pause > now + pause * LINES_AT_ONCE_MAX {
            let is_told = std::mem::replace(&mut written.is_left_out, true);
            return if is_told {
                Line::LeftOut
            } else {
                Line::FirstLeftOut
            };
        }
        written.until += pause;
        Line::Written
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn origin(number: usize) -> Origin {
        let bits = u32::try_from(number).unwrap();
        Origin::of(Some(Ipv4Addr::from_bits(bits).into()))
    }

    #[test]
    fn some_are_written_at_once_and_then_some_each_second() {
        let lines = Origins::default();
        let begin = Instant::now();
        let taken = |at: Instant| {
            let taken = (0..500).map(|_| lines.take(origin(1), at));
            let counted = taken.filter(|line| *line == Line::Written).count();
            u32::try_from(counted).unwrap()
        };
        assert_eq!(taken(begin), LINES_AT_ONCE_MAX);
        assert_eq!(taken(begin), 0);
        let later = begin + Duration::from_secs(1);
        assert_eq!(taken(later), LINES_PER_SECOND_MAX);
        assert_eq!(lines.take(origin(2), later), Line::Written);
        assert_eq!(taken(later + Duration::from_mins(1)), LINES_AT_ONCE_MAX);
    }

    #[test]
    fn that_some_are_left_out_is_told_once() {
        let lines = Origins::default();
        let first_left_out = |at: Instant| {
            let taken = (0..=LINES_AT_ONCE_MAX).map(|_| lines.take(origin(1), at));
            taken.filter(|line| *line == Line::FirstLeftOut).count()
        };
        let begin = Instant::now();
        assert_eq!(first_left_out(begin), 1);
        assert_eq!(first_left_out(begin + Duration::from_secs(2)), 0);
        assert_eq!(first_left_out(begin + Duration::from_mins(1)), 1);
    }

    #[test]
    fn what_is_free_hides_no_guess() {
        let lines = StrangerLines::default();
        let now = Instant::now();
        let take = |refusal: Refusal| lines.take(origin(1), refusal, now);
        for _ in 0..LINES_AT_ONCE_MAX {
            assert_eq!(take(Refusal::Other), Line::Written);
        }
        assert_eq!(take(Refusal::Other), Line::FirstLeftOut);
        assert_eq!(take(Refusal::Guess), Line::Written);
    }

    #[test]
    fn origins_are_forgotten_once_they_are_quiet() {
        let lines = Origins::default();
        let begin = Instant::now();
        for number in 0..ORIGINS_MAX {
            assert_eq!(lines.take(origin(number), begin), Line::Written);
        }
        assert_eq!(lines.take(origin(ORIGINS_MAX), begin), Line::LeftOut);
        assert_eq!(lines.take(origin(7), begin), Line::Written);
        let later = begin + Duration::from_secs(1);
        assert_eq!(lines.take(origin(ORIGINS_MAX), later), Line::Written);
        assert_eq!(lines.lock().len(), 1);
    }
}
