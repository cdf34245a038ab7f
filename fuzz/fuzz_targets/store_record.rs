//! Records of the store: what was written is read as it was, and bytes are read or refused.
//!
//! Input: `arbitrary`'s encoding of [`Record`], where users and roles are generated, or a key and
//! any bytes, sealed with the right checksum or not.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use portcullis::model::action::{Action, ActionSet};
use portcullis::model::milvus::{MilvusGrant, MilvusObject, PrivilegeGroup, PrivilegeGroups};
use portcullis::model::names::{DbName, RoleName, UserName};
use portcullis::model::privilege::Privilege;
use portcullis::model::resource::Resource;
use portcullis::model::restriction::{AddressRestriction, Cidr, Restrictions};
use portcullis::model::role::Role;
use portcullis::model::transient::TransientIds;
use portcullis::model::plain_credential::PlainCredential;
use portcullis::model::user::{Credentials, ScramCredential, User};
use portcullis::secret::Secret;
use portcullis::store::record::{Table, decode, display_key, encode};
use portcullis::store::{Change, Setting};
use portcullis_fuzz::document::Words;
use portcullis_fuzz::memory::metered;

/// Version and checksum.
const HEADER_BYTES: usize = 5;
/// Memory that does not depend on the record.
const MEMORY_BYTES_MAX: usize = 16 * 1024;
/// An empty privilege takes 8 bytes less than 60 in a record; a CIDR range of 9 takes 50.
const MEMORY_PER_BYTE_MAX: usize = 32;

const WORDS: Words<'_> = Words {
    keys: &["a", "employee", ""],
    texts: &["x"],
};

#[derive(Debug)]
enum Record {
    Whole(Change),
    Damaged {
        change: Change,
        edits: Vec<(u16, u8)>,
        cut: Option<u16>,
        sealed: bool,
    },
    Bytes {
        table: Table,
        key: Vec<u8>,
        document: Vec<u8>,
        sealed: bool,
    },
}

fuzz_target!(|record: Record| {
    match record {
        Record::Whole(change) => survives(&change),
        Record::Damaged {
            change,
            edits,
            cut,
            sealed,
        } => {
            let write = encode(&change).expect("a record of a few KiB");
            let original = write.record.expect("something is put");
            let mut record = original.clone();
            let first = if sealed { HEADER_BYTES } else { 0 };
            for (place, byte) in edits {
                let place = first + usize::from(place) % (record.len() - first);
                record[place] = byte;
            }
            record.truncate(cut.map_or(record.len(), |cut| first + usize::from(cut)));
            if sealed {
                seal(&write.key, &mut record);
            }
            // A checksum of 32 bits finds every change of few bits; many may come out the same.
            read(write.table, &write.key, &record);
        }
        Record::Bytes {
            table,
            key,
            document,
            sealed,
        } => {
            let mut record = [&[1, 0, 0, 0, 0], &document[..]].concat();
            if sealed {
                seal(&key, &mut record);
                read(table, &key, &record);
            } else {
                read(table, &key, &document);
            }
            assert!(display_key(table, &key).len() <= 4 * key.len() + 4);
        }
    }
});

/// decode(encode(x)) == x, and it encodes to the same bytes.
fn survives(change: &Change) {
    let write = encode(change).expect("a record of a few KiB");
    let record = write.record.as_deref().expect("something is put");
    let back = decode(write.table, &write.key, record).expect("our own record");
    assert!(same(change, &back), "{change:?} came back as {back:?}");
    assert_eq!(encode(&back).as_ref(), Ok(&write));
}

/// Reads or refuses. What is read is written and read again without a difference.
fn read(table: Table, key: &[u8], record: &[u8]) {
    let (change, held) = metered(|| decode(table, key, record));
    let allowed = MEMORY_BYTES_MAX + MEMORY_PER_BYTE_MAX * (key.len() + record.len());
    assert!(
        held <= allowed,
        "{held} bytes for a record of {}",
        record.len()
    );
    if let Ok(change) = change {
        survives(&change);
        let write = encode(&change).expect("a record no longer than it was");
        assert_eq!((write.table, &write.key[..]), (table, key));
        // A value has one encoding; only the actions of a privilege are read in any order.
        if !matches!(change, Change::PutRole(_)) {
            assert_eq!(write.record.as_deref(), Some(record));
        }
    }
}

fn same(one: &Change, other: &Change) -> bool {
    match (one, other) {
        (Change::PutUser(one), Change::PutUser(other)) => one == other,
        (Change::PutRole(one), Change::PutRole(other)) => one == other,
        (Change::PutSetting(one), Change::PutSetting(other)) => match (one, other) {
            (Setting::AuthSchema, Setting::AuthSchema) => true,
            (Setting::DefaultReadWriteConcern(one), Setting::DefaultReadWriteConcern(other)) => {
                one == other
            }
            (Setting::DeploymentSecret(one), Setting::DeploymentSecret(other)) => {
                one.matches(other.expose())
            }
            (Setting::PrivilegeGroups(one), Setting::PrivilegeGroups(other)) => one == other,
            (Setting::TransientCollections(one), Setting::TransientCollections(other)) => {
                one == other
            }
            _ => false,
        },
        _ => false,
    }
}

/// The checksum covers version, key and document.
fn seal(key: &[u8], record: &mut [u8]) {
    if let Some((header, document)) = record.split_at_mut_checked(HEADER_BYTES) {
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&[1]), key);
        let checksum = crc32c::crc32c_append(checksum, document);
        header[0] = 1;
        header[1..].copy_from_slice(&checksum.to_le_bytes());
    }
}

impl<'a> Arbitrary<'a> for Record {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=3)? {
            0 => Self::Whole(change(u)?),
            1 | 2 => Self::Damaged {
                change: change(u)?,
                edits: u.arbitrary()?,
                cut: u.arbitrary()?,
                sealed: u.ratio(7, 8)?,
            },
            _ => Self::Bytes {
                table: *u.choose(&[Table::Settings, Table::Roles, Table::Users])?,
                key: if u.ratio(1, 2)? {
                    b"admin\0a".to_vec()
                } else {
                    u.arbitrary()?
                },
                sealed: u.ratio(7, 8)?,
                document: u.bytes(u.len())?.to_vec(),
            },
        })
    }
}

fn change(u: &mut Unstructured<'_>) -> Result<Change> {
    Ok(match u.int_in_range(0..=8)? {
        0..=3 => Change::PutUser(Arc::new(user(u)?)),
        4..=7 => Change::PutRole(Arc::new(role(u)?)),
        _ => Change::PutSetting(match u.int_in_range(0..=4)? {
            0 => Setting::AuthSchema,
            1 => Setting::DefaultReadWriteConcern(Arc::new(WORDS.document(u)?)),
            2 => Setting::PrivilegeGroups(privilege_groups(u)?),
            3 => Setting::TransientCollections(transient_ids(u)?),
            _ => Setting::DeploymentSecret(Secret::new(u.arbitrary()?)),
        }),
    })
}

fn transient_ids(u: &mut Unstructured<'_>) -> Result<TransientIds> {
    let mut id = || Ok(u.arbitrary::<Option<u128>>()?.map(uuid::Uuid::from_u128));
    Ok(TransientIds {
        roles: id()?,
        users: id()?,
    })
}

fn user(u: &mut Unstructured<'_>) -> Result<User> {
    Ok(User {
        name: UserName::new(&name(u)?, db(u)?).expect("a valid name"),
        user_id: uuid::Uuid::from_u128(u.arbitrary()?),
        credentials: credentials(u)?,
        restrictions: restrictions(u)?,
        custom_data: if u.arbitrary()? {
            Some(Box::new(WORDS.document(u)?))
        } else {
            None
        },
        roles: some(u, 12, role_name)?.into(),
    })
}

fn role(u: &mut Unstructured<'_>) -> Result<Role> {
    Ok(Role {
        name: role_name(u)?,
        privileges: some(u, 4, privilege)?.into(),
        roles: some(u, 12, role_name)?.into(),
        restrictions: restrictions(u)?,
        milvus_grants: some(u, 4, milvus_grant)?.into(),
        milvus_description: u.arbitrary::<&str>()?.into(),
    })
}

fn credentials(u: &mut Unstructured<'_>) -> Result<Credentials> {
    Ok(match u.int_in_range(0..=4)? {
        0 => Credentials::External,
        1 => Credentials::Stored {
            sha_1: Some(scram(u)?),
            sha_256: None,
            plain: None,
        },
        2 => Credentials::Stored {
            sha_1: None,
            sha_256: Some(scram(u)?),
            plain: None,
        },
        3 => Credentials::Stored {
            sha_1: None,
            sha_256: None,
            plain: Some(plain(u)?),
        },
        _ => Credentials::Stored {
            sha_1: Some(scram(u)?),
            sha_256: Some(scram(u)?),
            plain: Some(plain(u)?),
        },
    })
}

fn plain(u: &mut Unstructured<'_>) -> Result<Box<PlainCredential>> {
    let (memory, passes) = (u.int_in_range(8..=1_048_576)?, u.int_in_range(1..=100)?);
    let phc = format!(
        "$argon2id$v=19$m={memory},t={passes},p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"
    );
    Ok(Box::new(PlainCredential::parse(&phc).expect("a valid hash")))
}

fn scram<const SALT: usize, const KEY: usize>(
    u: &mut Unstructured<'_>,
) -> Result<Box<ScramCredential<SALT, KEY>>> {
    Ok(Box::new(ScramCredential {
        iteration_count: u.arbitrary()?,
        salt: u.arbitrary()?,
        stored_key: u.arbitrary()?,
        server_key: u.arbitrary()?,
    }))
}

fn restrictions(u: &mut Unstructured<'_>) -> Result<Restrictions> {
    let entry = |u: &mut Unstructured<'_>| {
        Ok(AddressRestriction {
            client_source: ranges(u)?,
            server_address: ranges(u)?,
        })
    };
    some(u, 3, entry).map(Restrictions::new)
}

fn ranges(u: &mut Unstructured<'_>) -> Result<Option<Box<[Cidr]>>> {
    if u.arbitrary()? {
        Ok(None)
    } else {
        some(u, 11, range).map(|list| Some(list.into()))
    }
}

fn range(u: &mut Unstructured<'_>) -> Result<Cidr> {
    let text = match u.int_in_range(0..=3)? {
        0 => std::net::Ipv4Addr::from(u.arbitrary::<[u8; 4]>()?).to_string(),
        1 => format!("10.0.0.0/{}", u.int_in_range(0..=32)?),
        2 => std::net::Ipv6Addr::from(u.arbitrary::<[u8; 16]>()?).to_string(),
        _ => format!("fe80::/{}", u.int_in_range(0..=128)?),
    };
    Ok(text.parse().expect("a range"))
}

fn privilege(u: &mut Unstructured<'_>) -> Result<Privilege> {
    let actions = some(u, 30, |u| u.choose(Action::ALL).copied())?;
    Ok(Privilege {
        resource: resource(u)?,
        actions: ActionSet::from_iter(actions),
    })
}

fn milvus_grant(u: &mut Unstructured<'_>) -> Result<MilvusGrant> {
    Ok(MilvusGrant {
        object: *u.choose(&MilvusObject::EVERY)?,
        object_name: u.arbitrary::<&str>()?.into(),
        db: u.arbitrary::<&str>()?.into(),
        privilege: u.arbitrary::<&str>()?.into(),
        grantor: u.arbitrary::<&str>()?.into(),
    })
}

fn privilege_groups(u: &mut Unstructured<'_>) -> Result<PrivilegeGroups> {
    let groups = some(u, 4, |u| {
        let names: BTreeSet<&str> = some(u, 4, |u| u.arbitrary())?.into_iter().collect();
        Ok(PrivilegeGroup {
            name: u.arbitrary::<&str>()?.into(),
            privileges: names.into_iter().map(Into::into).collect(),
        })
    })?;
    Ok(groups.into_iter().fold(PrivilegeGroups::default(), |groups, group| groups.with(group)))
}

fn resource(u: &mut Unstructured<'_>) -> Result<Resource> {
    Ok(match u.int_in_range(0..=9)? {
        0 => Resource::Cluster,
        1 => Resource::AnyResource,
        2 => Resource::AnyNormal,
        3 => Resource::Database(db(u)?),
        4 => Resource::Namespace(db(u)?, name(u)?.into()),
        5 => Resource::CollectionInAnyDatabase(name(u)?.into()),
        6 => Resource::AnySystemBuckets,
        7 => Resource::SystemBucketsInDatabase(db(u)?),
        8 => Resource::SystemBucketsInAnyDatabase(name(u)?.into()),
        _ => Resource::SystemBuckets(db(u)?, name(u)?.into()),
    })
}

fn role_name(u: &mut Unstructured<'_>) -> Result<RoleName> {
    Ok(RoleName::new(&name(u)?, db(u)?).expect("a valid name"))
}

/// Never empty, without NUL.
fn name(u: &mut Unstructured<'_>) -> Result<String> {
    let text = u.arbitrary::<&str>()?.replace('\0', "0");
    Ok(if text.is_empty() {
        "ann".to_owned()
    } else {
        text
    })
}

fn db(u: &mut Unstructured<'_>) -> Result<DbName> {
    match DbName::parse(u.arbitrary()?) {
        Ok(db) => Ok(db),
        Err(_) => Ok(u.choose(&[DbName::ADMIN, DbName::EXTERNAL])?.clone()),
    }
}

fn some<'a, T>(
    u: &mut Unstructured<'a>,
    count_max: usize,
    make: impl Fn(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..u.int_in_range(0..=count_max)?)
        .map(|_| make(u))
        .collect()
}
