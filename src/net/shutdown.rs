//! Telling every connection to stop.

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
    async fn dropping_the_source_is_the_order() {
        let (source, signal) = stop_channel();
        drop(source);
        signal.stopped().await;
        assert!(signal.is_stopping());
    }
}
