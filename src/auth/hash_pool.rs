//! A bounded pool of threads for slow hashing, so that it never runs where connections are served.

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use tokio::sync::oneshot;

/// As many jobs wait as may; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct Overloaded;

/// Threads of low priority with a bounded queue before them.
///
/// Dropping the pool forgets what is still queued and lets the threads end by themselves, without
/// waiting for them. (No caller loses a job by it: whoever waits in [`run`](Self::run) borrows the
/// pool.)
#[derive(Debug)]
pub struct HashPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    queue_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Box<dyn Job>>,
    /// Threads that wait for a job.
    idle: usize,
    stopped: bool,
}

impl HashPool {
    /// Starts `threads` threads; at most `queue_max` jobs wait when all of them are busy.
    ///
    /// Fails if the operating system refuses a thread.
    pub fn new(threads: NonZeroUsize, queue_max: usize) -> io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared {
                // All count as idle from the start, or jobs of the first moment would be refused.
                state: Mutex::new(State {
                    idle: threads.get(),
                    ..State::default()
                }),
                wake: Condvar::new(),
                queue_max,
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

    /// Runs `job` on the pool and gives its result.
    ///
    /// A job whose caller has gone away before its turn is not run. A job that panics panics in its
    /// caller; the pool goes on.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (caller, result) = oneshot::channel();
        self.shared.push(Box::new(Task { job, caller }))?;
        match result.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Overloaded),
        }
    }

    /// Jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.lock().queue.len()
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let forgotten = {
            let mut state = self.shared.lock();
            state.stopped = true;
            std::mem::take(&mut state.queue)
        };
        self.shared.wake.notify_all();
        drop(forgotten);
    }
}

impl Shared {
    fn push(&self, job: Box<dyn Job>) -> Result<(), Overloaded> {
        let mut state = self.lock();
        // A pushed job still counts as waiting until an idle thread has woken up and taken it.
        let places = state.idle.saturating_add(self.queue_max);
        if state.queue.len() >= places {
            state.queue.retain(|job| !job.abandoned());
        }
        if state.queue.len() >= places {
            return Err(Overloaded);
        }
        state.queue.push_back(job);
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
            .wait_while(self.lock(), |state| {
                !state.stopped && state.queue.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let job = state.queue.pop_front()?;
        state.idle = state.idle.saturating_sub(1);
        Some(job)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("waiting", &self.queue.len())
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Poll;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn pool(threads: usize, queue_max: usize) -> HashPool {
        HashPool::new(NonZeroUsize::new(threads).unwrap(), queue_max).unwrap()
    }

    /// A job that says when it has started and lasts until told to end.
    fn held() -> (impl FnOnce() + Send + 'static, Receiver<()>, Sender<()>) {
        let (started, wait_for_start) = channel();
        let (end, wait_for_end) = channel();
        let job = move || {
            started.send(()).unwrap();
            let _ = wait_for_end.recv_timeout(PATIENCE);
        };
        (job, wait_for_start, end)
    }

    async fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
        poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut future).poll(context))).await
    }

    #[tokio::test]
    async fn results_come_back_from_another_thread() {
        let pool = pool(2, 1);
        let thread = pool.run(|| thread::current().id()).await.unwrap();
        assert_ne!(thread, thread::current().id());
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn who_would_wait_beyond_the_limit_is_told_at_once() {
        let pool = pool(1, 1);
        let (job, started, end) = held();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_pending());
        started.recv_timeout(PATIENCE).unwrap();

        let mut waiting = pin!(pool.run(|| "had to wait"));
        assert!(poll_once(&mut waiting).await.is_pending());
        assert_eq!(pool.waiting(), 1);
        let mut refused = pin!(pool.run(|| "too late"));
        assert_eq!(poll_once(&mut refused).await, Poll::Ready(Err(Overloaded)));

        end.send(()).unwrap();
        assert_eq!(running.await, Ok(()));
        assert_eq!(waiting.await, Ok("had to wait"));
        assert_eq!(pool.run(|| "room again").await, Ok("room again"));
    }

    #[tokio::test]
    async fn without_a_queue_an_idle_thread_still_takes_a_job() {
        let pool = pool(1, 0);
        for _ in 0..3 {
            assert_eq!(pool.run(|| 1).await, Ok(1));
        }
    }

    #[tokio::test]
    async fn abandoned_jobs_are_skipped_and_give_up_their_place() {
        let pool = pool(1, 1);
        let (job, started, end) = held();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_pending());
        started.recv_timeout(PATIENCE).unwrap();

        let (ran, was_run) = channel();
        {
            let mut abandoned = pin!(pool.run(move || ran.send(()).unwrap()));
            assert!(poll_once(&mut abandoned).await.is_pending());
        }
        let mut waiting = pin!(pool.run(|| "in its place"));
        assert!(poll_once(&mut waiting).await.is_pending());
        end.send(()).unwrap();
        assert_eq!(waiting.await, Ok("in its place"));
        assert!(was_run.recv_timeout(PATIENCE).is_err());
    }

    #[tokio::test]
    async fn a_job_abandoned_in_the_queue_is_not_run() {
        let pool = pool(1, 2);
        let (job, started, end) = held();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_pending());
        started.recv_timeout(PATIENCE).unwrap();

        let (ran, was_run) = channel();
        {
            let mut abandoned = pin!(pool.run(move || ran.send(()).unwrap()));
            assert!(poll_once(&mut abandoned).await.is_pending());
        }
        assert_eq!(pool.waiting(), 1);
        end.send(()).unwrap();
        running.await.unwrap();
        pool.run(|| ()).await.unwrap();
        assert!(was_run.recv_timeout(PATIENCE).is_err());
    }

    #[tokio::test]
    async fn a_panic_reaches_its_caller_and_nobody_else() {
        let pool = Arc::new(pool(1, 1));
        let same_pool = Arc::clone(&pool);
        let caller = tokio::spawn(async move {
            let _ = same_pool.run(|| panic!("expected by a test")).await;
        });
        assert!(caller.await.unwrap_err().is_panic());
        for _ in 0..3 {
            assert_eq!(pool.run(|| "still here").await, Ok("still here"));
        }
    }

    #[tokio::test]
    async fn dropping_the_pool_ends_its_threads() {
        struct TellAtEnd(Sender<()>);
        impl Drop for TellAtEnd {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        thread_local! {
            static END_OF_THREAD: RefCell<Option<TellAtEnd>> = const { RefCell::new(None) };
        }

        let (tell, ended) = channel();
        let pool = pool(1, 1);
        pool.run(move || END_OF_THREAD.set(Some(TellAtEnd(tell))))
            .await
            .unwrap();
        drop(pool);
        ended.recv_timeout(PATIENCE).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn threads_have_a_lower_priority_and_the_process_keeps_its_own() {
        let niceness =
            || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = niceness();
        let pool = pool(1, 1);
        let of_pool = pool.run(niceness).await.unwrap();
        assert!(of_pool > before || before == 19);
        assert_eq!(niceness(), before);
    }
}
