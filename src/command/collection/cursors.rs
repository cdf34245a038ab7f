//! Cursors: what is left of an answer that comes in several batches.
//!
//! A cursor belongs to the user who opened it, not to a connection, as with mongod. It shows users
//! and roles as they were when it was opened: each at most once and whole, whatever changes
//! meanwhile. What it keeps is counted, and ends with the last batch, `killCursors` or
//! `cursorTimeoutMillis` without a `getMore`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::rows::Rows;
use crate::authz::Need;
use crate::command::services::internal_error;
use crate::config::parameters::Parameters;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::UserName;

/// Open cursors of all users.
const CURSORS_MAX: usize = 1024;
/// Open cursors of one user.
const CURSORS_PER_USER_MAX: usize = 256;
/// Bytes that all open cursors keep together, without what the catalog has anyway.
const CURSOR_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How often idle cursors are looked for, as with mongod.
const SWEEP_INTERVAL: Duration = Duration::from_secs(4);

/// All open cursors.
#[derive(Debug)]
pub struct Cursors {
    parameters: Arc<Parameters>,
    slots: Mutex<Slots>,
}

/// Where a cursor comes from, and who may read on.
#[derive(Debug)]
pub(super) struct Origin {
    /// `db.collection`.
    pub(super) namespace: String,
    /// Who opened it; nobody without authorization.
    pub(super) owner: Option<Owner>,
    /// The bytes of the `lsid` of the command that opened it.
    pub(super) session: Option<Vec<u8>>,
    /// What that command took, and what reading on takes.
    pub(super) needs: Vec<Need>,
}

/// A user, who is another one if it was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: UserName,
    /// `None` for one that is nowhere but in its certificate: the name is all there is of it.
    pub(super) user_id: Option<uuid::Uuid>,
}

/// A cursor that is being read from. Unless it is put back, it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Pinned<'a> {
    cursors: &'a Cursors,
    id: i64,
    is_put_back: bool,
}

#[derive(Debug, Default)]
struct Slots {
    by_id: HashMap<i64, Slot>,
    bytes: usize,
    timed_out: u64,
    is_swept: bool,
}

#[derive(Debug)]
struct Slot {
    origin: Arc<Origin>,
    /// `None` while somebody reads.
    rows: Option<Rows>,
    bytes: usize,
    last_used: Instant,
}

impl Cursors {
    /// None yet.
    pub fn new(parameters: Arc<Parameters>) -> Self {
        Self {
            parameters,
            slots: Mutex::default(),
        }
    }

    /// How many are open, how many of them are being read from, and how many have timed out so far.
    pub fn counts(&self) -> (usize, usize, u64) {
        let slots = self.lock();
        let pinned = slots.by_id.values().filter(|slot| slot.rows.is_none());
        (slots.by_id.len(), pinned.count(), slots.timed_out)
    }

    /// Keeps rows; the id they are asked for by.
    ///
    /// # Errors
    /// 96 beyond [`CURSORS_MAX`] and [`CURSORS_PER_USER_MAX`], 146 beyond [`CURSOR_BYTES_MAX`].
    pub(super) fn open(self: &Arc<Self>, origin: Origin, rows: Rows) -> Result<i64, CommandError> {
        let bytes = rows.byte_count();
        let mut slots = self.lock();
        let of_owner = slots
            .by_id
            .values()
            .filter(|slot| slot.origin.owner == origin.owner);
        if slots.by_id.len() >= CURSORS_MAX || of_owner.count() >= CURSORS_PER_USER_MAX {
            return Err(CommandError::new(
                ErrorCode::OPERATION_FAILED,
                "Too many cursors are open; read them to their end or close them",
            ));
        }
        if slots.bytes.saturating_add(bytes) > CURSOR_BYTES_MAX {
            return Err(CommandError::new(
                ErrorCode::EXCEEDED_MEMORY_LIMIT,
                format!("Open cursors would keep more than {CURSOR_BYTES_MAX} bytes"),
            ));
        }
        let id = slots.free_id()?;
        slots.bytes += bytes;
        slots.by_id.insert(
            id,
            Slot {
                origin: Arc::new(origin),
                rows: Some(rows),
                bytes,
                last_used: Instant::now(),
            },
        );
        if !std::mem::replace(&mut slots.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Ok(id)
    }

    /// Takes a cursor to read from it, if `check` has nothing against it.
    ///
    /// # Errors
    /// 43 if there is none, 12051 if somebody reads from it, and those of `check`.
    pub(super) fn pin(
        &self,
        id: i64,
        check: impl FnOnce(&Origin) -> Result<(), CommandError>,
    ) -> Result<(Pinned<'_>, Rows), CommandError> {
        let mut slots = self.lock();
        let Some(slot) = slots.by_id.get_mut(&id) else {
            return Err(CommandError::new(
                ErrorCode::CURSOR_NOT_FOUND,
                format!("cursor id {id} not found"),
            ));
        };
        check(&slot.origin)?;
        let Some(rows) = slot.rows.take() else {
            return Err(CommandError::new(
                ErrorCode::CURSOR_IN_USE,
                format!("cursor id {id} is already in use"),
            ));
        };
        let pinned = Pinned {
            cursors: self,
            id,
            is_put_back: false,
        };
        Ok((pinned, rows))
    }

    /// Where a cursor comes from, if it is open.
    pub(super) fn origin(&self, id: i64) -> Option<Arc<Origin>> {
        self.lock()
            .by_id
            .get(&id)
            .map(|slot| Arc::clone(&slot.origin))
    }

    /// Closes a cursor, also while somebody reads from it; whether it was open.
    pub(in crate::command) fn kill(&self, id: i64) -> bool {
        // What it kept is let go of after the lock.
        let removed = self.lock().remove(id);
        removed.is_some()
    }

    /// Closes cursors that nobody has read from for long; whether any are left.
    fn close_idle(&self) -> bool {
        let timeout = self.parameters.cursor_timeout();
        let mut removed = Vec::new();
        let mut slots = self.lock();
        let is_idle = |slot: &Slot| {
            let limit = slot.rows.as_ref().map(|rows| rows.idle_limit(timeout));
            limit.is_some_and(|limit| slot.last_used.elapsed() >= limit)
        };
        let idle = slots.by_id.iter().filter(|(_, slot)| is_idle(slot));
        let idle: Vec<i64> = idle.map(|(id, _)| *id).collect();
        for id in idle {
            removed.extend(slots.remove(id));
            slots.timed_out += 1;
        }
        slots.is_swept = !slots.by_id.is_empty();
        slots.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the last cursor.
async fn sweep(cursors: Weak<Cursors>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        if !cursors
            .upgrade()
            .is_some_and(|cursors| cursors.close_idle())
        {
            return;
        }
    }
}

impl Pinned<'_> {
    /// Lets others read on.
    ///
    /// # Errors
    /// 237 if the cursor was killed meanwhile.
    pub(super) fn put_back(mut self, rows: Rows) -> Result<(), CommandError> {
        let bytes = rows.byte_count();
        let mut slots = self.cursors.lock();
        self.is_put_back = true;
        let Some(slot) = slots.by_id.get_mut(&self.id) else {
            return Err(CommandError::new(
                ErrorCode::CURSOR_KILLED,
                "the cursor was killed while it was read from",
            ));
        };
        let before = std::mem::replace(&mut slot.bytes, bytes);
        slot.rows = Some(rows);
        slot.last_used = Instant::now();
        slots.bytes = slots.bytes.saturating_sub(before).saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        if !self.is_put_back {
            self.cursors.lock().remove(self.id);
        }
    }
}

impl Slots {
    fn remove(&mut self, id: i64) -> Option<Slot> {
        let slot = self.by_id.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(slot.bytes);
        Some(slot)
    }

    /// Random, positive, and nobody's yet.
    fn free_id(&self) -> Result<i64, CommandError> {
        loop {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|error| internal_error("a cursor's id", &error))?;
            let id = i64::from_le_bytes(bytes) & i64::MAX;
            if id != 0 && !self.by_id.contains_key(&id) {
                return Ok(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::model::names::DbName;

    fn cursors() -> Arc<Cursors> {
        Arc::new(Cursors::new(Arc::new(Parameters::default())))
    }

    fn origin(owner: &str) -> Origin {
        let name = UserName::new(owner, DbName::ADMIN).unwrap();
        let user_id = Some(uuid::Uuid::from_u128(1));
        Origin {
            namespace: "admin.system.users".into(),
            owner: Some(Owner { name, user_id }),
            session: None,
            needs: Vec::new(),
        }
    }

    fn rows(bytes: usize) -> Rows {
        Rows::of_documents([rawdoc! { "text": "x".repeat(bytes) }])
    }

    fn code<T>(result: Result<T, CommandError>) -> i32 {
        result.map(drop).unwrap_err().code.0
    }

    #[tokio::test]
    async fn a_cursor_is_read_by_one_at_a_time() {
        let cursors = cursors();
        let id = cursors.open(origin("ann"), rows(1)).unwrap();
        assert!(id > 0);
        let (pinned, rows) = cursors.pin(id, |_| Ok(())).unwrap();
        assert_eq!(code(cursors.pin(id, |_| Ok(()))), 12_051);
        assert_eq!(cursors.counts(), (1, 1, 0));
        pinned.put_back(rows).unwrap();
        let (pinned, _) = cursors.pin(id, |_| Ok(())).unwrap();
        drop(pinned);
        assert_eq!(code(cursors.pin(id, |_| Ok(()))), 43);
        assert_eq!(cursors.counts(), (0, 0, 0));
        assert_eq!(cursors.lock().bytes, 0);
    }

    #[tokio::test]
    async fn who_may_not_read_takes_nothing_away() {
        let cursors = cursors();
        let id = cursors.open(origin("ann"), rows(1)).unwrap();
        let denied = |_: &Origin| Err(CommandError::bad_value("no"));
        assert_eq!(code(cursors.pin(id, denied)), 2);
        assert!(cursors.pin(id, |_| Ok(())).is_ok());
    }

    #[tokio::test]
    async fn a_cursor_killed_while_it_is_read_does_not_come_back() {
        let cursors = cursors();
        let id = cursors.open(origin("ann"), rows(1)).unwrap();
        let (pinned, rows) = cursors.pin(id, |_| Ok(())).unwrap();
        assert!(cursors.kill(id));
        assert!(!cursors.kill(id));
        assert_eq!(code(pinned.put_back(rows)), 237);
        assert_eq!(cursors.lock().bytes, 0);
    }

    #[tokio::test]
    async fn numbers_and_bytes_have_an_end() {
        let cursors = cursors();
        for _ in 0..CURSORS_PER_USER_MAX {
            cursors.open(origin("ann"), rows(1)).unwrap();
        }
        assert_eq!(code(cursors.open(origin("ann"), rows(1))), 96);
        let half = CURSOR_BYTES_MAX / 2;
        let first = cursors.open(origin("bob"), rows(half)).unwrap();
        assert_eq!(code(cursors.open(origin("bob"), rows(half))), 146);
        cursors.kill(first);
        cursors.open(origin("bob"), rows(half)).unwrap();
        for user in ["cid", "dan", "eve", "fay"] {
            for _ in 0..CURSORS_PER_USER_MAX {
                let _ = cursors.open(origin(user), rows(1));
            }
        }
        assert_eq!(cursors.counts().0, CURSORS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_cursors_are_closed() {
        let cursors = cursors();
        let timeout = cursors.parameters.cursor_timeout();
        let idle = cursors.open(origin("ann"), rows(1)).unwrap();
        let busy = cursors.open(origin("ann"), rows(1)).unwrap();
        let (pinned, held) = cursors.pin(busy, |_| Ok(())).unwrap();
        tokio::time::sleep(timeout / 2).await;
        assert_eq!(cursors.counts(), (2, 1, 0));
        tokio::time::sleep(timeout).await;
        assert!(cursors.origin(idle).is_none());
        assert_eq!(cursors.counts(), (1, 1, 1));
        pinned.put_back(held).unwrap();
        tokio::time::sleep(timeout + 2 * SWEEP_INTERVAL).await;
        assert_eq!(cursors.counts(), (0, 0, 2));
        // Whoever opens another one is watched again.
        cursors.open(origin("ann"), rows(1)).unwrap();
        tokio::time::sleep(timeout + 2 * SWEEP_INTERVAL).await;
        assert_eq!(cursors.counts(), (0, 0, 3));
    }
}
