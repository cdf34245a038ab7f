//! The store alone: what one commit for all that wait saves.

use std::io;
use std::time::Instant;

use portcullis::model::names::DbName;
use portcullis::store::{Change, RedbStore, Store};

use super::options::Options;
use super::population::{DATABASE, credentials, name, user};
use super::table::{Table, Target};

/// Users in one commit: without waiting for others, and as many as connections may wait.
const BATCH_USERS: [u32; 4] = [1, 16, 64, 1024];

/// Measures what `options` want.
pub fn run(options: &Options, table: &mut Table) -> io::Result<()> {
    if !options.wants("commit") {
        return Ok(());
    }
    let credentials = credentials()?;
    let db = DbName::parse(DATABASE).map_err(io::Error::other)?;
    for batch_users in BATCH_USERS {
        let folder = tempfile::tempdir()?;
        let store = RedbStore::open(&folder.path().join("data")).map_err(io::Error::other)?;
        let (mut users, began) = (0, Instant::now());
        while began.elapsed() < options.duration * options.rounds {
            let changes: io::Result<Vec<_>> = (users..users + batch_users)
                .map(|number| user(&name(number), db.clone(), "read", &credentials))
                .map(|user| user.map(Change::PutUser))
                .collect();
            store.commit(&changes?).map_err(io::Error::other)?;
            users += batch_users;
        }
        let per_second = f64::from(users) / began.elapsed().as_secs_f64();
        let what = format!("users a second, redb alone, {batch_users} in a commit");
        table.figure(&what, per_second, Target::None);
    }
    Ok(())
}
