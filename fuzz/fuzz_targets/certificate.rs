//! What signs in without SCRAM: a certificate, a distinguished name, a PLAIN message.
//!
//! Input: bytes, read as each of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::auth::plain::ClientMessage;
use portcullis::auth::x509::{ClientCertificate, Subject};

fuzz_target!(|data: &[u8]| {
    if let Ok(certificate) = ClientCertificate::parse(data) {
        check(&certificate.subject);
        let alone = Subject::of_certificate(data).expect("it was read a moment ago");
        assert_eq!(alone, certificate.subject);
    }
    if let Ok(subject) = std::str::from_utf8(data).map_or(Ok(Subject::default()), Subject::parse) {
        check(&subject);
    }
    if let Ok(message) = ClientMessage::parse(data) {
        let parts: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[1], message.user.as_bytes());
        assert!(parts[0].is_empty() || parts[0] == parts[1]);
        assert!(message.password.matches(parts[2]));
        assert!(!parts[1].is_empty() && !parts[2].is_empty());
    }
});

/// One subject has one text, and the text leads back to it.
fn check(subject: &Subject) {
    let text = subject.to_string();
    assert!(text.is_ascii());
    assert_eq!(text.is_empty(), subject.is_empty());
    if !subject.is_empty() {
        let again = Subject::parse(&text).expect("its own text");
        assert_eq!(again, *subject);
        assert_eq!(again.to_string(), text);
    }
    assert_eq!(
        subject.is_of_same_cluster(subject),
        ["O=", "OU=", "DC="].iter().any(|name| has(&text, name)),
    );
}

/// Whether an attribute of this name begins in the text.
fn has(text: &str, name: &str) -> bool {
    let mut is_start = true;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if is_start && rest.starts_with(name) {
            return true;
        }
        is_start = character == ',' || character == '+';
        // What is escaped begins nothing.
        let skipped = if character == '\\' { 2 } else { 1 };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    false
}
