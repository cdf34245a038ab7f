//! Who may do what.
//!
//! From a user's roles to an answer: [`closure`] follows the roles to all they include,
//! [`effective`] makes the privileges of all of them quick to ask, [`pass`] asks and hands out the
//! proof without which no operation runs, [`requirement`] is for what can be met in several ways.
//! [`milvus`] does the same for Milvus clients. [`redact`] words the refusal.

pub mod closure;
pub mod effective;
pub mod milvus;
pub mod pass;
pub mod redact;
pub mod requirement;

mod index;

pub use closure::{Resolved, RoleSource};
pub use effective::EffectivePrivileges;
pub use index::is_normal_collection;
pub use milvus::{MilvusAuthority, MilvusNeed};
pub use pass::{Authority, Denied, Need, Pass, RolesFrom};
pub use requirement::{Requirement, Way};
