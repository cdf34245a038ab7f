//! A store that fails when told to.

use std::sync::Mutex;

use portcullis::store::{Change, MemoryStore, Sequence, Store, StoreError};

/// Works until the Nth commit, which fails and poisons the store.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    kept: MemoryStore,
    commits_left: Mutex<u32>,
}

impl FaultyStore {
    /// Lets `commits` through.
    pub(crate) fn failing_after(commits: u32) -> Self {
        Self {
            kept: MemoryStore::new(),
            commits_left: Mutex::new(commits + 1),
        }
    }

    pub(crate) fn failure() -> StoreError {
        StoreError::Io {
            path: "faulty".into(),
            reason: "as told".into(),
        }
    }

    pub(crate) fn poisoned() -> StoreError {
        StoreError::Poisoned(Box::new(Self::failure()))
    }
}

impl Store for FaultyStore {
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        let mut left = self.commits_left.lock().unwrap();
        match *left {
            0 => Err(Self::poisoned()),
            1 => {
                *left = 0;
                Err(Self::failure())
            }
            _ => {
                *left -= 1;
                self.kept.commit(batch)
            }
        }
    }

    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        self.kept.replay(sink)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "faulty"
    }
}
