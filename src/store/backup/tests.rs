use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::role::Role;
use crate::model::user::{Credentials, User};
use crate::secret::Secret;
use crate::store::Setting;

fn user(name: &str, db: &str) -> Change {
    Change::PutUser(Arc::new(User {
        name: UserName::new(name, DbName::parse(db).unwrap()).unwrap(),
        user_id: uuid::Uuid::from_u128(7),
        credentials: Credentials::External,
        roles: Box::default(),
        restrictions: crate::model::restriction::Restrictions::default(),
        custom_data: None,
    }))
}

fn role(name: &str) -> Change {
    Change::PutRole(Arc::new(Role {
        name: RoleName::new(name, DbName::ADMIN).unwrap(),
        privileges: Box::default(),
        roles: Box::default(),
        restrictions: crate::model::restriction::Restrictions::default(),
        milvus_grants: [].into(),
        milvus_description: "".into(),
    }))
}

fn changes() -> Vec<Change> {
    vec![
        user("eve", "shop"),
        user("bob", "admin"),
        role("reader"),
        Change::PutSetting(Setting::DeploymentSecret(Secret::new([7; 32]))),
        Change::PutSetting(Setting::AuthSchema),
        user("ann", "shop"),
    ]
}

fn stream(changes: Vec<Change>, piece_bytes: usize) -> Vec<u8> {
    let mut writer = BackupWriter::new(Sequence(57), changes);
    let mut stream = Vec::new();
    while let Some(bytes) = writer.next_bytes(piece_bytes).unwrap() {
        assert!(!bytes.is_empty() && bytes.len() <= piece_bytes);
        stream.extend(bytes);
    }
    assert_eq!(writer.records_left(), 0);
    stream
}

/// The keys, if the stream is whole.
fn read(stream: &[u8], piece_bytes: usize) -> Result<Vec<String>, BackupStreamError> {
    let mut reader = BackupReader::new();
    let mut keys = Vec::new();
    for piece in stream.chunks(piece_bytes) {
        reader.push(piece);
        while let Some(write) = reader.next_record()? {
            keys.push(record::display_key(write.table, &write.key));
        }
    }
    // Whatever is left is not to the point any more.
    reader.next_record()?;
    let found = reader.sequence()?;
    let records = reader.finish()?;
    assert_eq!(found, Some(Sequence(57)));
    assert_eq!(records, keys.len() as u64);
    Ok(keys)
}

const IN_ORDER: [&str; 6] = [
    "authSchema",
    "deploymentSecret",
    "reader@admin",
    "bob@admin",
    "ann@shop",
    "eve@shop",
];

#[test]
fn what_is_written_is_read_in_pieces_of_any_size() {
    let whole = stream(changes(), usize::MAX);
    for piece_bytes in 1..whole.len() + 2 {
        assert_eq!(stream(changes(), piece_bytes), whole);
        assert_eq!(read(&whole, piece_bytes).unwrap(), IN_ORDER);
    }
    assert!(read(&stream(vec![], 9), 9).unwrap().is_empty());
}

#[test]
fn the_order_of_the_changes_does_not_matter() {
    let mut reversed = changes();
    reversed.reverse();
    assert_eq!(stream(reversed, 100), stream(changes(), 100));
}

#[test]
fn what_drops_is_not_in_it() {
    let mut with_drop = changes();
    let dropped = UserName::new("bob", DbName::ADMIN).unwrap();
    with_drop.push(Change::DropUser(dropped));
    assert_eq!(stream(with_drop, 100), stream(changes(), 100));
}

#[test]
fn a_stream_cut_short_anywhere_is_noticed() {
    let whole = stream(changes(), usize::MAX);
    for bytes in 0..whole.len() {
        let cut = read(&whole[..bytes], 64);
        assert_eq!(cut, Err(BackupStreamError::CutShort), "{bytes}");
    }
}

#[test]
fn a_bit_flipped_anywhere_is_noticed() {
    let whole = stream(changes(), usize::MAX);
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // The sequence is compared by `read` itself, so it must not get that far.
        assert!(read(&damaged, 64).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let whole = stream(changes(), usize::MAX);
    let with = |at: usize, bytes: &[u8]| {
        let mut stream = whole.clone();
        stream[at..at + bytes.len()].copy_from_slice(bytes);
        read(&stream, 64).unwrap_err()
    };
    assert_eq!(with(0, b"x"), BackupStreamError::NotABackup);
    let newer = FORMAT_VERSION + 1;
    let found = with(8, &newer.to_le_bytes());
    assert_eq!(found, BackupStreamError::NewerFormat { found: newer });
    assert_eq!(with(START_BYTES, &[9]), BackupStreamError::UnknownTable(9));
    let found = with(START_BYTES + 1, &u32::MAX.to_le_bytes());
    assert_eq!(found, BackupStreamError::RecordTooLong(u32::MAX));
    let found = with(START_BYTES + PREFIX_BYTES, b"A");
    assert!(
        matches!(&found, BackupStreamError::Record { key, .. } if key == "AuthSchema"),
        "{found}"
    );
    let end = whole.len() - END_BYTES;
    assert_eq!(with(end + 1, &[200]), BackupStreamError::Checksum);
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(read(&longer, 64), Err(BackupStreamError::Surplus));
}

#[test]
fn a_commit_that_cannot_be_is_refused() {
    for (sequence, is_possible) in [
        (0, false),
        (1, true),
        (i64::MAX as u64, true),
        (i64::MAX as u64 + 1, false),
        (u64::MAX, false),
    ] {
        let mut writer = BackupWriter::new(Sequence(sequence), Vec::new());
        let mut reader = BackupReader::new();
        reader.push(&writer.next_bytes(START_BYTES).unwrap().unwrap());
        let expected = if is_possible {
            Ok(Some(Sequence(sequence)))
        } else {
            Err(BackupStreamError::Sequence(sequence))
        };
        assert_eq!(reader.sequence(), expected);
    }
}

#[test]
fn a_record_left_out_is_noticed() {
    // As if somebody had cut it out and mended the checksum.
    let mut stream = stream(changes()[..1].to_vec(), usize::MAX);
    let end = stream.len() - END_BYTES;
    stream.drain(START_BYTES..end);
    let sealed = stream.len() - 4;
    let checksum = crc32c::crc32c(&stream[..sealed]);
    stream[sealed..].copy_from_slice(&checksum.to_le_bytes());
    let missing = BackupStreamError::RecordsMissing {
        found: 0,
        announced: 1,
    };
    assert_eq!(read(&stream, 64), Err(missing));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        is_begun in any::<bool>(),
        piece_bytes in 1..50_usize,
    ) {
        let start = BackupWriter::new(Sequence(57), Vec::new()).next_bytes(START_BYTES);
        let mut stream = if is_begun { start.unwrap().unwrap() } else { Vec::new() };
        stream.extend(bytes);
        prop_assert!(read(&stream, piece_bytes).is_err());
    }
}
