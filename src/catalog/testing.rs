//! Values for the tests of this room.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::user::{Credentials, ScramCredential, User};
use crate::store::Change;

/// `name@admin`.
pub(super) fn user_name(name: &str) -> UserName {
    UserName::new(name, DbName::ADMIN).unwrap()
}

/// `name@products`.
pub(super) fn role_name(name: &str) -> RoleName {
    RoleName::new(name, DbName::parse("products").unwrap()).unwrap()
}

/// A user on `admin` with both SCRAM mechanisms and these roles.
pub(super) fn user(name: &str, roles: &[&str]) -> User {
    User {
        name: user_name(name),
        user_id: uuid::Uuid::from_u128(1),
        credentials: both_scrams(1),
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: roles.iter().map(|role| role_name(role)).collect(),
    }
}

/// Made-up keys for both mechanisms.
pub(super) fn both_scrams(seed: u8) -> Credentials {
    Credentials::Stored {
        sha_1: Some(Box::new(ScramCredential {
            iteration_count: 10_000,
            salt: [seed; 16],
            stored_key: [seed; 20],
            server_key: [seed; 20],
        })),
        sha_256: Some(Box::new(ScramCredential {
            iteration_count: 15_000,
            salt: [seed; 28],
            stored_key: [seed; 32],
            server_key: [seed; 32],
        })),
        plain: None,
    }
}

/// A catalog with the roles `a`, `b` and `c` on `products` and these users.
pub(super) fn catalog(users: Vec<User>) -> Catalog {
    let catalog = Catalog::new();
    let roles = ["a", "b", "c"].map(|role| {
        Change::PutRole(Arc::new(Role {
            name: role_name(role),
            privileges: [].into(),
            roles: [].into(),
            restrictions: Restrictions::NONE,
            milvus_grants: [].into(),
        }))
    });
    let users = users
        .into_iter()
        .map(|user| Change::PutUser(Arc::new(user)));
    catalog.apply(roles.into_iter().chain(users));
    catalog
}
