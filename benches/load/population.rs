//! Directories with many users, written through the store as the server does, but without hashing a
//! password for each.

use std::io;
use std::path::Path;
use std::sync::Arc;

use portcullis::auth::plain::{Argon2Cost, PlainPassword};
use portcullis::auth::scram::{Sha1Password, Sha256Password};
use portcullis::model::names::{DbName, RoleName, UserName};
use portcullis::model::restriction::Restrictions;
use portcullis::model::user::{Credentials, User};
use portcullis::secret::Secret;
use portcullis::store::{Change, RedbStore, Setting, Store};

use super::client::{ADMIN, PASSWORD};

/// The database of the users that were written in bulk.
pub const DATABASE: &str = "bench";
/// mongod's defaults.
pub const SHA_1_ROUNDS: u32 = 10_000;
/// mongod's defaults.
pub const SHA_256_ROUNDS: u32 = 15_000;

/// The server's own.
pub const ARGON2_COST: Argon2Cost = Argon2Cost {
    memory_kib: 19_456,
    iterations: 2,
    parallelism: 1,
};

/// Users in one commit.
const BATCH_USERS: u32 = 20_000;

/// The name of the user with this number.
pub fn name(number: u32) -> String {
    format!("user{number:08}")
}

/// Makes a data folder in `folder` with the administrator and `users` users.
pub fn populate(folder: &Path, users: u32) -> io::Result<()> {
    let store = RedbStore::open(&folder.join("data")).map_err(io::Error::other)?;
    let credentials = credentials()?;
    let admin = user(ADMIN, DbName::ADMIN, "root", &credentials)?;
    commit(
        &store,
        &[
            Change::PutSetting(Setting::AuthSchema),
            Change::PutUser(admin),
        ],
    )?;
    write_users(&store, users, BATCH_USERS)
}

/// Writes `users` users of [`DATABASE`], `batch` in one commit, who all have [`PASSWORD`].
pub fn write_users(store: &dyn Store, users: u32, batch: u32) -> io::Result<()> {
    let credentials = credentials()?;
    let db = DbName::parse(DATABASE).map_err(io::Error::other)?;
    write(store, users, batch, |number| {
        user(&name(number), db.clone(), "read", &credentials)
    })
}

/// Makes a data folder in `folder` with `users` users of Milvus clients, who all have [`PASSWORD`].
pub fn populate_milvus(folder: &Path, users: u32) -> io::Result<()> {
    let store = RedbStore::open(&folder.join("data")).map_err(io::Error::other)?;
    let password = Secret::new(PASSWORD.to_owned());
    let prepared = PlainPassword::prepare(&password).map_err(io::Error::other)?;
    let plain = prepared.derive(ARGON2_COST).map_err(io::Error::other)?;
    let credentials = Credentials::Stored {
        sha_1: None,
        sha_256: None,
        plain: Some(Box::new(plain)),
    };
    write(&store, users, BATCH_USERS, |number| {
        user(&name(number), DbName::MILVUS, "public", &credentials)
    })
}

fn write(
    store: &dyn Store,
    users: u32,
    batch: u32,
    user: impl Fn(u32) -> io::Result<Arc<User>>,
) -> io::Result<()> {
    for first in (0..users).step_by(batch as usize) {
        let numbers = first..(first + batch).min(users);
        let changes: io::Result<Vec<Change>> = numbers
            .map(|number| user(number).map(Change::PutUser))
            .collect();
        commit(store, &changes?)?;
    }
    Ok(())
}

fn commit(store: &dyn Store, changes: &[Change]) -> io::Result<()> {
    store.commit(changes).map(drop).map_err(io::Error::other)
}

/// A user with one role of the same database.
pub fn user(
    name: &str,
    db: DbName,
    role: &str,
    credentials: &Credentials,
) -> io::Result<Arc<User>> {
    let role = RoleName::new(role, db.clone()).map_err(io::Error::other)?;
    Ok(Arc::new(User {
        name: UserName::new(name, db).map_err(io::Error::other)?,
        user_id: uuid::Uuid::new_v4(),
        credentials: credentials.clone(),
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: Box::new([role]),
    }))
}

/// Keys of [`PASSWORD`] for both mechanisms.
pub fn credentials() -> io::Result<Credentials> {
    let password = Secret::new(PASSWORD.to_owned());
    let sha_1 = Sha1Password::digest(ADMIN, &password).derive(SHA_1_ROUNDS);
    let prepared = Sha256Password::prepare(&password).map_err(io::Error::other)?;
    let sha_256 = prepared.derive(SHA_256_ROUNDS);
    Ok(Credentials::Stored {
        sha_1: Some(Box::new(sha_1.map_err(io::Error::other)?)),
        sha_256: Some(Box::new(sha_256.map_err(io::Error::other)?)),
        plain: None,
    })
}
