//! `docs/options.md` is what the tables print.

use std::path::Path;

use portcullis::config::options_reference;

#[test]
fn the_document_equals_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let printed = options_reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == printed,
        "docs/options.md is out of date; renew it with UPDATE_DOCS=1 cargo test --test config"
    );
}
