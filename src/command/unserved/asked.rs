//! A request, as far as authorization looks at it.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::fields::{Namespace, array, collection_of_command, flag};
use crate::authz::{Need, Requirement};
use crate::command::arguments::{Path, invalid_bson, wrong_type};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::{DbName, UserName};
use crate::model::resource::Resource;
use crate::wire::OpMsg;

/// A request of a command; its fields have not been looked at.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Asked<'a> {
    /// The command's name in the table, whatever the client called it.
    pub(in crate::command) name: &'static str,
    /// The database it runs on.
    pub(in crate::command) db: &'a DbName,
    /// Its document.
    pub(in crate::command) body: &'a RawDocument,
    /// The message with its document sequences, if there are any.
    pub(in crate::command) message: Option<&'a OpMsg>,
    /// Who asks, if it is a user.
    pub(in crate::command) caller: Option<&'a UserName>,
}

/// How the requirement of a command is worked out from a request.
pub(in crate::command) type Compute = fn(&Asked<'_>) -> Result<Requirement, CommandError>;

impl<'a> Asked<'a> {
    /// The path of its fields in errors.
    pub(super) fn path(&self) -> Path<'static> {
        Path::root(self.name)
    }

    /// The collection that is the command's value.
    pub(super) fn collection(&self) -> Result<Namespace, CommandError> {
        collection_of_command(self.db, self.body)
    }

    /// A field that is a bool or a number, false if left out.
    pub(super) fn flag(&self, name: &str) -> Result<bool, CommandError> {
        flag(self.body, name, &self.path())
    }

    /// `actions`, and one more if the request asks to pass over the validation of documents.
    pub(super) fn with_bypass(&self, actions: &[Action]) -> Result<Vec<Action>, CommandError> {
        let mut actions = actions.to_vec();
        if self.flag("bypassDocumentValidation")? {
            actions.push(Action::BypassDocumentValidation);
        }
        Ok(actions)
    }

    /// Calls `read` with every document of an array, which may have come as a sequence instead.
    pub(in crate::command) fn each_document(
        &self,
        name: &str,
        mut read: impl FnMut(&'a RawDocument, &Path<'_>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let root = self.path();
        let path = root.field(name);
        if let Some(array) = array(self.body, name, &root)? {
            for (place, value) in array.into_iter().enumerate() {
                let value = value.map_err(|error| invalid_bson(&error))?;
                let path = path.index(place);
                let RawBsonRef::Document(document) = value else {
                    return Err(wrong_type(&path, value, &["object"]));
                };
                read(document, &path)?;
            }
        }
        let sequences = self.message.into_iter().flat_map(OpMsg::sequences);
        for (_, documents) in sequences.filter(|(of, _)| *of == name) {
            for (place, document) in documents.enumerate() {
                read(document, &path.index(place))?;
            }
        }
        Ok(())
    }
}

/// Actions on one resource.
pub(super) fn need(resource: Resource, actions: &[Action]) -> Need {
    Need {
        resource,
        actions: actions.iter().copied().collect(),
    }
}
