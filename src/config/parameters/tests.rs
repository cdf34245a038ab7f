//! Values, and refusals with mongod's codes and texts.

use bson::{RawBsonRef, rawbson};

use super::*;

#[test]
fn the_table_is_sorted_and_its_defaults_are_accepted() {
    assert!(PARAMETERS.is_sorted_by(|left, right| left.name < right.name));
    let mut parameters = Parameters::default();
    for spec in PARAMETERS {
        let accepted = spec.set_from_text(&mut parameters, spec.default);
        assert_eq!(
            accepted.is_ok(),
            spec.set_at != SetAt::Never,
            "{}",
            spec.name
        );
    }
}

#[test]
fn defaults_are_those_of_mongod() {
    let parameters = Parameters::default();
    assert_eq!(parameters.scram_sha1_iteration_count(), 10_000);
    assert_eq!(parameters.scram_sha256_iteration_count(), 15_000);
    assert_eq!(parameters.auth_failed_delay(), Duration::ZERO);
    assert!(parameters.enable_localhost_auth_bypass());
    let mechanisms = [
        Mechanism::X509,
        Mechanism::ScramSha1,
        Mechanism::ScramSha256,
    ];
    assert_eq!(parameters.authentication_mechanisms(), mechanisms);
    assert!(parameters.allow_roles_from_x509_certificates());
    assert!(parameters.enforce_user_cluster_separation());
    assert!(!parameters.allow_plain_without_tls());
    assert_eq!(parameters.idle_timeout(), None);
    assert!(parameters.hashing_threads() > 0);
}

#[test]
fn get_shows_every_parameter() {
    let parameters = Parameters::default();
    for name in Parameters::names() {
        assert!(parameters.get(name).is_some(), "{name}");
    }
    assert_eq!(parameters.get("authSchemaVersion"), Some(rawbson!(5)));
    assert_eq!(
        parameters.get("scramIterationCount"),
        Some(rawbson!(10_000))
    );
    assert_eq!(
        parameters.get("enableLocalhostAuthBypass"),
        Some(rawbson!(true))
    );
    assert_eq!(
        parameters.get("featureCompatibilityVersion"),
        Some(rawbson!({ "version": "8.0" }))
    );
    assert_eq!(
        parameters.get("authenticationMechanisms"),
        Some(rawbson!(["MONGODB-X509", "SCRAM-SHA-1", "SCRAM-SHA-256"]))
    );
    assert_eq!(parameters.get("saslHostName"), None);
}

#[test]
fn setting_at_runtime_returns_the_old_value() {
    let parameters = Parameters::default();
    let name = "scramSHA256IterationCount";
    for (new, old) in [
        (RawBsonRef::Int32(5000), 15_000),
        (RawBsonRef::Int64(20_000), 5000),
        (RawBsonRef::Double(30_000.0), 20_000),
    ] {
        assert_eq!(parameters.set_at_runtime(name, new), Ok(rawbson!(old)));
    }
    assert_eq!(parameters.scram_sha256_iteration_count(), 30_000);
}

#[test]
fn truth_values_are_set_at_runtime_as_numbers_too() {
    let parameters = Parameters::default();
    let name = "auditAuthorizationSuccess";
    for (new, old) in [
        (RawBsonRef::Boolean(true), false),
        (RawBsonRef::Int32(0), true),
        (RawBsonRef::Double(1.0), false),
        (RawBsonRef::Int64(1), true),
    ] {
        assert_eq!(parameters.set_at_runtime(name, new), Ok(rawbson!(old)));
    }
    assert!(parameters.audit_authorization_success());
    let error = parameters
        .set_at_runtime(name, RawBsonRef::Null)
        .unwrap_err();
    assert_eq!(error.to_command_error().code.0, 2);
}

#[test]
fn refusals_have_the_code_and_text_of_mongod() {
    let parameters = Parameters::default();
    let refuse = |name: &str, value: RawBsonRef<'_>| {
        let error = parameters.set_at_runtime(name, value).unwrap_err();
        let error = error.to_command_error();
        (error.code.0, error.message)
    };
    let cases = [
        (
            "scramIterationCount",
            RawBsonRef::Int32(4999),
            2,
            "Invalid value for parameter scramIterationCount: 4999 is not greater than or \
             equal to 5000",
        ),
        (
            "authFailedDelayMs",
            RawBsonRef::Int64(i64::MAX),
            2,
            "Invalid value for parameter authFailedDelayMs: 9223372036854775807 is not less \
             than or equal to 5000",
        ),
        (
            "authFailedDelayMs",
            RawBsonRef::Double(f64::NAN),
            2,
            "Invalid value for parameter authFailedDelayMs: NaN is not a whole number",
        ),
        (
            "authFailedDelayMs",
            RawBsonRef::String("5"),
            2,
            "Invalid value for parameter authFailedDelayMs: a value of type String is not a \
             number",
        ),
        (
            "enableLocalhostAuthBypass",
            RawBsonRef::Boolean(false),
            20,
            "not allowed to change [enableLocalhostAuthBypass] at runtime",
        ),
        (
            "authSchemaVersion",
            RawBsonRef::Int32(5),
            20,
            "not allowed to change [authSchemaVersion] at runtime",
        ),
        (
            "noSuch",
            RawBsonRef::Int32(5),
            72,
            "attempted to set unrecognized parameter [noSuch], use help:true to see options ",
        ),
    ];
    for (name, value, code, message) in cases {
        assert_eq!(refuse(name, value), (code, message.to_owned()));
    }
    assert_eq!(parameters.scram_sha1_iteration_count(), 10_000);
}
