use std::collections::BTreeSet;

use bson::{RawDocumentBuf, rawdoc};

use super::*;
use crate::model::names::UserName;

fn asked<'a>(name: &'static str, db: &'a DbName, body: &'a RawDocumentBuf) -> Asked<'a> {
    Asked {
        name,
        db,
        body,
        message: None,
        caller: None,
    }
}

/// The command called so; those that are served take what is worked out here all the same.
fn command(name: &str) -> Unserved {
    let served = |name, compute| Unserved {
        name,
        aliases: &[],
        admin_only: false,
        takes_sequences: false,
        rule: Rule::Computed(compute, ""),
    };
    match name {
        "aggregate" => served("aggregate", needs::aggregate),
        "find" => served("find", needs::find),
        other => find(other).unwrap(),
    }
}

fn requirement(body: &RawDocumentBuf) -> Result<Requirement, CommandError> {
    let db = DbName::parse("shop").unwrap();
    let (name, _) = body.iter().next().unwrap().unwrap();
    let command = command(name.as_str());
    command.requirement(&asked(command.name, &db, body))
}

#[test]
fn names_are_sorted_and_unique() {
    assert!(TABLE.is_sorted_by(|left, right| left.name < right.name));
    assert!(INTERNAL.is_sorted_by(|left, right| left < right));
    let mut seen = BTreeSet::new();
    let names = TABLE
        .iter()
        .flat_map(|command| std::iter::once(&command.name).chain(command.aliases))
        .chain(INTERNAL);
    for name in names {
        assert!(seen.insert(*name), "{name} is there twice");
        assert!(find(name).is_some(), "{name}");
    }
    assert!(find("nope").is_none());
}

#[test]
fn a_field_that_comes_twice_is_refused_wherever_it_matters() {
    let twice = |inner: RawDocumentBuf| {
        let mut body = rawdoc! { "aggregate": "c" };
        body.append(
            bson::raw::cstr!("pipeline"),
            bson::RawArrayBuf::from_iter([inner]),
        );
        body
    };
    let mut lookup = rawdoc! { "from": "c" };
    lookup.append(bson::raw::cstr!("from"), "d");
    let mut into = rawdoc! { "into": "c" };
    into.append(bson::raw::cstr!("into"), "d");
    let mut output = rawdoc! { "db": "shop", "coll": "c" };
    output.append(bson::raw::cstr!("coll"), "d");
    let mut top = rawdoc! { "find": "c" };
    top.append(bson::raw::cstr!("find"), "d");
    let mut update = rawdoc! { "q": {}, "upsert": false };
    update.append(bson::raw::cstr!("upsert"), true);
    for body in [
        twice(rawdoc! { "$lookup": lookup }),
        twice(rawdoc! { "$merge": into }),
        twice(rawdoc! { "$out": output }),
        top,
        rawdoc! { "update": "c", "updates": [update] },
    ] {
        let error = requirement(&body).unwrap_err();
        assert_eq!(error.code, ErrorCode::IDL_DUPLICATE_FIELD, "{body:?}");
    }
}

#[test]
fn pipelines_and_collections_are_limited() {
    let mut nested = rawdoc! { "$match": {} };
    for _ in 0..20 {
        nested = rawdoc! { "$lookup": { "from": "c", "as": "a", "pipeline": [nested] } };
    }
    let error = requirement(&rawdoc! { "aggregate": "c", "pipeline": [nested] }).unwrap_err();
    assert_eq!(error.code, ErrorCode::MAX_SUB_PIPELINE_DEPTH_EXCEEDED);

    let stages = |count| bson::RawArrayBuf::from_iter(vec![rawdoc! { "$match": {} }; count]);
    let pipeline = |count| rawdoc! { "aggregate": "c", "pipeline": stages(count) };
    requirement(&pipeline(1000)).unwrap();
    assert_eq!(requirement(&pipeline(1001)).unwrap_err().code.0, 7_749_501);

    let unions = |count: usize| {
        let facets = (0..count)
            .map(|number| bson::RawBson::from(rawdoc! { "$unionWith": format!("c{number}") }));
        let facets: Vec<_> = facets.collect();
        let mut facet = RawDocumentBuf::new();
        for (number, part) in facets.chunks(1000).enumerate() {
            let name = bson::raw::CString::try_from(format!("f{number}")).unwrap();
            let part: bson::RawArrayBuf = part.iter().cloned().collect();
            facet.append(&name, part);
        }
        rawdoc! { "aggregate": "c", "pipeline": [{ "$facet": facet }] }
    };
    requirement(&unions(9_999)).unwrap();
    assert_eq!(requirement(&unions(10_000)).unwrap_err().code.0, 2);
}

#[test]
fn ones_own_sessions_are_free_to_list() {
    let ann = UserName::new("ann", DbName::ADMIN).unwrap();
    let config = DbName::parse("config").unwrap();
    let needs = |user: &str| {
        let users = rawdoc! { "user": user, "db": "admin" };
        let body = rawdoc! {
            "aggregate": "system.sessions",
            "pipeline": [{ "$listSessions": { "users": [users] } }],
        };
        let asked = Asked {
            caller: Some(&ann),
            ..asked("aggregate", &config, &body)
        };
        command("aggregate").requirement(&asked).unwrap()
    };
    assert_eq!(needs("ann"), Requirement::signed_in());
    let all = Requirement::all(vec![Need::on_cluster(Action::ListSessions)]);
    assert_eq!(needs("bob"), all);
}

#[test]
fn secrets_are_not_repeated() {
    let db = DbName::parse("shop").unwrap();
    let secret = "corvus-oratio";
    for body in [
        rawdoc! { "explain": { "find": "c", "pwd": secret } },
        rawdoc! { "update": "system.users", "updates": [{ "u": { "credentials": { "a": secret } } }] },
        rawdoc! { "aggregate": "c", "pipeline": [
            { "$queryStats": { "transformIdentifiers": { "hmacKey": secret } } },
        ] },
        rawdoc! { "compactStructuredEncryptionData": "c", "compactionTokens": { "a": secret } },
    ] {
        let (name, _) = body.iter().next().unwrap().unwrap();
        let command = command(name.as_str());
        let refused = command.refuse(
            &asked(command.name, &db, &body),
            &Authority::LocalhostException,
        );
        assert_eq!(refused.code, ErrorCode::UNAUTHORIZED);
        assert!(!refused.message.contains(secret), "{}", refused.message);
    }
}
