//! Names as Milvus wants them, with its texts.

use compact_str::CompactString;

use super::failure::Failure;
use crate::config::MilvusConfig;
use crate::model::milvus::ANY;
use crate::model::names::{RoleName, UserName};

/// Bytes of what is said about a user or a role.
const DESCRIPTION_BYTES_MAX: usize = 1024;

/// A user's name: a letter, then letters, digits and underscores. Blanks around it do not count.
pub(super) fn user_name(name: &str, settings: &MilvusConfig) -> Result<UserName, Failure> {
    let trimmed = name.trim();
    let Some(first) = trimmed.chars().next() else {
        return Err(Failure::invalid("username must be not empty"));
    };
    let (length, max) = (trimmed.len(), settings.username_bytes_max);
    if length > max {
        return Err(Failure::invalid(format!(
            "invalid username {trimmed} with length {length}, the length of username must be less \
             than {max}"
        )));
    }
    if !first.is_ascii_alphabetic() {
        return Err(Failure::invalid(format!(
            "invalid user name {trimmed}, the first character must be a letter, but got {first}"
        )));
    }
    let wrong = |found: &char| !(found.is_ascii_alphanumeric() || *found == '_');
    if let Some(found) = trimmed.chars().find(wrong) {
        return Err(Failure::invalid(format!(
            "invalid user name {trimmed}, username must contain only numbers, letters and \
             underscores, but got {found}"
        )));
    }
    UserName::new(trimmed, settings.database.clone()).map_err(Failure::invalid)
}

/// A role's name.
pub(super) fn role_name(name: &str, settings: &MilvusConfig) -> Result<RoleName, Failure> {
    let trimmed = entity_name(name, "role name", settings)?;
    RoleName::new(trimmed, settings.database.clone()).map_err(Failure::invalid)
}

/// A name of what `what` says: an underscore or a letter, then also digits and dollars.
pub(super) fn entity_name<'a>(
    name: &'a str,
    what: &str,
    settings: &MilvusConfig,
) -> Result<&'a str, Failure> {
    let trimmed = name.trim();
    let Some(first) = trimmed.chars().next() else {
        let reason = format!("{what} should be not empty");
        return Err(Failure::invalid_value(
            &reason,
            "expected=not empty][actual=",
        ));
    };
    let (length, max) = (trimmed.len(), settings.name_bytes_max);
    if length > max {
        let reason = format!("the length of {what} must be not greater than limit");
        let range = format!("{length} out of range 0 <= value <= {max}");
        return Err(Failure::invalid_value(&reason, range));
    }
    if first != '_' && !first.is_ascii_alphabetic() {
        let reason = format!("the first character of {what} must be an underscore or letter");
        let found = format!("expected={}][actual={}", u32::from('_'), u32::from(first));
        return Err(Failure::invalid_value(&reason, found));
    }
    let wrong =
        |(_, found): &(usize, char)| !(found.is_ascii_alphanumeric() || matches!(found, '_' | '$'));
    if let Some((place, found)) = trimmed.char_indices().find(wrong) {
        return Err(Failure::invalid(format!(
            "{what} can only contain numbers, letters, dollars and underscores, found {found} at \
             {place}"
        )));
    }
    Ok(trimmed)
}

/// The same, or all there are.
pub(super) fn any_or_name<'a>(
    name: &'a str,
    what: &str,
    settings: &MilvusConfig,
) -> Result<&'a str, Failure> {
    if name == ANY {
        return Ok(name);
    }
    entity_name(name, what, settings)
}

/// A name of a group of privileges: a letter or an underscore, then digits too.
pub(super) fn group_name(name: &str, settings: &MilvusConfig) -> Result<CompactString, Failure> {
    let trimmed = name.trim();
    let Some(first) = trimmed.chars().next() else {
        let reason = "privilege group name should not be empty";
        return Err(Failure::invalid_group_name(reason));
    };
    if trimmed.len() > settings.name_bytes_max {
        return Err(Failure::invalid_group_name(format!(
            "the length of a privilege group name {trimmed} must be less than {} characters",
            settings.name_bytes_max
        )));
    }
    if first != '_' && !first.is_ascii_alphabetic() {
        return Err(Failure::invalid_group_name(format!(
            "the first character of a privilege group name {trimmed} must be an underscore or letter"
        )));
    }
    if !trimmed
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(Failure::invalid(format!(
            "privilege group name {trimmed} can only contain numbers, letters and underscores"
        )));
    }
    Ok(trimmed.into())
}

/// What is said about a user or a role.
pub(super) fn check_description(description: &str, what: &str) -> Result<(), Failure> {
    let length = description.len();
    if length <= DESCRIPTION_BYTES_MAX {
        return Ok(());
    }
    let reason = format!("the length of {what} description must be not greater than limit");
    let range = format!("{length} out of range 0 <= value <= {DESCRIPTION_BYTES_MAX}");
    Err(Failure::invalid_value(&reason, range))
}
