use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::action::Action;
use crate::model::milvus::{MilvusGrant, MilvusObject};
use crate::model::plain_credential::PlainCredential;
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;
use crate::model::restriction::{AddressRestriction, Cidr, Restrictions};
use crate::model::user::{Credentials, ScramCredential};

fn db_names() -> impl Strategy<Value = DbName> {
    prop_oneof![
        Just(DbName::ADMIN),
        Just(DbName::EXTERNAL),
        "[a-z\u{e9}\u{4e2d}-]{1,20}".prop_map(|name| DbName::parse(&name).unwrap()),
    ]
}

fn names() -> impl Strategy<Value = String> {
    "\\PC{1,40}"
}

fn role_names() -> impl Strategy<Value = RoleName> {
    (names(), db_names()).prop_map(|(role, db)| RoleName::new(&role, db).unwrap())
}

fn credential<const SALT: usize, const KEY: usize>(seed: (u32, u8)) -> ScramCredential<SALT, KEY> {
    ScramCredential {
        iteration_count: seed.0,
        salt: [seed.1; SALT],
        stored_key: [seed.1 ^ 1; KEY],
        server_key: [seed.1 ^ 2; KEY],
    }
}

fn plain(passes: u32) -> PlainCredential {
    let phc = format!(
        "$argon2id$v=19$m=7168,t={passes},p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"
    );
    PlainCredential::parse(&phc).unwrap()
}

fn credentials() -> impl Strategy<Value = Credentials> {
    let seed = || any::<(u32, u8)>();
    prop_oneof![
        Just(Credentials::External),
        seed().prop_map(|seed| Credentials::Stored {
            sha_1: Some(Box::new(credential(seed))),
            sha_256: None,
            plain: None,
        }),
        (1..=100_u32).prop_map(|passes| Credentials::Stored {
            sha_1: None,
            sha_256: None,
            plain: Some(Box::new(plain(passes))),
        }),
        (
            proptest::option::of(seed()),
            seed(),
            proptest::option::of(1..=100_u32)
        )
            .prop_map(|(one, two, three)| Credentials::Stored {
                sha_1: one.map(|seed| Box::new(credential(seed))),
                sha_256: Some(Box::new(credential(two))),
                plain: three.map(plain).map(Box::new),
            }),
    ]
}

fn ranges() -> impl Strategy<Value = Option<Box<[Cidr]>>> {
    let range = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| format!("{address}/16")),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ];
    let range = range.prop_map(|text| text.parse::<Cidr>().unwrap());
    let list = proptest::collection::vec(range, 0..12).prop_map(Vec::into_boxed_slice);
    proptest::option::of(list)
}

fn restrictions() -> impl Strategy<Value = Restrictions> {
    let entry =
        (ranges(), ranges()).prop_map(|(client_source, server_address)| AddressRestriction {
            client_source,
            server_address,
        });
    proptest::collection::vec(entry, 0..3).prop_map(Restrictions::new)
}

fn custom_data() -> impl Strategy<Value = Option<Box<RawDocumentBuf>>> {
    let document = proptest::collection::vec(any::<i32>(), 0..5).prop_map(|values| {
        let mut document = RawDocumentBuf::new();
        for value in values {
            document.append(::bson::raw::cstr!("value"), value);
        }
        Box::new(document)
    });
    proptest::option::of(document)
}

prop_compose! {
    fn users()(
        name in names(),
        db in db_names(),
        id in any::<u128>(),
        credentials in credentials(),
        restrictions in restrictions(),
        custom_data in custom_data(),
        roles in proptest::collection::vec(role_names(), 0..13),
    ) -> User {
        User {
            name: UserName::new(&name, db).unwrap(),
            user_id: Uuid::from_u128(id),
            credentials,
            restrictions,
            custom_data,
            roles: roles.into(),
        }
    }
}

fn resources() -> impl Strategy<Value = Resource> {
    let collection = || names().prop_map(Into::into);
    prop_oneof![
        Just(Resource::Cluster),
        Just(Resource::AnyResource),
        Just(Resource::AnyNormal),
        Just(Resource::AnySystemBuckets),
        db_names().prop_map(Resource::Database),
        (db_names(), collection()).prop_map(|(db, name)| Resource::Namespace(db, name)),
        collection().prop_map(Resource::CollectionInAnyDatabase),
        db_names().prop_map(Resource::SystemBucketsInDatabase),
        collection().prop_map(Resource::SystemBucketsInAnyDatabase),
        (db_names(), collection()).prop_map(|(db, name)| Resource::SystemBuckets(db, name)),
    ]
}

prop_compose! {
    fn privileges()(
        resource in resources(),
        actions in proptest::collection::vec(0..Action::ALL.len(), 1..30),
    ) -> Privilege {
        let actions = actions.into_iter().map(|index| Action::ALL[index]);
        Privilege { resource, actions: actions.collect() }
    }
}

prop_compose! {
    fn milvus_grants()(
        object in proptest::sample::select(&MilvusObject::EVERY[..]),
        texts in proptest::array::uniform4("[a-z*]{0,8}"),
    ) -> MilvusGrant {
        let [object_name, db, privilege, grantor] = texts.map(Into::into);
        MilvusGrant { object, object_name, db, privilege, grantor }
    }
}

prop_compose! {
    fn roles()(
        name in role_names(),
        privileges in proptest::collection::vec(privileges(), 0..5),
        roles in proptest::collection::vec(role_names(), 0..5),
        restrictions in restrictions(),
        milvus_grants in proptest::collection::vec(milvus_grants(), 0..5),
    ) -> Role {
        Role {
            name,
            privileges: privileges.into(),
            roles: roles.into(),
            restrictions,
            milvus_grants: milvus_grants.into(),
        }
    }
}

fn encoded(change: &Change) -> (Vec<u8>, Vec<u8>) {
    let write = encode(change).unwrap();
    (write.key, write.record.unwrap())
}

fn sealed(key: &[u8], document: &[u8]) -> Vec<u8> {
    let mut record = vec![VERSION];
    record.extend_from_slice(&checksum(key, document).to_le_bytes());
    record.extend_from_slice(document);
    record
}

proptest! {
    #[test]
    fn a_user_comes_back_as_it_was(user in users()) {
        let (key, record) = encoded(&Change::PutUser(Arc::new(user.clone())));
        let Ok(Change::PutUser(back)) = decode(Table::Users, &key, &record) else {
            panic!("not a user");
        };
        prop_assert_eq!(&*back, &user);
        prop_assert_eq!(encoded(&Change::PutUser(back)).1, record);
    }

    #[test]
    fn a_role_comes_back_as_it_was(role in roles()) {
        let (key, record) = encoded(&Change::PutRole(Arc::new(role.clone())));
        let Ok(Change::PutRole(back)) = decode(Table::Roles, &key, &record) else {
            panic!("not a role");
        };
        prop_assert_eq!(&*back, &role);
        prop_assert_eq!(encoded(&Change::PutRole(back)).1, record);
    }

    #[test]
    fn what_we_write_is_bson(user in users(), role in roles()) {
        for change in [Change::PutUser(Arc::new(user)), Change::PutRole(Arc::new(role))] {
            let (_, record) = encoded(&change);
            let document = RawDocumentBuf::from_bytes(record[HEADER_BYTES..].to_vec()).unwrap();
            prop_assert!(::bson::Document::try_from(document).is_ok());
        }
    }

    #[test]
    fn any_flipped_bit_is_found(user in users(), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (key, mut record) = encoded(&Change::PutUser(Arc::new(user)));
        let place = place.index(record.len());
        record[place] ^= 1_u8 << bit;
        prop_assert!(decode(Table::Users, &key, &record).is_err());
    }

    #[test]
    fn a_record_cut_anywhere_is_refused(user in users(), place in any::<prop::sample::Index>()) {
        let (key, record) = encoded(&Change::PutUser(Arc::new(user)));
        let cut = &record[..place.index(record.len())];
        prop_assert!(decode(Table::Users, &key, cut).is_err());
    }

    // The checksum is made to fit, so the damage reaches the reading of the document.
    #[test]
    fn damage_behind_a_good_checksum_never_panics(
        user in users(),
        role in roles(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        for (table, change) in [
            (Table::Users, Change::PutUser(Arc::new(user))),
            (Table::Roles, Change::PutRole(Arc::new(role))),
        ] {
            let (key, record) = encoded(&change);
            let mut document = record[HEADER_BYTES..].to_vec();
            for (place, byte) in &damage {
                let place = place.index(document.len());
                document[place] = *byte;
            }
            let _ = decode(table, &key, &sealed(&key, &document));
            let cut = &document[..cut.index(document.len())];
            prop_assert!(decode(table, &key, &sealed(&key, cut)).is_err());
        }
    }

    #[test]
    fn random_bytes_never_panic(
        key in proptest::collection::vec(any::<u8>(), 0..40),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        for table in [Table::Users, Table::Roles, Table::Settings] {
            let _ = decode(table, &key, &bytes);
            let _ = decode(table, &key, &sealed(&key, &bytes));
            let _ = display_key(table, &key);
        }
    }
}

fn ann() -> User {
    User {
        name: UserName::new("ann", DbName::ADMIN).unwrap(),
        user_id: Uuid::from_u128(1),
        credentials: Credentials::External,
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: [].into(),
    }
}

fn document(elements: &[&[u8]]) -> Vec<u8> {
    let elements = elements.concat();
    let length = u8::try_from(elements.len() + 5).unwrap();
    [&[length, 0, 0, 0], &elements[..], &[0]].concat()
}

const USER_ID: &[u8] = b"\x05userId\0\x10\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
const EXTERNAL: &[u8] = b"\x03credentials\0\x10\0\0\0\x08external\0\x01\0";
const NO_CREDENTIALS: &[u8] = b"\x03credentials\0\x05\0\0\0\0";
const NO_ROLES: &[u8] = b"\x04roles\0\x05\0\0\0\0";

#[test]
fn the_bytes_of_a_user_are_those_of_the_journal() {
    let (key, record) = encoded(&Change::PutUser(Arc::new(ann())));
    assert_eq!(key, b"admin\0ann");
    assert_eq!(record[0], 1);
    let wanted = crc32c::crc32c(&[&b"\x01admin\0ann"[..], &record[5..]].concat());
    assert_eq!(record[1..5], wanted.to_le_bytes());
    assert_eq!(record[5..], document(&[USER_ID, EXTERNAL, NO_ROLES]));
}

#[test]
fn each_malformation_is_named() {
    let why = |elements: &[&[u8]]| {
        let record = sealed(b"admin\0ann", &document(elements));
        decode(Table::Users, b"admin\0ann", &record)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(why(&[EXTERNAL, NO_ROLES]), Malformed::Field("userId"));
    assert_eq!(why(&[USER_ID, NO_ROLES]), Malformed::Field("credentials"));
    assert_eq!(why(&[USER_ID, EXTERNAL]), Malformed::Field("roles"));
    assert_eq!(
        why(&[USER_ID, NO_CREDENTIALS, NO_ROLES]),
        Malformed::Field("credentials")
    );
    assert_eq!(
        why(&[USER_ID, EXTERNAL, NO_ROLES, b"\x0amore\0"]),
        Malformed::Surplus
    );
    assert_eq!(
        why(&[USER_ID, EXTERNAL, NO_ROLES, NO_ROLES]),
        Malformed::Surplus
    );
    let bad_range = b"\x04authenticationRestrictions\0\x2b\0\0\0\x030\0\x23\0\0\0\
        \x04clientSource\0\x10\0\0\0\x020\0\x04\0\0\0abc\0\0\0\0";
    assert!(matches!(
        why(&[USER_ID, EXTERNAL, bad_range, NO_ROLES]),
        Malformed::Value {
            field: "clientSource",
            ..
        }
    ));
}

#[test]
fn a_record_belongs_to_its_key_and_version() {
    let (key, mut record) = encoded(&Change::PutUser(Arc::new(ann())));
    let why =
        |key: &[u8], record: &[u8]| decode(Table::Users, key, record).map(|_| ()).unwrap_err();
    assert_eq!(why(b"admin\0bob", &record), Malformed::Checksum);
    let sealed_elsewhere = sealed(b"ann", &record[HEADER_BYTES..]);
    assert_eq!(why(b"ann", &sealed_elsewhere), Malformed::Key);
    record[0] = 2;
    assert_eq!(why(&key, &record), Malformed::Version(2));
    assert_eq!(why(&key, &[]), Malformed::CutShort);
    assert_eq!(why(&key, &[1, 0, 0]), Malformed::CutShort);
}

#[test]
fn settings_come_back_and_unknown_ones_are_refused() {
    let mut concern = RawDocumentBuf::new();
    concern.append(::bson::raw::cstr!("w"), "majority");
    for setting in [
        Setting::AuthSchema,
        Setting::DefaultReadWriteConcern(Arc::new(concern)),
        Setting::DeploymentSecret(Secret::new([7; 32])),
    ] {
        let (key, record) = encoded(&Change::PutSetting(setting));
        let back = decode(Table::Settings, &key, &record).unwrap();
        assert_eq!(encoded(&back), (key, record));
    }
    let unknown = sealed(b"later", &document(&[]));
    let back = decode(Table::Settings, b"later", &unknown);
    assert_eq!(back.map(|_| ()).unwrap_err(), Malformed::Key);
}

#[test]
fn the_size_limit_is_exact() {
    let with_custom_data = |bytes: usize| {
        let mut data = RawDocumentBuf::new();
        data.append(::bson::raw::cstr!("x"), "y".repeat(bytes));
        let custom_data = Some(Box::new(data));
        encode(&Change::PutUser(Arc::new(User {
            custom_data,
            ..ann()
        })))
    };
    let overhead = with_custom_data(0).unwrap().record.unwrap().len();
    assert!(with_custom_data(RECORD_BYTES_MAX - overhead).is_ok());
    let refused = with_custom_data(RECORD_BYTES_MAX - overhead + 1).unwrap_err();
    assert_eq!(refused.bytes, RECORD_BYTES_MAX + 1);
    assert_eq!(refused.name, "ann@admin");
}

#[test]
fn keys_are_displayed_as_names() {
    assert_eq!(display_key(Table::Users, b"admin\0ann"), "ann@admin");
    assert_eq!(display_key(Table::Users, b"\xffann"), "\\xffann");
    assert_eq!(display_key(Table::Settings, b"authSchema"), "authSchema");
}
