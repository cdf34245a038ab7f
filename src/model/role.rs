//! A role as the catalog keeps it.

use super::milvus::MilvusGrant;
use super::names::RoleName;
use super::privilege::Privilege;
use super::restriction::Restrictions;

/// A role made by an administrator. Immutable: a change makes a new one. Built-in roles are not
/// stored; `catalog::builtin` knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Name and database; unique.
    pub name: RoleName,
    /// Own privileges, one for each resource.
    pub privileges: Box<[Privilege]>,
    /// Roles included directly.
    pub roles: Box<[RoleName]>,
    /// Where holders of the role may sign in from; empty means anywhere.
    pub restrictions: Restrictions,
    /// What the role allows Milvus clients, sorted, each once. Only roles on `milvus` have any.
    pub milvus_grants: Box<[MilvusGrant]>,
}
