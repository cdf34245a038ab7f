//! Power cuts and failing disks, by a disk in memory.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use portcullis::store::{Change, RedbStore, Sequence, Store, StoreError};
use proptest::prelude::*;
use redb::StorageBackend;

use crate::support::{
    State, concern, keep, put_role, put_user, role, role_name, state_of, user, user_name,
};

/// What was written, and what of it would be there after a power cut.
#[derive(Debug, Default)]
struct Disk {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync, in order.
    pending: Vec<Pending>,
    /// Syncs until the power goes; `None` means never.
    syncs_left: Option<u32>,
}

#[derive(Debug)]
enum Pending {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Disk {
    fn check_power(&self) -> io::Result<()> {
        if self.syncs_left == Some(0) {
            Err(io::Error::other("the power is gone"))
        } else {
            Ok(())
        }
    }

    /// The durable bytes and those pending writes that `luck` lets through; the disk may have done
    /// any of them before the power went.
    fn crash_image(&self, mut luck: impl FnMut() -> bool) -> Vec<u8> {
        let mut image = self.durable.clone();
        for pending in &self.pending {
            match pending {
                // The length is the file system's, whose journal keeps the order.
                Pending::Length(length) => image.resize(*length, 0),
                Pending::Bytes(offset, bytes) => {
                    // A write may be torn between sectors.
                    for (index, sector) in bytes.chunks(512).enumerate() {
                        let start = offset + index * 512;
                        if let Some(place) = image.get_mut(start..start + sector.len())
                            && luck()
                        {
                            place.copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        image
    }
}

#[derive(Debug, Clone, Default)]
struct CrashingDisk(Arc<Mutex<Disk>>);

impl CrashingDisk {
    fn with(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            live: bytes.clone(),
            durable: bytes,
            ..Disk::default()
        })))
    }
}

impl StorageBackend for CrashingDisk {
    fn len(&self) -> io::Result<u64> {
        let disk = self.0.lock().unwrap();
        disk.check_power()?;
        Ok(disk.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock().unwrap();
        disk.check_power()?;
        let start = usize::try_from(offset).unwrap();
        let bytes = disk.live.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.check_power()?;
        let length = usize::try_from(length).unwrap();
        disk.live.resize(length, 0);
        disk.pending.push(Pending::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.check_power()?;
        if let Some(left) = &mut disk.syncs_left {
            *left -= 1;
        }
        disk.check_power()?;
        let disk = &mut *disk;
        disk.durable.clone_from(&disk.live);
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.check_power()?;
        let start = usize::try_from(offset).unwrap();
        let place = disk.live.get_mut(start..start + data.len());
        place
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        disk.pending.push(Pending::Bytes(start, data.to_vec()));
        Ok(())
    }
}

fn open(disk: &CrashingDisk) -> Result<RedbStore, StoreError> {
    RedbStore::open_backend(disk.clone(), Path::new("crashing disk"))
}

fn changes() -> impl Strategy<Value = Change> {
    let name = || (0..8_u8).prop_map(|index| format!("name{index}"));
    prop_oneof![
        4 => (name(), any::<u8>()).prop_map(|(name, seed)| put_user(user(&name, seed))),
        2 => name().prop_map(|name| Change::DropUser(user_name(&name))),
        2 => name().prop_map(|name| put_role(role(&name))),
        1 => name().prop_map(|name| Change::DropRole(role_name(&name))),
        1 => name().prop_map(|mode| concern(&mode)),
    ]
}

fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    proptest::collection::vec(proptest::collection::vec(changes(), 1..12), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_crash_loses_nothing_acknowledged_and_halves_nothing(
        batches in batches(),
        syncs in 1..40_u32,
        mut luck in any::<u64>(),
    ) {
        let disk = CrashingDisk::default();
        let store = open(&disk).unwrap();
        disk.0.lock().unwrap().syncs_left = Some(syncs);

        // The state after each acknowledged batch; the last one may or may not have made it.
        let mut acknowledged = (State::new(), Sequence(0));
        let mut in_flight = acknowledged.clone();
        for batch in &batches {
            in_flight.1 = Sequence(in_flight.1.0 + 1);
            for change in batch {
                keep(&mut in_flight.0, change);
            }
            match store.commit(batch) {
                Ok(sequence) => {
                    prop_assert_eq!(sequence, in_flight.1);
                    acknowledged = in_flight.clone();
                }
                Err(error) => {
                    let io_error = matches!(&error, StoreError::Io { .. });
                    prop_assert!(io_error, "{}", error);
                    prop_assert_eq!(store.commit(batch), Err(StoreError::Poisoned));
                    break;
                }
            }
        }
        disk.0.lock().unwrap().syncs_left = Some(0);
        drop(store);

        let image = disk.0.lock().unwrap().crash_image(|| {
            // xorshift64
            luck |= 1;
            luck ^= luck << 13;
            luck ^= luck >> 7;
            luck ^= luck << 17;
            luck & 1024 == 0
        });
        let disk = CrashingDisk::with(image);
        let reopened = open(&disk).unwrap();
        let found = state_of(&reopened);
        prop_assert!(
            found == acknowledged || found == in_flight,
            "found {}, acknowledged {}",
            found.1,
            acknowledged.1
        );
        // And it goes on from there.
        let next = reopened.commit(&[concern("next")]);
        prop_assert_eq!(next, Ok(Sequence(found.1.0 + 1)));
    }
}

#[test]
fn a_failed_commit_poisons_until_reopened() {
    let disk = CrashingDisk::default();
    let store = open(&disk).unwrap();
    store.commit(&[concern("1")]).unwrap();
    disk.0.lock().unwrap().syncs_left = Some(0);
    let failed = store.commit(&[concern("2")]).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "cannot read or write crashing disk: the power is gone"
    );
    // The disk is back, the store knows not what it kept.
    disk.0.lock().unwrap().syncs_left = None;
    for _ in 0..2 {
        assert_eq!(store.commit(&[concern("3")]), Err(StoreError::Poisoned));
    }
    drop(store);
    let image = disk.0.lock().unwrap().durable.clone();
    let store = open(&CrashingDisk::with(image)).unwrap();
    assert_eq!(store.commit(&[concern("4")]), Ok(Sequence(2)));
}

#[test]
fn a_record_too_large_poisons_nothing() {
    let store = open(&CrashingDisk::default()).unwrap();
    let failed = store.commit(&[concern(&"x".repeat(17 * 1024 * 1024))]);
    assert!(matches!(failed, Err(StoreError::RecordTooLarge(_))));
    assert_eq!(store.commit(&[concern("1")]), Ok(Sequence(1)));
}
