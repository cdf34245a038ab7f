use bson::rawdoc;

use super::*;

fn parse(projection: &RawDocument) -> Result<Projection, CommandError> {
    Projection::parse(projection, &mut Allowance::default())
}

#[test]
fn fields_are_included_or_excluded_at_every_level() {
    let user = rawdoc! {
        "_id": "shop.ann", "user": "ann",
        "roles": [{ "role": "read", "db": "shop" }, 1, [{ "role": "x", "db": "y" }, 2]],
        "customData": { "a": { "b": 1, "c": 2 }, "d": 3 },
    };
    for (projection, expected) in [
        (rawdoc! {}, user.clone()),
        (rawdoc! { "_id": 1 }, rawdoc! { "_id": "shop.ann" }),
        (
            rawdoc! { "_id": 0, "roles": 0, "customData": false },
            rawdoc! { "user": "ann" },
        ),
        (
            rawdoc! { "user": 1 },
            rawdoc! { "_id": "shop.ann", "user": "ann" },
        ),
        (
            rawdoc! { "user": true, "_id": 0, "nothing": 2.5 },
            rawdoc! { "user": "ann" },
        ),
        // The order is the document's.
        (
            rawdoc! { "customData": { "a": { "b": 1 } }, "user": 1, "_id": 0 },
            rawdoc! { "user": "ann", "customData": { "a": { "b": 1 } } },
        ),
        (
            rawdoc! { "customData.a.b": 1, "customData.d": 1, "_id": 0 },
            rawdoc! { "customData": { "a": { "b": 1 }, "d": 3 } },
        ),
        (
            rawdoc! { "roles.role": 1, "user.x": 1, "_id": 0 },
            rawdoc! { "roles": [{ "role": "read" }, [{ "role": "x" }]] },
        ),
        (
            rawdoc! { "roles.role": 0, "user.x": 0, "_id": 1, "customData": 0 },
            rawdoc! {
                "_id": "shop.ann", "user": "ann",
                "roles": [{ "db": "shop" }, 1, [{ "db": "y" }, 2]],
            },
        ),
    ] {
        let parsed = parse(&projection).unwrap();
        assert_eq!(parsed.apply(&user), expected, "{projection:?}");
    }
}

#[test]
fn parts_of_the_id_are_fields_like_others() {
    let document = rawdoc! { "_id": { "a": 1, "b": 2 }, "c": 3 };
    for (projection, expected) in [
        (rawdoc! { "_id.a": 1 }, rawdoc! { "_id": { "a": 1 } }),
        (
            rawdoc! { "_id.a": 0 },
            rawdoc! { "_id": { "b": 2 }, "c": 3 },
        ),
    ] {
        let parsed = parse(&projection).unwrap();
        assert_eq!(parsed.apply(&document), expected, "{projection:?}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for (projection, code, message) in [
        (
            rawdoc! { "a": 1, "b.c": 0 },
            31_254,
            "Cannot do exclusion on field b.c in inclusion projection",
        ),
        (
            rawdoc! { "a": 0, "b": 1 },
            31_253,
            "Cannot do inclusion on field b in exclusion projection",
        ),
        (
            rawdoc! { "a": 1, "a.b.c": 1 },
            31_249,
            "Path collision at a.b.c remaining portion b.c",
        ),
        (rawdoc! { "a.b": 1, "a": 1 }, 31_250, "Path collision at a"),
        (
            rawdoc! { "a": { "b": {} } },
            51_270,
            "An empty sub-projection is not a valid value. Found empty object at path a.b",
        ),
        (
            rawdoc! { "a": "$b" },
            115,
            "The projection of a is an expression; only inclusion and exclusion are supported",
        ),
        (
            rawdoc! { "a": { "$slice": 1 } },
            115,
            "The projection of a is an expression; only inclusion and exclusion are supported",
        ),
        (
            rawdoc! { "a..b": 1 },
            15_998,
            "FieldPath field names may not be empty strings.",
        ),
    ] {
        let error = parse(&projection).unwrap_err();
        assert_eq!((error.code.0, error.message.as_str()), (code, message));
    }
}

#[test]
fn levels_are_limited() {
    let mut document = rawdoc! { "a": 1 };
    for _ in 0..PATH_PARTS_MAX - 1 {
        document = rawdoc! { "a": document };
    }
    assert!(parse(&document).is_ok());
    let error = parse(&rawdoc! { "a": document }).unwrap_err();
    assert_eq!(error.code, ErrorCode(5_729_100));
}
