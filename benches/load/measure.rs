//! Closed loops: each worker does one thing after the other, and what that took is written down.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::process::Process;

/// Operations one measurement writes down; more are counted and not written down.
const LATENCIES_MAX: usize = 4_000_000;
/// Share of a measurement that runs beforehand and does not count.
const WARM_UP: f64 = 0.2;

/// Something that can be done again and again.
pub trait Work: 'static {
    /// Does it once.
    fn once(&mut self) -> impl Future<Output = io::Result<()>>;

    /// What comes between two times; it does not count.
    fn pause(&mut self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// What came out of one or more measurements.
#[derive(Debug, Default, Clone)]
pub struct Sample {
    /// How often it was done.
    pub count: u64,
    /// In what time.
    pub elapsed: Duration,
    /// Processor time that the measured process spent.
    pub cpu: Duration,
    /// Nanoseconds of each.
    latencies: Vec<u32>,
}

struct Shared {
    is_counting: Cell<bool>,
    is_over: Cell<bool>,
    sample: RefCell<Sample>,
}

/// Lets all workers run for `duration` after a while of warming up.
pub async fn closed_loop<W: Work>(
    workers: Vec<W>,
    duration: Duration,
    process: &Process,
) -> io::Result<Sample> {
    let shared = Rc::new(Shared {
        is_counting: Cell::new(false),
        is_over: Cell::new(false),
        sample: RefCell::default(),
    });
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn_local(repeat(worker, Rc::clone(&shared)));
    }
    sleep(duration.mul_f64(WARM_UP)).await;
    let (began, cpu) = (Instant::now(), process.cpu()?);
    shared.is_counting.set(true);
    sleep(duration).await;
    shared.is_counting.set(false);
    let (elapsed, cpu) = (began.elapsed(), process.cpu()?.saturating_sub(cpu));
    shared.is_over.set(true);
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let mut sample = shared.sample.take();
    (sample.elapsed, sample.cpu) = (elapsed, cpu);
    Ok(sample)
}

/// Does something on a thread of its own, so that it does not wait for what else this process does, until
/// the result is called, which gives what was measured.
pub fn in_background<W: Work, Made: Future<Output = io::Result<W>>>(
    make: impl FnOnce() -> Made + Send + 'static,
) -> impl FnOnce() -> io::Result<Sample> {
    let (stop, stopped) = mpsc::channel::<()>();
    let running = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut worker = make().await?;
            let mut sample = Sample::default();
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                let began = Instant::now();
                worker.once().await?;
                sample.add(began.elapsed());
                worker.pause().await;
            }
            Ok(sample)
        })
    });
    move || {
        drop(stop);
        let ended = running.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("a thread has panicked")))
    }
}

async fn repeat<W: Work>(mut worker: W, shared: Rc<Shared>) -> io::Result<()> {
    while !shared.is_over.get() {
        let began = Instant::now();
        worker.once().await?;
        if shared.is_counting.get() {
            shared.sample.borrow_mut().add(began.elapsed());
        }
        worker.pause().await;
    }
    Ok(())
}

impl Sample {
    /// What was counted by other means.
    pub fn counted(count: u64, elapsed: Duration, cpu: Duration) -> Self {
        Self {
            count,
            elapsed,
            cpu,
            latencies: Vec::new(),
        }
    }

    fn add(&mut self, latency: Duration) {
        self.count += 1;
        if self.latencies.len() < LATENCIES_MAX {
            self.latencies
                .push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
        }
    }

    /// Adds another measurement of the same.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.elapsed += other.elapsed;
        self.cpu += other.cpu;
        self.latencies.extend(other.latencies);
    }

    /// Operations a second.
    pub fn per_second(&self) -> f64 {
        as_float(self.count) / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Processor time of one operation, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / as_float(self.count.max(1))
    }

    /// The time within which this many of a thousand were done, in microseconds.
    pub fn latency_micros(&self, per_mille: usize) -> f64 {
        let mut sorted = self.latencies.clone();
        let place = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
        if sorted.is_empty() {
            return 0.0;
        }
        let (_, latency, _) = sorted.select_nth_unstable(place);
        f64::from(*latency) / 1000.0
    }
}

/// Counts here stay far below 2^52.
#[allow(clippy::cast_precision_loss)]
pub fn as_float(count: u64) -> f64 {
    count as f64
}
