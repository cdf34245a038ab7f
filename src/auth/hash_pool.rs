//! A bounded pool of threads for slow hashing, so that it never runs where connections are served.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use tokio::sync::oneshot;

use super::origin::Origin;
use crate::model::names::UserName;

/// As many jobs wait as may; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct Overloaded;

/// On whose behalf a password is hashed, so that one alone cannot fill the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Who is signed in.
    User(UserName),
    /// Where a client comes from that nobody has signed in on.
    Stranger(Origin),
}

/// Threads of low priority with a bounded queue before them.
///
/// Dropping the pool forgets what is still queued and lets the threads end by themselves, without
/// waiting for them. (No caller loses a job by it: whoever waits in [`run`](Share::run) borrows the
/// pool.)
#[derive(Debug)]
pub struct HashPool {
    shared: Arc<Shared>,
}

/// A [`HashPool`] as one owner may use it.
#[derive(Debug, Clone)]
pub struct Share<'a> {
    pool: &'a HashPool,
    owner: Owner,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    queue_max: usize,
    queue_per_owner_max: usize,
}

#[derive(Default)]
struct State {
    of_users: VecDeque<(Owner, Box<dyn Job>)>,
    of_strangers: VecDeque<(Owner, Box<dyn Job>)>,
    /// Whether the last job was a user's: both kinds take turns, so that neither
    /// waits behind a flood of the other.
    was_of_user: bool,
    /// Threads that wait for a job.
    idle: usize,
    stopped: bool,
}

impl HashPool {
    /// Starts `threads` threads; at most `queue_max` jobs wait when all of them are busy, and of
    /// those at most `queue_per_owner_max` for one owner and half for all strangers together.
    ///
    /// Fails if the operating system refuses a thread.
    pub fn new(
        threads: NonZeroUsize,
        queue_max: usize,
        queue_per_owner_max: usize,
    ) -> io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared {
                // All count as idle from the start, or jobs of the first moment would be refused.
                state: Mutex::new(State {
                    idle: threads.get(),
                    ..State::default()
                }),
                wake: Condvar::new(),
                queue_max,
                queue_per_owner_max,
            }),
        };
        for _ in 0..threads.get() {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(String::from("hash"))
                .spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// The pool as one owner may use it.
    pub fn share_of(&self, owner: Owner) -> Share<'_> {
        Share { pool: self, owner }
    }

    /// Jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting()
    }
}

impl<'a> Share<'a> {
    /// Runs `job` on the pool and gives its result.
    ///
    /// A job whose caller has gone away before its turn is not run. A job that panics panics in its
    /// caller; the pool goes on.
    pub fn run<T: Send + 'static, Run: FnOnce() -> T + Send + 'static>(
        &self,
        job: Run,
    ) -> impl Future<Output = Result<T, Overloaded>> + Send + use<'a, T, Run> {
        let Self { pool, owner } = self.clone();
        async move {
            let (caller, result) = oneshot::channel();
            pool.shared.push(owner, Box::new(Task { job, caller }))?;
            match result.await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(panic)) => resume_unwind(panic),
                Err(_) => Err(Overloaded),
            }
        }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let forgotten = {
            let mut state = self.shared.lock();
            state.stopped = true;
            (
                std::mem::take(&mut state.of_users),
                std::mem::take(&mut state.of_strangers),
            )
        };
        self.shared.wake.notify_all();
        drop(forgotten);
    }
}

impl Shared {
    fn push(&self, owner: Owner, job: Box<dyn Job>) -> Result<(), Overloaded> {
        let mut state = self.lock();
        // A pushed job still counts as waiting until an idle thread has woken up and taken it.
        let places = state.idle.saturating_add(self.queue_max);
        let places_of_owner = state.idle.saturating_add(self.queue_per_owner_max);
        let places_of_strangers = state.idle.saturating_add(self.queue_max.div_ceil(2));
        let is_stranger = matches!(owner, Owner::Stranger(_));
        let is_full = |state: &State| {
            state.waiting() >= places
                || state.waiting_for(&owner) >= places_of_owner
                || is_stranger && state.of_strangers.len() >= places_of_strangers
        };
        if is_full(&state) {
            state.of_users.retain(|(_, job)| !job.abandoned());
            state.of_strangers.retain(|(_, job)| !job.abandoned());
        }
        if is_full(&state) {
            return Err(Overloaded);
        }
        let queue = state.queue_of(&owner);
        queue.push_back((owner, job));
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// What a thread does with its life.
    fn work(&self) {
        lower_priority();
        while let Some(job) = self.next() {
            // Before the caller hears of it, who may come with the next job at once.
            job.run(&|| self.lock().idle += 1);
        }
    }

    /// Waits for a job, as one of the idle; `None` once the pool is gone.
    fn next(&self) -> Option<Box<dyn Job>> {
        let mut state = self
            .wake
            .wait_while(self.lock(), |state| !state.stopped && state.waiting() == 0)
            .unwrap_or_else(PoisonError::into_inner);
        let job = state.take()?;
        state.idle = state.idle.saturating_sub(1);
        Some(job)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.of_users.len() + self.of_strangers.len()
    }

    fn waiting_for(&self, owner: &Owner) -> usize {
        let all = self.of_users.iter().chain(&self.of_strangers);
        all.filter(|(of, _)| of == owner).count()
    }

    fn queue_of(&mut self, owner: &Owner) -> &mut VecDeque<(Owner, Box<dyn Job>)> {
        match owner {
            Owner::User(_) => &mut self.of_users,
            Owner::Stranger(_) => &mut self.of_strangers,
        }
    }

    /// The next job: the oldest of the kind whose turn it is, or of the other if there is none.
    fn take(&mut self) -> Option<Box<dyn Job>> {
        let is_of_user =
            !self.of_users.is_empty() && (!self.was_of_user || self.of_strangers.is_empty());
        self.was_of_user = is_of_user;
        let queue = if is_of_user {
            &mut self.of_users
        } else {
            &mut self.of_strangers
        };
        queue.pop_front().map(|(_, job)| job)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("waiting", &self.waiting())
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// What the queue needs to know of a [`Task`] of any type.
trait Job: Send {
    fn abandoned(&self) -> bool;
    /// Runs the job, if somebody still wants it, then calls `done`, then replies.
    fn run(self: Box<Self>, done: &dyn Fn());
}

/// A job, and the way back to who wants its result.
struct Task<Run, T> {
    job: Run,
    caller: oneshot::Sender<Result<T, Box<dyn Any + Send>>>,
}

impl<Run, T> Job for Task<Run, T>
where
    Run: FnOnce() -> T + Send,
    T: Send,
{
    fn abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn run(self: Box<Self>, done: &dyn Fn()) {
        if self.abandoned() {
            return done();
        }
        let result = catch_unwind(AssertUnwindSafe(self.job));
        done();
        // The caller may have gone away meanwhile.
        let _ = self.caller.send(result);
    }
}

/// Makes way for the threads that serve connections. Where it is not allowed, nothing is lost but
/// some latency.
#[cfg(target_os = "linux")]
fn lower_priority() {
    use rustix::process::{getpriority_process, setpriority_process};

    /// Gives the pool about a tenth of a busy processor, and all of an idle one.
    const LOWER_BY: i32 = 10;
    const LOWEST: i32 = 19;

    // On Linux the id of a thread names that thread alone (setpriority(2), "C library/kernel
    // differences").
    let this_thread = Some(rustix::thread::gettid());
    if let Ok(niceness) = getpriority_process(this_thread) {
        let _ = setpriority_process(this_thread, (niceness + LOWER_BY).min(LOWEST));
    }
}

/// Elsewhere the call would lower the whole process.
#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
