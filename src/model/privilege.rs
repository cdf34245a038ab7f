//! Privileges: actions on a resource.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};

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

impl Privilege {
    /// `{resource: {...}, actions: [...]}`, the actions in print order.
    pub fn to_raw_document(&self) -> RawDocumentBuf {
        let mut actions = RawArrayBuf::new();
        for action in self.actions.iter() {
            actions.push(action.name());
        }
        rawdoc! { "resource": self.resource.to_raw_document(), "actions": actions }
    }
}

/// Privileges with no resource twice, in the order in which the resources first came.
#[derive(Debug, Clone, Default)]
pub struct MergedPrivileges {
    privileges: Vec<Privilege>,
    places: HashMap<Resource, usize>,
}

impl MergedPrivileges {
    /// Adds the actions to those already there for the same resource.
    pub fn add(&mut self, privilege: &Privilege) {
        match self.places.entry(privilege.resource.clone()) {
            Entry::Vacant(place) => {
                place.insert(self.privileges.len());
                self.privileges.push(privilege.clone());
            }
            Entry::Occupied(place) => {
                if let Some(present) = self.privileges.get_mut(*place.get()) {
                    present.actions.insert_all(&privilege.actions);
                }
            }
        }
    }

    /// The privileges as a list.
    pub fn into_vec(self) -> Vec<Privilege> {
        self.privileges
    }
}

impl<'a> FromIterator<&'a Privilege> for MergedPrivileges {
    fn from_iter<I: IntoIterator<Item = &'a Privilege>>(privileges: I) -> Self {
        let mut merged = Self::default();
        for privilege in privileges {
            merged.add(privilege);
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::Action;

    fn privilege(resource: Resource, actions: &[Action]) -> Privilege {
        let actions = actions.iter().copied().collect();
        Privilege { resource, actions }
    }

    #[test]
    fn the_same_resource_is_merged_into_its_first_place() {
        let list = [
            privilege(Resource::Cluster, &[Action::Shutdown]),
            privilege(Resource::AnyNormal, &[Action::Find]),
            privilege(Resource::Cluster, &[Action::AddShard]),
        ];
        let merged = list.iter().collect::<MergedPrivileges>().into_vec();
        assert_eq!(
            merged,
            [
                privilege(Resource::Cluster, &[Action::AddShard, Action::Shutdown]),
                privilege(Resource::AnyNormal, &[Action::Find]),
            ]
        );
        assert_eq!(
            merged[0].to_raw_document(),
            rawdoc! { "resource": { "cluster": true }, "actions": ["addShard", "shutdown"] }
        );
    }

    #[test]
    fn any_action_swallows_the_others() {
        let list = [
            privilege(Resource::AnyResource, &[Action::Find]),
            privilege(Resource::AnyResource, &[Action::AnyAction]),
        ];
        let merged = list.iter().collect::<MergedPrivileges>().into_vec();
        assert_eq!(
            merged[0].to_raw_document(),
            rawdoc! { "resource": { "anyResource": true }, "actions": ["anyAction"] }
        );
    }
}
