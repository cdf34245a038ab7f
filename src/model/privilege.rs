//! Privileges: actions on a resource.

use super::action::ActionSet;
use super::resource::Resource;

/// Some actions on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// What may be acted on.
    pub resource: Resource,
    /// What may be done; never empty in a stored privilege.
    pub actions: ActionSet,
}
