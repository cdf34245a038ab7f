//! Dotted paths outside filters, which mongod checks more strictly than those in them.

use super::parse::PATH_PARTS_MAX;
use crate::error::{CommandError, ErrorCode};

/// The parts of a dotted path: none is empty or begins with `$`.
///
/// # Errors
/// 40352, 40353, 15998, 16410 for the form, 5729100 beyond `PATH_PARTS_MAX`.
pub(super) fn parts(dotted: &str) -> Result<Vec<&str>, CommandError> {
    let refuse = |code, text: &str| Err(CommandError::new(ErrorCode(code), text));
    if dotted.is_empty() {
        return refuse(40_352, "FieldPath cannot be constructed with empty string");
    }
    if dotted.ends_with('.') {
        return refuse(40_353, "FieldPath must not end with a '.'.");
    }
    let parts: Vec<&str> = dotted.split('.').take(PATH_PARTS_MAX + 1).collect();
    if parts.len() > PATH_PARTS_MAX {
        return Err(too_long());
    }
    for part in &parts {
        if part.is_empty() {
            return refuse(15_998, "FieldPath field names may not be empty strings.");
        }
        if part.starts_with('$') {
            return refuse(
                16_410,
                "FieldPath field names may not start with '$'. Consider using $getField or $setField.",
            );
        }
    }
    Ok(parts)
}

/// 5729100.
pub(super) fn too_long() -> CommandError {
    CommandError::new(ErrorCode(5_729_100), "FieldPath is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_checked_part_by_part() {
        assert_eq!(parts("a.b.0").unwrap(), ["a", "b", "0"]);
        let long = vec!["a"; PATH_PARTS_MAX + 1].join(".");
        for (path, code) in [
            ("", 40_352),
            ("a.", 40_353),
            (".", 40_353),
            (".a", 15_998),
            ("a..b", 15_998),
            ("$a", 16_410),
            ("a.$", 16_410),
            (&long, 5_729_100),
        ] {
            assert_eq!(parts(path).unwrap_err().code, ErrorCode(code), "{path}");
        }
        assert!(parts(&long[2..]).is_ok());
    }
}
