//! Options as an operator meets them: command line, file and environment in, configuration or one
//! sentence out.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod environment;
mod file;
mod milvus;
mod options;
mod reference;
mod replication;

use std::ffi::OsString;
use std::path::PathBuf;

use portcullis::config::{Config, Start};

/// Starts with these words after the program's name and this environment.
fn start_with(words: &[&str], environment: &[(&str, &str)]) -> Result<Start, String> {
    let args = std::iter::once("portcullis").chain(words.iter().copied());
    let environment = environment
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::from_args(args.map(OsString::from), environment).map_err(|error| error.to_string())
}

fn run_with(words: &[&str], environment: &[(&str, &str)]) -> Result<Config, String> {
    match start_with(words, environment)? {
        Start::Run(config) => Ok(*config),
        Start::Print(text) => Err(format!("printed: {text}")),
        Start::Backup(_) | Start::Restore(_) => Err("no server is started".to_owned()),
    }
}

fn run(words: &[&str]) -> Config {
    run_with(words, &[]).unwrap()
}

fn refusal(words: &[&str]) -> String {
    run_with(words, &[]).map(|_| ()).unwrap_err()
}

/// A folder with one file in it.
struct TestFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl TestFile {
    fn new(name: &str, content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}
