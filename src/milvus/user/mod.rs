//! Calls about users.

mod create_credential;
mod delete_credential;
mod list_cred_users;
mod select_user;
mod update_credential;

use bson::RawDocumentBuf;
use bson::raw::CStr;

use crate::model::user::User;

/// Where in `customData` is what a Milvus client says about a user.
const DESCRIPTION: &CStr = bson::raw::cstr!("description");

/// What a Milvus client says about a user; empty if nothing.
fn description_of(user: &User) -> &str {
    let custom_data = user.custom_data.as_deref();
    let description = custom_data.and_then(|data| data.get_str(DESCRIPTION).ok());
    description.unwrap_or_default()
}

/// `customData` with this description in it; an empty one is left out.
fn described(custom_data: Option<&RawDocumentBuf>, description: &str) -> RawDocumentBuf {
    let mut described = RawDocumentBuf::new();
    let elements = custom_data.into_iter().flatten().flatten();
    for (name, value) in elements.filter(|(name, _)| *name != DESCRIPTION) {
        described.append(name, value);
    }
    if !description.is_empty() {
        described.append(DESCRIPTION, description);
    }
    described
}
