//! Where events go: a file, standard output or syslog.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bson::RawDocument;

use super::json::to_json;
use super::syslog::Syslog;
use crate::config::{AuditDestination, AuditFormat};
use crate::telemetry::timestamp::iso_8601;

/// Bytes handed to the system in one write, beyond which a batch is divided.
const WRITE_BYTES_MAX: usize = 1024 * 1024;

/// Writes encoded events, in order.
#[derive(Debug)]
pub(super) enum Sink {
    File(FileSink),
    Console,
    Syslog(Syslog),
}

/// How an event becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A line of JSON with its end.
    JsonLine,
    /// JSON alone.
    Json,
    /// BSON.
    Bson,
}

impl Encoding {
    /// What a destination takes.
    pub(super) fn of(destination: &AuditDestination) -> Self {
        match destination {
            AuditDestination::File {
                format: AuditFormat::Bson,
                ..
            } => Self::Bson,
            AuditDestination::File { .. } | AuditDestination::Console => Self::JsonLine,
            AuditDestination::Syslog => Self::Json,
        }
    }

    /// The bytes of an event.
    pub(super) fn encode(self, event: &RawDocument) -> Vec<u8> {
        match self {
            Self::Bson => event.as_bytes().to_vec(),
            Self::Json => to_json(event).into_bytes(),
            Self::JsonLine => {
                let mut line = to_json(event);
                line.push('\n');
                line.into_bytes()
            }
        }
    }
}

impl Sink {
    /// Opens the destination. Blocks.
    pub(super) fn open(destination: &AuditDestination) -> io::Result<Self> {
        match destination {
            AuditDestination::File { path, format, sync } => {
                let mut sink = FileSink {
                    path: path.clone(),
                    format: *format,
                    sync: *sync,
                    file: None,
                    whole: None,
                };
                sink.file = Some(sink.open()?);
                Ok(Self::File(sink))
            }
            AuditDestination::Console => Ok(Self::Console),
            AuditDestination::Syslog => Syslog::connect().map(Self::Syslog),
        }
    }

    /// Writes all events, or says why not; of a file then none of them is in it. Blocks.
    pub(super) fn write(&mut self, events: &[Vec<u8>]) -> io::Result<()> {
        match self {
            Self::File(sink) => sink.write(events),
            Self::Console => {
                let mut console = io::stdout().lock();
                write_gathered(&mut console, events)?;
                console.flush()
            }
            Self::Syslog(syslog) => events.iter().try_for_each(|event| syslog.send(event)),
        }
    }

    /// Opens a file anew before the next event, for whoever has moved it away.
    pub(super) fn reopen(&mut self) {
        if let Self::File(sink) = self {
            sink.file = None;
        }
    }
}

/// A file, for its owner only. Events are only ever appended.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    format: AuditFormat,
    /// Whether each batch is brought to the disk before it counts as written.
    sync: bool,
    /// `None` after a failure: the next event opens it anew.
    file: Option<File>,
    /// How the file was left when it had whole events only.
    whole: Option<Left>,
}

/// A file and its length: one that has not changed need not be looked through again, which for BSON
/// takes as long as the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    device: u64,
    inode: u64,
    bytes: u64,
}

impl Left {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
        })
    }
}

impl FileSink {
    fn write(&mut self, events: &[Vec<u8>]) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let before = file.metadata()?;
        let written = append(&file, events, self.sync);
        if written.is_ok() {
            self.whole = Left::of(&file).ok();
            self.file = Some(file);
        } else if before.is_file() {
            // Whoever waits is told that nothing was written. If this fails too, the file is moved
            // aside when it is opened anew.
            let taken_back = file.set_len(before.len());
            self.whole = taken_back.and_then(|()| Left::of(&file)).ok();
        }
        written
    }

    /// A file that does not end with a whole event of this format is moved aside: nothing is ever
    /// deleted, and no event is glued to the remains of another.
    fn open(&self) -> io::Result<File> {
        let file = open_to_append(&self.path)?;
        if self.whole == Some(Left::of(&file)?) || is_intact(&file, self.format)? {
            return Ok(file);
        }
        fs::rename(&self.path, free_name_beside(&self.path)?)?;
        open_to_append(&self.path)
    }
}

fn append(mut file: &File, events: &[Vec<u8>], sync: bool) -> io::Result<()> {
    write_gathered(&mut file, events)?;
    if sync {
        return file.sync_data();
    }
    Ok(())
}

fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path)
}

/// The path with the time after it, as mongod names what it moves aside; and a number if there is one
/// of that millisecond already.
fn free_name_beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(iso_8601(SystemTime::now()).replace(':', "-"));
    let mut free = PathBuf::from(&name);
    let mut number = 1;
    while is_there(&free)? {
        number += 1;
        let mut numbered = name.clone();
        numbered.push(format!("-{number}"));
        free = PathBuf::from(numbered);
    }
    Ok(free)
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a file has whole events and nothing else; what is no regular file is not looked at.
fn is_intact(file: &File, format: AuditFormat) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(true);
    }
    match format {
        AuditFormat::Json => ends_are(file, b'{', b'\n'),
        AuditFormat::Bson => has_whole_documents(file, metadata.len()),
    }
}

fn ends_are(mut file: &File, first: u8, last: u8) -> io::Result<bool> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut byte)?;
    if byte != [first] {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte == [last])
}

/// Hops from length to length.
fn has_whole_documents(file: &File, file_bytes: u64) -> io::Result<bool> {
    const LENGTH_BYTES: u64 = 4;
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let mut at = 0;
    while at < file_bytes {
        let mut length = [0; 4];
        if file_bytes - at < LENGTH_BYTES {
            return Ok(false);
        }
        reader.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        if length <= LENGTH_BYTES || length > file_bytes - at {
            return Ok(false);
        }
        at += length;
        let rest = i64::try_from(length - LENGTH_BYTES).unwrap_or(i64::MAX);
        reader.seek_relative(rest)?;
    }
    Ok(true)
}

/// As few writes as possible, each of whole events.
fn write_gathered(output: &mut impl Write, events: &[Vec<u8>]) -> io::Result<()> {
    let mut gathered = Vec::new();
    for event in events {
        if !gathered.is_empty() && gathered.len() + event.len() > WRITE_BYTES_MAX {
            output.write_all(&gathered)?;
            gathered.clear();
        }
        gathered.extend_from_slice(event);
    }
    output.write_all(&gathered)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn destination(path: &Path, format: AuditFormat) -> AuditDestination {
        AuditDestination::File {
            path: path.to_owned(),
            format,
            sync: true,
        }
    }

    fn files(folder: &Path) -> Vec<Vec<u8>> {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        entries.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    #[test]
    fn events_are_appended_to_whole_ones_and_never_to_remains() {
        let event = rawdoc! { "a": 1 };
        let other = rawdoc! { "bb": "cc" };
        for format in [AuditFormat::Json, AuditFormat::Bson] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("audit");
            let destination = destination(&path, format);
            let encoding = Encoding::of(&destination);
            let (event, other) = (encoding.encode(&event), encoding.encode(&other));
            let write = || {
                let mut sink = Sink::open(&destination).unwrap();
                sink.write(&[event.clone(), other.clone()]).unwrap();
            };
            write();
            write();
            let twice = [event.as_slice(), &other, &event, &other].concat();
            assert_eq!(files(folder.path()), std::slice::from_ref(&twice));

            let torn = &twice[..twice.len() - 1];
            fs::write(&path, torn).unwrap();
            write();
            let whole = [event.as_slice(), &other].concat();
            assert_eq!(files(folder.path()), [whole, torn.to_vec()]);
        }
    }

    #[test]
    fn a_file_of_the_other_format_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        // More than there are milliseconds meanwhile: none takes the place of another.
        let formats = [AuditFormat::Json, AuditFormat::Bson].into_iter().cycle();
        for (place, format) in formats.take(50).enumerate() {
            let destination = destination(&path, format);
            let mut sink = Sink::open(&destination).unwrap();
            let event = Encoding::of(&destination).encode(&rawdoc! { "a": 1 });
            sink.write(&[event]).unwrap();
            assert_eq!(files(folder.path()).len(), place + 1);
        }
    }

    #[test]
    fn after_a_failure_the_path_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut sink = Sink::open(&destination(&path, AuditFormat::Json)).unwrap();
        let event = b"{}\n".to_vec();
        for _ in 0..2 {
            let error = sink.write(std::slice::from_ref(&event)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        fs::remove_file(&path).unwrap();
        sink.write(std::slice::from_ref(&event)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), event);
    }

    #[test]
    fn a_file_that_is_as_it_was_left_is_not_looked_through_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let mut sink = Sink::open(&destination(&path, AuditFormat::Bson)).unwrap();
        let event = rawdoc! { "a": 1 }.into_bytes();
        sink.write(std::slice::from_ref(&event)).unwrap();
        // What looking through would find, and no failed write leaves behind.
        let spoiled = vec![0; event.len()];
        fs::write(&path, &spoiled).unwrap();
        sink.reopen();
        sink.write(std::slice::from_ref(&event)).unwrap();
        assert_eq!(files(folder.path()), [[spoiled, event.clone()].concat()]);
        // Another length is.
        fs::write(&path, [0]).unwrap();
        sink.reopen();
        sink.write(std::slice::from_ref(&event)).unwrap();
        assert_eq!(files(folder.path()), [event, vec![0]]);
    }

    #[test]
    fn a_moved_file_is_made_anew_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit"), folder.path().join("moved"));
        let mut sink = Sink::open(&destination(&path, AuditFormat::Json)).unwrap();
        sink.write(&[b"{1}\n".to_vec()]).unwrap();
        fs::rename(&path, &moved).unwrap();
        sink.write(&[b"{2}\n".to_vec()]).unwrap();
        sink.reopen();
        sink.write(&[b"{3}\n".to_vec()]).unwrap();
        assert_eq!(fs::read(&moved).unwrap(), b"{1}\n{2}\n");
        assert_eq!(fs::read(&path).unwrap(), b"{3}\n");
    }
}
