//! Diagnostic commands whose answers are tables.

use crate::table::{check, server};

#[test]
fn rotate_certificates() {
    check(&server(), "rotateCertificates");
}
