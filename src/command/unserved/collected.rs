//! Needs while they are collected.

use std::collections::HashMap;

use crate::authz::Need;
use crate::error::CommandError;
use crate::model::action::{Action, ActionSet};
use crate::model::resource::Resource;

/// Resources that one command may need something on.
const RESOURCES_MAX: usize = 10_000;

/// Needs without a resource twice.
#[derive(Debug, Default)]
pub(super) struct Needs {
    needs: Vec<Need>,
    places: HashMap<Resource, usize>,
}

impl Needs {
    /// Adds the actions to those already needed on the resource; an error if there are too many
    /// resources.
    pub(super) fn add(
        &mut self,
        resource: Resource,
        actions: &[Action],
    ) -> Result<(), CommandError> {
        let actions: ActionSet = actions.iter().copied().collect();
        if let Some(need) = self
            .places
            .get(&resource)
            .and_then(|at| self.needs.get_mut(*at))
        {
            need.actions.insert_all(&actions);
            return Ok(());
        }
        if self.needs.len() >= RESOURCES_MAX {
            return Err(CommandError::bad_value(format!(
                "a command may be about at most {RESOURCES_MAX} collections"
            )));
        }
        self.places.insert(resource.clone(), self.needs.len());
        self.needs.push(Need { resource, actions });
        Ok(())
    }

    /// In the order in which the resources came.
    pub(super) fn into_vec(self) -> Vec<Need> {
        self.needs
    }
}
