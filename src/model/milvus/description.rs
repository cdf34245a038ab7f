//! What a Milvus client says about a user: a field of `customData`, where mongosh sees it too.

use bson::RawDocumentBuf;
use bson::raw::CStr;

use crate::model::user::User;

/// Its name there.
const DESCRIPTION: &CStr = bson::raw::cstr!("description");

/// What is said about a user; empty if nothing.
pub fn description_of(user: &User) -> &str {
    let custom_data = user.custom_data.as_deref();
    let description = custom_data.and_then(|data| data.get_str(DESCRIPTION).ok());
    description.unwrap_or_default()
}

/// `customData` with this description in it; an empty one is left out.
pub fn described(custom_data: Option<&RawDocumentBuf>, description: &str) -> RawDocumentBuf {
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
