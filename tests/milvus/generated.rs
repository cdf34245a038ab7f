//! The generated messages are those of the proto files.

use std::path::{Path, PathBuf};

const FILES: [&str; 2] = ["common", "milvus"];

#[test]
fn generated_messages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/milvus/proto");
    let output = tempfile::tempdir().unwrap();
    let files = protox::compile([folder.join("milvus.proto")], [&folder]).unwrap();
    prost_build::Config::new()
        .out_dir(output.path())
        .btree_map(["."])
        .compile_fds(files)
        .unwrap();
    for name in FILES {
        let generated = output.path().join(format!("milvus.proto.{name}.rs"));
        let kept: PathBuf = folder.join(format!("{name}.rs"));
        if std::env::var_os("UPDATE_PROTO").is_some() {
            std::fs::copy(&generated, &kept).unwrap();
        }
        assert!(
            std::fs::read(&generated).unwrap() == std::fs::read(&kept).unwrap(),
            "{name}.rs is out of date; renew it with UPDATE_PROTO=1 cargo test --test milvus generated"
        );
    }
}
