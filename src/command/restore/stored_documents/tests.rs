use std::sync::Arc;

use bson::{Document as Bson, doc};

use super::*;
use crate::command::role::roles_info_shape::stored_role;
use crate::command::user::users_info_shape::stored_user;

fn kept(document: &Bson) -> Document {
    let document = RawDocumentBuf::try_from(document).unwrap();
    Arc::new(Secret::new(document.into_bytes()))
}

/// A user's document as mongod stores it.
fn ann() -> Bson {
    let keys = |salt: usize, key: usize| {
        doc! {
            "iterationCount": 10_000,
            "salt": STANDARD.encode(vec![1; salt]),
            "storedKey": STANDARD.encode(vec![2; key]),
            "serverKey": STANDARD.encode(vec![3; key]),
        }
    };
    doc! {
        "_id": "shop.ann",
        "userId": uuid_of(7),
        "user": "ann",
        "db": "shop",
        "credentials": { "SCRAM-SHA-1": keys(16, 20), "SCRAM-SHA-256": keys(28, 32) },
        "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }],
        "customData": { "a": 1 },
        "roles": [{ "role": "read", "db": "shop" }],
    }
}

fn uuid_of(byte: u8) -> bson::Binary {
    bson::Binary {
        subtype: BinarySubtype::Uuid,
        bytes: vec![byte; 16],
    }
}

fn read_user(document: &Bson) -> Result<User, LeftOut> {
    let mut read = read::<UserName, User>(&[kept(document)]);
    read.dumped
        .entries
        .pop()
        .ok_or_else(|| read.left_out.remove(0))
}

#[test]
fn what_is_stored_is_read_back() {
    let user = read_user(&ann()).unwrap();
    assert_eq!(user.user_id.as_bytes(), &[7; 16]);
    let shown = Bson::try_from(stored_user(&user)).unwrap();
    assert_eq!(shown, ann());

    let mut external = ann();
    external.insert("db", "$external");
    external.insert("_id", "$external.ann");
    external.insert("credentials", doc! { "external": true });
    external.remove("authenticationRestrictions");
    external.remove("customData");
    let user = read_user(&external).unwrap();
    assert_eq!(Bson::try_from(stored_user(&user)).unwrap(), external);

    let clerk = doc! {
        "_id": "shop.clerk", "role": "clerk", "db": "shop",
        "privileges": [{ "resource": { "db": "shop", "collection": "c" }, "actions": ["find"] }],
        "roles": [{ "role": "read", "db": "shop" }],
        "authenticationRestrictions": [{ "serverAddress": ["::1"] }],
    };
    assert_eq!(
        Bson::try_from(stored_role(&read_role(&clerk).unwrap())).unwrap(),
        clerk
    );
}

fn read_role(document: &Bson) -> Result<Role, LeftOut> {
    let mut read = read::<RoleName, Role>(&[kept(document)]);
    read.dumped
        .entries
        .pop()
        .ok_or_else(|| read.left_out.remove(0))
}

/// A role of Milvus clients with one grant on it.
fn milvus_role(db: &str, field: &str, value: &str) -> Bson {
    let mut grant = doc! {
        "object": "Collection", "objectName": "books", "db": "default", "privilege": "Load",
        "grantor": "root",
    };
    grant.insert(field, value);
    doc! {
        "_id": format!("{db}.reader"), "role": "reader", "db": db,
        "privileges": [], "roles": [], "milvusGrants": [grant],
    }
}

#[test]
fn grants_of_milvus_clients_are_read_back() {
    let mut reader = milvus_role("milvus", "privilege", "Load");
    let role = read_role(&reader).unwrap();
    assert_eq!(Bson::try_from(stored_role(&role)).unwrap(), reader);
    // Out of order and twice: as it would have been stored.
    let sorted = reader.get_array("milvusGrants").unwrap()[0].clone();
    let mut later = sorted.as_document().unwrap().clone();
    later.insert("privilege", "Query");
    let jumbled: Vec<bson::Bson> = vec![later.clone().into(), sorted.clone(), later.clone().into()];
    reader.insert("milvusGrants", jumbled);
    let role = read_role(&reader).unwrap();
    reader.insert("milvusGrants", vec![sorted, later.into()]);
    assert_eq!(Bson::try_from(stored_role(&role)).unwrap(), reader);
}

#[test]
fn grants_that_cannot_be_say_why() {
    for (db, field, value, reason) in [
        (
            "shop",
            "db",
            "default",
            "only roles of Milvus clients have milvusGrants",
        ),
        (
            "milvus",
            "object",
            "global",
            "'role.milvusGrants.0.object' is no kind of object: 'global'",
        ),
        (
            "milvus",
            "privilege",
            "",
            "'role.milvusGrants.0.privilege' is empty",
        ),
        (
            "milvus",
            "x",
            "",
            "BSON field 'role.milvusGrants.0.x' is an unknown field.",
        ),
    ] {
        let left_out = read_role(&milvus_role(db, field, value)).unwrap_err();
        assert_eq!(left_out.reason, reason);
    }
}

#[test]
fn a_user_without_an_id_gets_one() {
    let mut user = ann();
    user.remove("userId");
    user.remove("_id");
    let ids = [(); 2].map(|()| read_user(&user).unwrap().user_id);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn what_cannot_have_been_stored_says_why() {
    let with = |change: &dyn Fn(&mut Bson)| {
        let mut document = ann();
        change(&mut document);
        let LeftOut { what, reason } = read_user(&document).unwrap_err();
        assert!(
            !reason.contains("AQEB") && !reason.contains("AgIC"),
            "{reason}"
        );
        format!("{what}: {reason}")
    };
    let keys = |change: &dyn Fn(&mut Bson)| {
        with(&|user| {
            let credentials = user.get_document_mut("credentials").unwrap();
            change(credentials.get_document_mut("SCRAM-SHA-256").unwrap());
        })
    };
    let rows = [
        (
            with(&|user| drop(user.insert("x", 1))),
            "user ann@shop: BSON field 'user.x' is an unknown field.",
        ),
        (
            with(&|user| drop(user.remove("user"))),
            "user in document 0: BSON field 'user.user' is missing but a required field",
        ),
        (
            with(&|user| drop(user.insert("db", "local"))),
            "user ann@local: there are no users and roles on local",
        ),
        (
            with(&|user| drop(user.insert("userId", "x"))),
            "user ann@shop: BSON field 'user.userId' is the wrong type 'string', expected type 'binData'",
        ),
        (
            with(&|user| drop(user.insert("credentials", doc! {}))),
            "user ann@shop: there are no credentials that can be used",
        ),
        (
            with(&|user| drop(user.insert("credentials", doc! { "MONGODB-CR": "AQEB" }))),
            "user ann@shop: BSON field 'user.credentials.MONGODB-CR' is an unknown field.",
        ),
        (
            with(&|user| drop(user.insert("db", "$external"))),
            "user ann@$external: credentials on $external must be {external: true}",
        ),
        (
            with(&|user| drop(user.insert("credentials", doc! { "external": true }))),
            "user ann@shop: there are no credentials that can be used",
        ),
        (
            with(&|user| {
                user.insert("credentials", doc! { "PLAIN": { "phc": "$argon2i$AQEB" } });
            }),
            "user ann@shop: it is no PHC string with salt and hash",
        ),
        (
            with(&|user| {
                user.insert(
                    "authenticationRestrictions",
                    vec![doc! { "clientSource": ["x"] }],
                );
            }),
            "user ann@shop: Invalid IP address in CIDR string",
        ),
        (
            keys(&|keys| drop(keys.insert("salt", STANDARD.encode([1; 27])))),
            "user ann@shop: 'user.credentials.SCRAM-SHA-256.salt' is not 28 bytes in base64",
        ),
        (
            keys(&|keys| drop(keys.insert("serverKey", "AgIC-"))),
            "user ann@shop: 'user.credentials.SCRAM-SHA-256.serverKey' is not 32 bytes in base64",
        ),
        (
            keys(&|keys| drop(keys.insert("iterationCount", 4095))),
            "user ann@shop: 'user.credentials.SCRAM-SHA-256.iterationCount' cannot be 4095",
        ),
        (
            keys(&|keys| drop(keys.insert("iterationCount", i64::MAX))),
            "user ann@shop: 'user.credentials.SCRAM-SHA-256.iterationCount' cannot be \
             9223372036854775807",
        ),
        (
            keys(&|keys| drop(keys.remove("storedKey"))),
            "user ann@shop: BSON field 'user.credentials.SCRAM-SHA-256.storedKey' is missing but a \
             required field",
        ),
    ];
    for (got, expected) in rows {
        assert_eq!(got, expected);
    }
}
