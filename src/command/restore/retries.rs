//! Inserts that a client repeats because it does not know what came of them (driver specification
//! "Retryable Writes").
//!
//! What was inserted is remembered by session, number of the write and place of the document, as long
//! as the documents themselves: in memory, on this member.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;
use uuid::Uuid;

use super::transient::TRANSIENT_IDLE_MAX;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::UserName;

/// Sessions whose last write is remembered; the one that was not used for longest makes room.
const RETRYABLE_SESSIONS_MAX: usize = 1_000;
/// Documents of all those writes together.
const RETRYABLE_STATEMENTS_MAX: usize = 200_000;

/// A write that may come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RetryableWrite {
    pub(super) session: SessionKey,
    /// `txnNumber`: a higher one ends what is remembered of lower ones.
    pub(super) number: i64,
}

/// Who writes, in which session: users cannot meet in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) user: Option<UserName>,
    pub(super) id: Uuid,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Retries {
    sessions: HashMap<SessionKey, LastWrite>,
    statements: usize,
}

#[derive(Debug)]
struct LastWrite {
    number: i64,
    done: HashSet<usize>,
    last_used: Instant,
}

impl Retries {
    /// Whether this statement of the write was done before.
    ///
    /// # Errors
    /// 225 if a later write of the session has begun.
    pub(super) fn is_done(
        &mut self,
        write: &RetryableWrite,
        statement: usize,
    ) -> Result<bool, CommandError> {
        let last = self.last_write(write)?;
        Ok(last.done.contains(&statement))
    }

    /// Remembers that this statement of the write is done.
    ///
    /// # Errors
    /// 225, as above.
    pub(super) fn done(
        &mut self,
        write: &RetryableWrite,
        statement: usize,
    ) -> Result<(), CommandError> {
        while self.statements >= RETRYABLE_STATEMENTS_MAX {
            if !self.forget_one_except(&write.session) {
                // One write with more documents than both collections hold.
                return Ok(());
            }
        }
        if self.last_write(write)?.done.insert(statement) {
            self.statements += 1;
        }
        Ok(())
    }

    /// Forgets what was not used for long; whether anything is left.
    pub(super) fn forget_idle(&mut self, now: Instant) -> bool {
        self.sessions
            .retain(|_, last| now.duration_since(last.last_used) < TRANSIENT_IDLE_MAX);
        self.statements = self.sessions.values().map(|last| last.done.len()).sum();
        !self.sessions.is_empty()
    }

    /// What is remembered of the write; nothing if it is the first of its number.
    fn last_write(&mut self, write: &RetryableWrite) -> Result<&mut LastWrite, CommandError> {
        if !self.sessions.contains_key(&write.session) {
            while self.sessions.len() >= RETRYABLE_SESSIONS_MAX {
                self.forget_one_except(&write.session);
            }
        }
        let now = Instant::now();
        let key = write.session.clone();
        let last = self.sessions.entry(key).or_insert_with(|| LastWrite {
            number: write.number,
            done: HashSet::new(),
            last_used: now,
        });
        if last.number > write.number {
            return Err(too_old(write, last.number));
        }
        if last.number < write.number {
            last.number = write.number;
            self.statements -= last.done.len();
            last.done = HashSet::new();
        }
        last.last_used = now;
        Ok(last)
    }

    /// Forgets the session that was not used for longest; false if there is no other.
    fn forget_one_except(&mut self, kept: &SessionKey) -> bool {
        let others = self.sessions.iter().filter(|(key, _)| *key != kept);
        let oldest = others.min_by_key(|(_, last)| last.last_used);
        let oldest = oldest.map(|(key, _)| key.clone());
        let forgotten = oldest.and_then(|key| self.sessions.remove(&key));
        if let Some(last) = &forgotten {
            self.statements -= last.done.len();
        }
        forgotten.is_some()
    }
}

fn too_old(write: &RetryableWrite, newer: i64) -> CommandError {
    let RetryableWrite { session, number } = write;
    CommandError::new(
        ErrorCode::TRANSACTION_TOO_OLD,
        format!(
            "Retryable write with txnNumber {number} is prohibited on session {} because a newer \
             retryable write with txnNumber {newer} has already started on this session.",
            session.id
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(session: u128, number: i64) -> RetryableWrite {
        let session = SessionKey {
            user: None,
            id: Uuid::from_u128(session),
        };
        RetryableWrite { session, number }
    }

    #[tokio::test]
    async fn a_statement_is_done_once() {
        let mut retries = Retries::default();
        let first = write(1, 5);
        assert!(!retries.is_done(&first, 0).unwrap());
        retries.done(&first, 0).unwrap();
        assert!(retries.is_done(&first, 0).unwrap());
        assert!(!retries.is_done(&first, 1).unwrap());
        assert!(
            !retries.is_done(&write(2, 5), 0).unwrap(),
            "of another session"
        );
        assert!(
            !retries.is_done(&write(1, 6), 0).unwrap(),
            "of another write"
        );
        let refused = retries.is_done(&first, 0).unwrap_err();
        let text = "Retryable write with txnNumber 5 is prohibited on session \
                    00000000-0000-0000-0000-000000000001 because a newer retryable write with \
                    txnNumber 6 has already started on this session.";
        assert_eq!((refused.code.0, refused.message.as_str()), (225, text));
    }

    #[tokio::test]
    async fn sessions_of_two_users_are_two() {
        let mut retries = Retries::default();
        let of = |user: &str| RetryableWrite {
            session: SessionKey {
                user: UserName::new(user, crate::model::names::DbName::ADMIN).ok(),
                id: Uuid::from_u128(1),
            },
            number: 1,
        };
        retries.done(&of("a"), 0).unwrap();
        assert!(!retries.is_done(&of("b"), 0).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_session_makes_room() {
        let mut retries = Retries::default();
        for session in 0..=RETRYABLE_SESSIONS_MAX as u128 {
            retries.done(&write(session, 1), 0).unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(retries.sessions.len(), RETRYABLE_SESSIONS_MAX);
        assert_eq!(retries.statements, RETRYABLE_SESSIONS_MAX);
        assert!(!retries.sessions.contains_key(&write(0, 1).session));
        assert!(retries.is_done(&write(1, 1), 0).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn statements_are_bounded_too() {
        let mut retries = Retries::default();
        retries.done(&write(1, 1), 0).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        for statement in 0..=RETRYABLE_STATEMENTS_MAX {
            retries.done(&write(2, 1), statement).unwrap();
        }
        assert_eq!(retries.statements, RETRYABLE_STATEMENTS_MAX);
        assert!(!retries.sessions.contains_key(&write(1, 1).session));
        assert!(!retries.is_done(&write(2, 2), 0).unwrap());
        assert_eq!(retries.statements, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_is_forgotten() {
        let mut retries = Retries::default();
        retries.done(&write(1, 1), 0).unwrap();
        tokio::time::advance(TRANSIENT_IDLE_MAX / 2).await;
        assert!(retries.forget_idle(Instant::now()));
        tokio::time::advance(TRANSIENT_IDLE_MAX / 2).await;
        assert!(!retries.forget_idle(Instant::now()));
        assert_eq!(retries.statements, 0);
    }
}
