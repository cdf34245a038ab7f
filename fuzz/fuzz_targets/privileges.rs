//! Privilege documents: what is made of them allows what they say and nothing beside it.
//!
//! Input: a privilege as a BSON document; or else `arbitrary`'s encoding of one, made from the keys
//! and names that mean something.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use bson::RawBson;
use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};
use libfuzzer_sys::fuzz_target;
use portcullis::authz::{EffectivePrivileges, Resolved};
use portcullis::command::arguments::{FromField, Path};
use portcullis::command::privileges::PrivilegeArgument;
use portcullis::model::action::Action;
use portcullis::model::names::{DbName, RoleName};
use portcullis::model::resource::Resource;
use portcullis::model::restriction::Restrictions;
use portcullis::model::role::Role;
use portcullis::wire::validate_document;
use portcullis_fuzz::document::{Words, append};

const FIELDS: Words<'_> = Words {
    keys: &["cluster", "anyResource", "db", "collection", "system_buckets", "x"],
    texts: &["", "shop", "local", "config", "c", "system.users", "system.buckets.c", "replset.x"],
};

const ACTIONS: &[&str] = &["find", "insert", "anyAction", "nope", "internal"];

/// What is asked: `(database, collection)`, both empty for the cluster, no collection for a database.
const QUESTIONS: &[(&str, &str)] = &[
    ("", ""),
    ("shop", ""),
    ("local", ""),
    ("config", ""),
    ("other", ""),
    ("shop", "c"),
    ("shop", "d"),
    ("other", "c"),
    ("local", "c"),
    ("local", "replset.x"),
    ("shop", "system.users"),
    ("shop", "system.buckets.c"),
    ("other", "system.buckets.d"),
];

fuzz_target!(|input: &[u8]| {
    if validate_document(input) == Ok(input.len())
        && let Ok(document) = RawDocument::from_bytes(input)
    {
        check(document);
        return;
    }
    if let Ok(document) = privilege(&mut Unstructured::new(input)) {
        check(&document);
    }
});

fn check(document: &RawDocument) {
    let path = Path::root("privileges");
    let parsed = PrivilegeArgument::from_field(RawBsonRef::Document(document), &path);
    let Ok(Some(argument)) = parsed else {
        return;
    };
    let Ok(privileges) = PrivilegeArgument::resolve_all(&[argument]) else {
        return;
    };
    assert_eq!(privileges.len(), 1);
    let said = said(document).expect("accepted, so it says something");
    let role = RoleName::new("fuzzed", DbName::ADMIN).expect("a name");
    let role = Arc::new(Role {
        name: role,
        privileges: privileges.into(),
        roles: Box::default(),
        restrictions: Restrictions::NONE,
        milvus_grants: Box::default(),
        milvus_description: Box::default(),
    });
    let resolved = Resolved::of(&[role.name.clone()], &|_: &RoleName| Some(Arc::clone(&role)));
    let effective = EffectivePrivileges::of(&resolved);
    for (db, collection) in QUESTIONS {
        let resource = match (*db, *collection) {
            ("", _) => Resource::Cluster,
            (db, "") => Resource::Database(DbName::parse(db).expect("a name")),
            (db, of) => Resource::Namespace(DbName::parse(db).expect("a name"), of.into()),
        };
        for action in [Action::Find, Action::Insert, Action::Internal, Action::DropDatabase] {
            let allowed = effective.allows(&resource, &action.into());
            assert_eq!(
                allowed,
                said.allows(db, collection, action.name()),
                "{action} on {resource:?} by {document:?}"
            );
        }
    }
}

/// What a privilege document says, read with nothing but its text in mind.
struct Said {
    cluster: bool,
    any_resource: bool,
    db: String,
    collection: Option<String>,
    buckets: Option<String>,
    actions: BTreeSet<String>,
}

fn said(document: &RawDocument) -> Option<Said> {
    let resource = document.get_document("resource").ok()?;
    let text = |name: &str| resource.get_str(name).ok().map(str::to_owned);
    let has = |name: &str| {
        !matches!(
            resource.get(name),
            Ok(None | Some(RawBsonRef::Null | RawBsonRef::Undefined))
        )
    };
    let actions = document.get_array("actions").ok()?.into_iter();
    let actions = actions.map(|one| Some(one.ok()?.as_str()?.to_owned()));
    Some(Said {
        cluster: has("cluster"),
        any_resource: has("anyResource"),
        db: text("db").unwrap_or_default(),
        collection: text("collection"),
        buckets: text("system_buckets"),
        actions: actions.collect::<Option<_>>()?,
    })
}

impl Said {
    fn allows(&self, db: &str, collection: &str, action: &str) -> bool {
        let acts = self.actions.contains(action) || self.actions.contains("anyAction");
        acts && self.reaches(db, collection)
    }

    fn reaches(&self, db: &str, collection: &str) -> bool {
        if self.any_resource {
            return true;
        }
        if self.cluster || db.is_empty() {
            return self.cluster && db.is_empty();
        }
        let on_db = self.db.is_empty() || self.db == db;
        if let Some(of) = &self.buckets {
            let bucket = collection.strip_prefix("system.buckets.");
            return on_db && bucket.is_some_and(|bucket| of.is_empty() || of == bucket);
        }
        let Some(of) = &self.collection else {
            return false;
        };
        if !of.is_empty() {
            return on_db && of == collection;
        }
        let is_own = self.db.is_empty() && (db == "local" || db == "config");
        let is_system = collection.starts_with("system.")
            || (db == "local" && collection.starts_with("replset."));
        on_db && !is_own && !is_system
    }
}

fn privilege(u: &mut Unstructured<'_>) -> Result<RawDocumentBuf> {
    let mut resource = RawDocumentBuf::new();
    for _ in 0..u.int_in_range(1..=3)? {
        let key = FIELDS.key(u)?;
        let value = match key.as_str() {
            "cluster" | "anyResource" if u.ratio(7, 8)? => RawBson::Boolean(u.arbitrary()?),
            _ if u.ratio(7, 8)? => RawBson::String(FIELDS.text(u)?),
            _ => FIELDS.value(u)?,
        };
        append(&mut resource, &key, value);
    }
    let mut actions = RawArrayBuf::new();
    for _ in 0..u.int_in_range(1..=3)? {
        actions.push(*u.choose(ACTIONS)?);
    }
    let mut privilege = RawDocumentBuf::new();
    append(&mut privilege, "resource", RawBson::Document(resource));
    append(&mut privilege, "actions", RawBson::Array(actions));
    Ok(privilege)
}
