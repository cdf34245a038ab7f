//! What strangers have sent and is not answered yet. A message is read before its sender is asked for a
//! password, as Milvus does, so there is a limit on all of them together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::origin::Origin;

/// Bytes of metadata and messages of all strangers.
const STRANGER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of those of one origin: a thousand calls, and many origins until there is no room for others.
const ORIGIN_BYTES_MAX: usize = 1024 * 1024;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct StrangerBytes {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_origin: HashMap<Origin, usize>,
}

/// What one call has of it, until dropped.
#[derive(Debug)]
pub(super) struct CallBytes {
    all: Arc<StrangerBytes>,
    /// Where it comes from if the limits of one address count for it.
    from: Option<Origin>,
    taken: Mutex<usize>,
}

impl CallBytes {
    /// None yet.
    pub(super) fn new(all: Arc<StrangerBytes>, from: Option<Origin>) -> Self {
        Self {
            all,
            from,
            taken: Mutex::new(0),
        }
    }

    /// Whether there is room for so many more.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let mut all = lock(&self.all.taken);
        let has_room = |taken: usize, max: usize| taken.saturating_add(bytes) <= max;
        let origin_has_room = self.from.is_none_or(|from| {
            let of_origin = all.by_origin.get(&from).copied();
            has_room(of_origin.unwrap_or_default(), ORIGIN_BYTES_MAX)
        });
        if !origin_has_room || !has_room(all.all, STRANGER_BYTES_MAX) {
            return false;
        }
        all.all += bytes;
        if let Some(from) = self.from {
            *all.by_origin.entry(from).or_default() += bytes;
        }
        *lock(&self.taken) += bytes;
        true
    }
}

impl Drop for CallBytes {
    fn drop(&mut self) {
        let bytes = *lock(&self.taken);
        let mut all = lock(&self.all.taken);
        all.all = all.all.saturating_sub(bytes);
        if let Some(from) = self.from
            && let Some(of_origin) = all.by_origin.get_mut(&from)
        {
            *of_origin = of_origin.saturating_sub(bytes);
            if *of_origin == 0 {
                all.by_origin.remove(&from);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::of(Some(Ipv4Addr::new(192, 0, 2, last).into()))
    }

    #[test]
    fn one_origin_has_a_part_and_all_have_an_end() {
        let all = Arc::new(StrangerBytes::default());
        let call = |from: Option<Origin>| CallBytes::new(Arc::clone(&all), from);
        let calls: Vec<_> = (0..64).map(|last| call(Some(origin(last)))).collect();
        for one in &calls {
            assert!(one.take(ORIGIN_BYTES_MAX - 1));
            assert!(!one.take(2));
            assert!(one.take(1));
        }
        assert!(!call(Some(origin(0))).take(1));
        assert!(!call(Some(origin(99))).take(1));
        assert!(!call(None).take(1));
        drop(calls);
        assert!(lock(&all.taken).by_origin.is_empty());
        let one = call(None);
        assert!(one.take(STRANGER_BYTES_MAX));
        assert!(!one.take(1));
        drop(one);
        assert_eq!(lock(&all.taken).all, 0);
    }
}
