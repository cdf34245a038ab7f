//! Telling every connection to stop.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;

/// Makes the two ends.
pub fn stop_channel() -> (StopSource, StopSignal) {
    let (sender, receiver) = watch::channel(());
    (StopSource(sender), StopSignal(receiver))
}

/// Gives the order. Dropping it is the order too.
#[derive(Debug)]
pub struct StopSource(watch::Sender<()>);

impl StopSource {
    /// Gives the order; again does nothing more.
    pub fn stop(&self) {
        self.0.send_modify(|()| ());
    }
}

/// Hears the order.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<()>);

impl StopSignal {
    /// Whether the order was given; takes no lock.
    pub fn is_stopping(&self) -> bool {
        !matches!(self.0.has_changed(), Ok(false))
    }

    /// Waits for the order; at once if it was given already.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        // A clone, because waiting marks the order as seen.
        let mut receiver = self.0.clone();
        async move {
            // An error means that the source is gone, which is the order as well.
            let _ = receiver.changed().await;
        }
    }
}

/// Waits for the order time and again in one task, at the price of one wait: all connections wait
/// for the same order, so each registration takes a lock that they share.
pub(super) struct Stopped {
    signal: StopSignal,
    order: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Who is registered to be woken by `order`.
    registered: Option<Waker>,
}

impl Stopped {
    pub(super) fn new(signal: StopSignal) -> Self {
        // Never put off for the sake of other tasks: then it would not be registered.
        let order = tokio::task::unconstrained(signal.stopped());
        Self {
            order: Box::pin(order),
            signal,
            registered: None,
        }
    }

    /// [`StopSignal::is_stopping`].
    pub(super) fn is_stopping(&self) -> bool {
        self.signal.is_stopping()
    }

    /// Waits for the order. May be dropped and called again at any time.
    pub(super) async fn wait(&mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_stopping() {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if self
            .registered
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            return Poll::Pending;
        }
        self.registered = Some(waker.clone());
        self.order.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_order_stays_given() {
        let (source, signal) = stop_channel();
        assert!(!signal.is_stopping());
        let waiting = signal.stopped();
        source.stop();
        waiting.await;
        signal.stopped().await;
        assert!(signal.is_stopping());
        assert!(signal.clone().is_stopping());
    }

    #[tokio::test]
    async fn who_waits_again_is_still_woken() {
        let (source, signal) = stop_channel();
        let mut stopped = Stopped::new(signal);
        for _ in 0..3 {
            let mut waiting = std::pin::pin!(stopped.wait());
            assert!(futures_util::poll!(&mut waiting).is_pending());
        }
        let waiting = tokio::spawn(async move { stopped.wait().await });
        tokio::task::yield_now().await;
        source.stop();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn dropping_the_source_is_the_order() {
        let (source, signal) = stop_channel();
        drop(source);
        signal.stopped().await;
        assert!(signal.is_stopping());
    }
}
