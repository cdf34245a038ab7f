//! A wall clock that a test turns, by libfaketime (Debian's package of that name).

use std::path::{Path, PathBuf};

/// What one process takes for the time.
pub struct Clock {
    /// How far ahead it is; read at every look at the clock.
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock that is right, with its file in `folder`.
    pub fn new(folder: &Path) -> Self {
        let clock = Self {
            file: folder.join("clock"),
            library: library(),
        };
        clock.turn(0);
        clock
    }

    /// Removes what the library has left of a process that was killed.
    pub fn clean_up(process_id: u32) {
        for name in ["faketime_shm", "sem.faketime_sem"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{name}_{process_id}"));
        }
    }

    pub fn turn(&self, ahead_secs: i64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{ahead_secs:+}\n")).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }

    /// What the process needs to know (libfaketime's README, "Advanced features").
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// Below a folder that is named after the machine's architecture.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    folders
        .map(|folder| folder.unwrap().path().join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())
        .expect("libfaketime is installed: tests/run packages")
}
