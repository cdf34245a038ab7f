//! Connections on which nobody has signed in yet, by origin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::origin::Origin;

/// How many there are.
#[derive(Debug, Default)]
pub struct UnauthenticatedConnections {
    counts: Mutex<HashMap<Origin, usize>>,
}

/// One of them, until dropped.
#[derive(Debug)]
pub struct UnauthenticatedPlace {
    all: Arc<UnauthenticatedConnections>,
    from: Origin,
}

impl UnauthenticatedConnections {
    /// A place for one more of `from`; `None` when `max` are taken.
    pub fn admit(self: &Arc<Self>, from: Origin, max: usize) -> Option<UnauthenticatedPlace> {
        let mut counts = self.lock();
        let count = counts.entry(from).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(UnauthenticatedPlace {
            all: Arc::clone(self),
            from,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnauthenticatedPlace {
    fn drop(&mut self) {
        let mut counts = self.all.lock();
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_by_origin_and_given_back() {
        let all = Arc::new(UnauthenticatedConnections::default());
        let origin = |last| Origin::of(Some([192, 0, 2, last].into()));
        let place = all.admit(origin(1), 1);
        assert!(place.is_some());
        assert!(all.admit(origin(1), 1).is_none());
        assert!(all.admit(origin(2), 1).is_some());
        drop(place);
        assert!(all.lock().is_empty());
        assert!(all.admit(origin(1), 1).is_some());
    }
}
