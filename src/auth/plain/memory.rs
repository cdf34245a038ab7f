//! The memory that Argon2 runs in. Each thread keeps what its last run took.
//!
//! Given back after each run, megabytes at a time, it would leave holes that other allocations spoil:
//! under a flood of passwords a process grows to many times what is in use. What stays in it is no
//! password, and the next run overwrites it.

use std::cell::RefCell;

use argon2::{Argon2, Block, Error, Result};

thread_local! {
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// One run of `argon2`; the hash is as long as `hash` is.
pub(super) fn run(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> Result<()> {
    let count = argon2.params().block_count();
    BLOCKS.with_borrow_mut(|blocks| {
        if blocks.len() != count {
            // The old ones go first.
            *blocks = Vec::new();
            let has_room = blocks.try_reserve_exact(count);
            has_room.map_err(|_| Error::OutOfMemory)?;
            blocks.resize(count, Block::new());
        }
        argon2.hash_password_into_with_memory(password, salt, hash, blocks)
    })
}
