//! What runs, what waits and what is refused.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::model::names::DbName;

const PATIENCE: Duration = Duration::from_secs(30);

fn pool(threads: usize, queue_max: usize) -> HashPool {
    HashPool::new(NonZeroUsize::new(threads).unwrap(), queue_max, queue_max).unwrap()
}

fn owner() -> Owner {
    user("ann")
}

fn user(name: &str) -> Owner {
    Owner::User(UserName::new(name, DbName::ADMIN).unwrap())
}

fn stranger(last: u8) -> Owner {
    Owner::Stranger(Origin::of(Some([192, 0, 2, last].into())))
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
    let thread = pool
        .share_of(owner())
        .run(|| thread::current().id())
        .await
        .unwrap();
    assert_ne!(thread, thread::current().id());
    assert_eq!(pool.share_of(owner()).run(|| 6 * 7).await, Ok(42));
}

#[tokio::test]
async fn who_would_wait_beyond_the_limit_is_told_at_once() {
    let pool = pool(1, 1);
    let (job, started, end) = held();
    let mut running = pin!(pool.share_of(owner()).run(job));
    assert!(poll_once(&mut running).await.is_pending());
    started.recv_timeout(PATIENCE).unwrap();

    let mut waiting = pin!(pool.share_of(owner()).run(|| "had to wait"));
    assert!(poll_once(&mut waiting).await.is_pending());
    assert_eq!(pool.waiting(), 1);
    let mut refused = pin!(pool.share_of(owner()).run(|| "too late"));
    assert_eq!(poll_once(&mut refused).await, Poll::Ready(Err(Overloaded)));

    end.send(()).unwrap();
    assert_eq!(running.await, Ok(()));
    assert_eq!(waiting.await, Ok("had to wait"));
    assert_eq!(
        pool.share_of(owner()).run(|| "room again").await,
        Ok("room again")
    );
}

#[tokio::test]
async fn one_owner_leaves_places_for_others() {
    let threads = NonZeroUsize::new(1).unwrap();
    let pool = HashPool::new(threads, 2, 1).unwrap();
    let (job, started, end) = held();
    let mut running = pin!(pool.share_of(owner()).run(job));
    assert!(poll_once(&mut running).await.is_pending());
    started.recv_timeout(PATIENCE).unwrap();

    let mut first = pin!(pool.share_of(owner()).run(|| "first"));
    assert!(poll_once(&mut first).await.is_pending());
    let mut refused = pin!(pool.share_of(owner()).run(|| "second"));
    assert_eq!(poll_once(&mut refused).await, Poll::Ready(Err(Overloaded)));
    let mut of_other = pin!(pool.share_of(user("bob")).run(|| "of another"));
    assert!(poll_once(&mut of_other).await.is_pending());

    end.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(first.await, Ok("first"));
    assert_eq!(of_other.await, Ok("of another"));
}

#[tokio::test]
async fn strangers_have_half_of_the_queue_and_no_user_waits_behind_them_all() {
    let threads = NonZeroUsize::new(1).unwrap();
    let pool = HashPool::new(threads, 4, 4).unwrap();
    let (job, started, end) = held();
    let mut running = pin!(pool.share_of(owner()).run(job));
    assert!(poll_once(&mut running).await.is_pending());
    started.recv_timeout(PATIENCE).unwrap();

    let (ran, order) = channel();
    let job_of = |name: &'static str| {
        let ran = ran.clone();
        move || ran.send(name).unwrap()
    };
    let mut first = pin!(pool.share_of(stranger(1)).run(job_of("first stranger")));
    let mut second = pin!(pool.share_of(stranger(2)).run(job_of("second stranger")));
    assert!(poll_once(&mut first).await.is_pending());
    assert!(poll_once(&mut second).await.is_pending());
    let mut refused = pin!(pool.share_of(stranger(3)).run(|| ()));
    assert_eq!(poll_once(&mut refused).await, Poll::Ready(Err(Overloaded)));
    let mut of_ann = pin!(pool.share_of(user("ann")).run(job_of("ann")));
    let mut of_bob = pin!(pool.share_of(user("bob")).run(job_of("bob")));
    assert!(poll_once(&mut of_ann).await.is_pending());
    assert!(poll_once(&mut of_bob).await.is_pending());

    end.send(()).unwrap();
    running.await.unwrap();
    for done in [first.await, second.await, of_ann.await, of_bob.await] {
        done.unwrap();
    }
    let order: Vec<_> = order.try_iter().collect();
    assert_eq!(order, ["first stranger", "ann", "second stranger", "bob"]);
}

#[tokio::test]
async fn without_a_queue_an_idle_thread_still_takes_a_job() {
    let pool = pool(1, 0);
    for _ in 0..3 {
        assert_eq!(pool.share_of(owner()).run(|| 1).await, Ok(1));
    }
}

#[tokio::test]
async fn abandoned_jobs_are_skipped_and_give_up_their_place() {
    let pool = pool(1, 1);
    let (job, started, end) = held();
    let mut running = pin!(pool.share_of(owner()).run(job));
    assert!(poll_once(&mut running).await.is_pending());
    started.recv_timeout(PATIENCE).unwrap();

    let (ran, was_run) = channel();
    {
        let mut abandoned = pin!(pool.share_of(owner()).run(move || ran.send(()).unwrap()));
        assert!(poll_once(&mut abandoned).await.is_pending());
    }
    let mut waiting = pin!(pool.share_of(owner()).run(|| "in its place"));
    assert!(poll_once(&mut waiting).await.is_pending());
    end.send(()).unwrap();
    assert_eq!(waiting.await, Ok("in its place"));
    assert!(was_run.recv_timeout(PATIENCE).is_err());
}

#[tokio::test]
async fn a_job_abandoned_in_the_queue_is_not_run() {
    let pool = pool(1, 2);
    let (job, started, end) = held();
    let mut running = pin!(pool.share_of(owner()).run(job));
    assert!(poll_once(&mut running).await.is_pending());
    started.recv_timeout(PATIENCE).unwrap();

    let (ran, was_run) = channel();
    {
        let mut abandoned = pin!(pool.share_of(owner()).run(move || ran.send(()).unwrap()));
        assert!(poll_once(&mut abandoned).await.is_pending());
    }
    assert_eq!(pool.waiting(), 1);
    end.send(()).unwrap();
    running.await.unwrap();
    pool.share_of(owner()).run(|| ()).await.unwrap();
    assert!(was_run.recv_timeout(PATIENCE).is_err());
}

#[tokio::test]
async fn a_panic_reaches_its_caller_and_nobody_else() {
    let pool = Arc::new(pool(1, 1));
    let same_pool = Arc::clone(&pool);
    let caller = tokio::spawn(async move {
        let _ = same_pool
            .share_of(owner())
            .run(|| panic!("expected by a test"))
            .await;
    });
    assert!(caller.await.unwrap_err().is_panic());
    for _ in 0..3 {
        assert_eq!(
            pool.share_of(owner()).run(|| "still here").await,
            Ok("still here")
        );
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
    pool.share_of(owner())
        .run(move || END_OF_THREAD.set(Some(TellAtEnd(tell))))
        .await
        .unwrap();
    drop(pool);
    ended.recv_timeout(PATIENCE).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_have_a_lower_priority_and_the_process_keeps_its_own() {
    let niceness = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let before = niceness();
    let pool = pool(1, 1);
    let of_pool = pool.share_of(owner()).run(niceness).await.unwrap();
    assert!(of_pool > before || before == 19);
    assert_eq!(niceness(), before);
}
