//! The table of options holds together.

use std::collections::HashSet;

use super::*;

#[test]
fn names_are_unique() {
    let mut paths = HashSet::new();
    let mut flags = HashSet::new();
    for option in OPTIONS {
        assert!(paths.insert(option.yaml), "{}", option.yaml);
        for flag in option.flags {
            assert!(flags.insert(flag.long), "{}", flag.long);
        }
    }
}

#[test]
fn what_is_supported_is_not_listed_as_unsupported() {
    for option in OPTIONS {
        assert!(!is_mongod_only_path(option.yaml), "{}", option.yaml);
        for flag in option.flags {
            assert!(!is_mongod_only_flag(flag.long), "{}", flag.long);
        }
    }
    assert!(is_mongod_only_path("net.ssl.mode"));
    assert!(!is_mongod_only_path("net.sslx"));
    assert!(is_mongod_only_flag("sslMode"));
}

#[test]
fn sections_are_the_parents_of_options() {
    assert!(is_section("net"));
    assert!(is_section("net.unixDomainSocket"));
    assert!(!is_section("net.port"));
    assert!(!is_section("ne"));
    assert!(!is_section(""));
}
