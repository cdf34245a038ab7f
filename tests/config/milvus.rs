//! The options of the face for Milvus clients.

use crate::{refusal, run};

#[test]
fn who_is_not_to_be_served_is_not_configured() {
    for (option, value) in [
        ("--milvus.port", "19530"),
        ("--milvus.passwordPolicy", "strict"),
        ("--milvus.defaultRootPassword", "secret"),
    ] {
        let sentence = refusal(&[option, value]);
        assert!(
            sentence.contains(&format!("option '{option}'")),
            "{sentence}"
        );
        assert!(
            sentence.ends_with("expected milvus.enabled beside it"),
            "{sentence}"
        );
        assert!(!sentence.contains("'secret'"), "{sentence}");
    }
    // It means something to the other face as well.
    assert!(run(&["--milvus.database", "vectors"]).milvus.is_none());
}

#[test]
fn what_is_switched_off_may_stay_configured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.yaml");
    for (is_enabled, expected) in [(false, None), (true, Some(19_531))] {
        let text = format!("milvus: {{enabled: {is_enabled}, port: 19531}}\n");
        std::fs::write(&file, text).unwrap();
        let config = run(&["--config", file.to_str().unwrap()]);
        assert_eq!(config.milvus.as_ref().map(|milvus| milvus.port), expected);
    }
}
