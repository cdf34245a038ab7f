//! Generated code is that of the files it comes from.

use std::path::Path;

#[test]
fn generated_messages_of_etcd_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cluster/etcd/proto");
    let output = tempfile::tempdir().unwrap();
    let files = protox::compile([folder.join("etcd.proto")], [&folder]).unwrap();
    prost_build::Config::new()
        .out_dir(output.path())
        .bytes(["."])
        .compile_fds(files)
        .unwrap();
    let generated = output.path().join("etcdserverpb.rs");
    let kept = folder.join("etcd.rs");
    if std::env::var_os("UPDATE_PROTO").is_some() {
        std::fs::copy(&generated, &kept).unwrap();
    }
    assert!(
        std::fs::read(&generated).unwrap() == std::fs::read(&kept).unwrap(),
        "etcd.rs is out of date; renew it with UPDATE_PROTO=1 cargo test --test meta generated"
    );
}
