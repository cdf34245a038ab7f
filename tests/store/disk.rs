//! A machine in memory: files, a disk that keeps only what was synced, power cuts and failing calls.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis::store::{RedbStore, StoreError};
use redb::StorageBackend;

/// A disk writes a sector whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Numbers that look random and are the same for the same seed (xorshift64*).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike, nor be told apart by the last bit alone: it is set, as
        // 0 is no state.
        let mut random = Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        random.next();
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Says yes once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// From now on everything fails; what was not synced may be lost.
    PowerCut,
    /// One write ends half way.
    ShortWrite,
    /// One sync fails, and what it should have kept is never asked for again.
    SyncFails,
    /// One read or question for the length fails.
    ReadFails,
    /// From now on nothing is written.
    NoSpace,
    /// From now on nothing is written or synced: remounted read-only.
    ReadOnly,
}

impl Failure {
    pub(crate) const ALL: [Self; 6] = [
        Self::PowerCut,
        Self::ShortWrite,
        Self::SyncFails,
        Self::ReadFails,
        Self::NoSpace,
        Self::ReadOnly,
    ];

    fn concerns(self, call: Call) -> bool {
        match self {
            Self::ShortWrite => call == Call::Write,
            Self::SyncFails => call == Call::Sync,
            Self::ReadFails => call == Call::Read,
            Self::NoSpace => matches!(call, Call::Write | Call::SetLength),
            Self::PowerCut | Self::ReadOnly => call != Call::Read,
        }
    }

    fn lasts(self) -> bool {
        matches!(self, Self::PowerCut | Self::NoSpace | Self::ReadOnly)
    }

    fn error(self) -> io::Error {
        match self {
            Self::PowerCut => io::Error::other("the power is gone"),
            Self::ShortWrite => io::ErrorKind::WriteZero.into(),
            // EIO, ENOSPC, EROFS
            Self::SyncFails | Self::ReadFails => io::Error::from_raw_os_error(5),
            Self::NoSpace => io::Error::from_raw_os_error(28),
            Self::ReadOnly => io::Error::from_raw_os_error(30),
        }
    }

    /// What an error that comes of it has to say.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::PowerCut => "the power is gone",
            Self::ShortWrite => "write zero",
            Self::SyncFails | Self::ReadFails => "Input/output error",
            Self::NoSpace => "no space left",
            Self::ReadOnly => "Read-only file system",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    SetLength,
    Sync,
}

/// Bytes as the system shows them, and as they would be after a power cut.
#[derive(Debug, Clone, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync, in order.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
enum Pending {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl File {
    fn with(bytes: &[u8]) -> Self {
        Self {
            live: bytes.to_vec(),
            durable: bytes.to_vec(),
            pending: Vec::new(),
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let place = self.live.get_mut(offset..offset + bytes.len());
        place
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(bytes);
        self.pending.push(Pending::Bytes(offset, bytes.to_vec()));
        Ok(())
    }

    /// Makes pending writes durable, sector by sector, as far as `luck` lets them through.
    fn settle(&mut self, mut luck: impl FnMut() -> bool) {
        for pending in self.pending.drain(..) {
            match pending {
                // The length is the file system's, whose journal keeps the order.
                Pending::Length(length) => self.durable.resize(length, 0),
                Pending::Bytes(offset, bytes) => {
                    for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        let start = offset + index * SECTOR_BYTES;
                        if let Some(place) = self.durable.get_mut(start..start + sector.len())
                            && luck()
                        {
                            place.copy_from_slice(sector);
                        }
                    }
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    catalog: File,
    sequence: File,
    failure: Option<Failure>,
    /// Calls that the failure concerns until it comes.
    calls_left: u64,
    has_failed: bool,
    /// A disk that says "synced" and is not.
    lies: bool,
}

impl State {
    /// The failure, if it is this call's turn.
    fn failure_of(&mut self, call: Call) -> Option<Failure> {
        let failure = self.failure.filter(|failure| failure.concerns(call))?;
        if self.has_failed {
            return failure.lasts().then_some(failure);
        }
        if self.calls_left > 0 {
            self.calls_left -= 1;
            return None;
        }
        self.has_failed = true;
        Some(failure)
    }
}

/// The two files of a data folder on one machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine(Arc<Mutex<State>>);

impl Machine {
    /// With these files, all of them on disk.
    pub(crate) fn with(catalog: &[u8], sequence: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(State {
            catalog: File::with(catalog),
            sequence: File::with(sequence),
            ..State::default()
        })))
    }

    /// With a catalog of nothing.
    pub(crate) fn new() -> Self {
        let machine = Self::default();
        drop(machine.open().unwrap());
        machine
    }

    pub(crate) fn open(&self) -> Result<RedbStore, StoreError> {
        let disk = |is_catalog| Disk {
            machine: self.clone(),
            is_catalog,
        };
        RedbStore::open_backends(disk(true), disk(false), Path::new("/machine/catalog.redb"))
    }

    /// Lets `calls` through that `failure` would concern, then it happens.
    pub(crate) fn fail_after(&self, calls: u64, failure: Failure) {
        let mut state = self.state();
        state.failure = Some(failure);
        state.calls_left = calls;
        state.has_failed = false;
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.state().failure = None;
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    pub(crate) fn lie_about_syncs(&self) {
        self.state().lies = true;
    }

    /// The machine after the process was killed: the system keeps what was written.
    pub(crate) fn after_a_kill(&self) -> Self {
        let state = self.state();
        Self::with(&state.catalog.live, &state.sequence.live)
    }

    /// The machine after a power cut: of what was not synced, each sector may be there or not.
    pub(crate) fn after_a_power_cut(&self, random: &mut Random) -> Self {
        let state = self.state();
        let (mut catalog, mut sequence) = (state.catalog.clone(), state.sequence.clone());
        drop(state);
        // Some cuts lose all, some nearly nothing.
        let keeps = random.below(9);
        let mut luck = || random.below(8) < keeps;
        catalog.settle(&mut luck);
        sequence.settle(&mut luck);
        Self::with(&catalog.durable, &sequence.durable)
    }

    /// The bytes of both files as the system shows them.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let state = self.state();
        (state.catalog.live.clone(), state.sequence.live.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[derive(Debug)]
struct Disk {
    machine: Machine,
    is_catalog: bool,
}

impl Disk {
    fn call<T>(
        &self,
        call: Call,
        work: impl FnOnce(&mut File, Option<Failure>, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.machine.state();
        let failure = state.failure_of(call);
        let lies = state.lies;
        let file = if self.is_catalog {
            &mut state.catalog
        } else {
            &mut state.sequence
        };
        let done = work(file, failure, lies);
        match failure {
            Some(failure) => Err(failure.error()),
            None => done,
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.call(Call::Read, |file, _, _| Ok(file.live.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(Call::Read, |file, _, _| {
            let start = usize::try_from(offset).unwrap();
            let bytes = file.live.get(start..start + out.len());
            out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.call(Call::SetLength, |file, failure, _| {
            if failure.is_none() {
                let length = usize::try_from(length).unwrap();
                file.live.resize(length, 0);
                file.pending.push(Pending::Length(length));
            }
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Call::Sync, |file, failure, lies| {
            match failure {
                None if lies => {}
                None => file.settle(|| true),
                // The system has dropped what it could not write, and says so only once.
                Some(Failure::SyncFails) => file.settle(|| false),
                Some(_) => {}
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(Call::Write, |file, failure, _| {
            let start = usize::try_from(offset).unwrap();
            match failure {
                None => file.write(start, data),
                Some(Failure::ShortWrite) => file.write(start, &data[..data.len() / 2]),
                // The write that the power cut falls into may be on its way.
                Some(Failure::PowerCut) => {
                    file.pending.push(Pending::Bytes(start, data.to_vec()));
                    Ok(())
                }
                Some(_) => Ok(()),
            }
        })
    }
}

#[test]
fn neighbouring_seeds_begin_differently() {
    let first: BTreeSet<u64> = (0..1000).map(|seed| Random::new(seed).next()).collect();
    assert_eq!(first.len(), 1000);
}
