//! What commands take that write, where it depends on their fields or their document sequences.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::asked::{Asked, need};
use super::collected::Needs;
use super::fields::{
    Namespace, check_known, field, field_or_null, first, flag, invalid_namespace, required_text,
    text,
};
use crate::authz::Requirement;
use crate::command::arguments::{Path, invalid_bson, missing_field, type_name, wrong_type};
use crate::command::field_types::whole_number;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

/// `delete`.
pub(in crate::command) fn delete(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    on_collection(asked, &[Action::Remove])
}

/// `update`; one upsert among the updates is enough to need more.
pub(in crate::command) fn update(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let mut upserts = false;
    asked.each_document("updates", |update, path| {
        upserts |= flag(update, "upsert", path)?;
        Ok(())
    })?;
    let actions: &[Action] = if upserts {
        &[Action::Update, Action::Insert]
    } else {
        &[Action::Update]
    };
    on_collection(asked, actions)
}

/// `findAndModify`.
pub(in crate::command) fn find_and_modify(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let mut actions = vec![Action::Find];
    if field(asked.body, "update", &asked.path())?.is_some() {
        actions.push(Action::Update);
    }
    if asked.flag("upsert")? {
        actions.push(Action::Insert);
    }
    if asked.flag("remove")? {
        actions.push(Action::Remove);
    }
    on_collection(asked, &actions)
}

fn on_collection(asked: &Asked<'_>, actions: &[Action]) -> Result<Requirement, CommandError> {
    let resource = asked.collection()?.resource();
    let actions = asked.with_bypass(actions)?;
    Ok(Requirement::all(vec![need(resource, &actions)]))
}

/// `bulkWrite`: each operation on the namespace it points at.
pub(super) fn bulk_write(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let mut namespaces = Vec::new();
    asked.each_document("nsInfo", |info, path| {
        namespaces.push(Namespace::parse(required_text(info, "ns", path)?)?);
        Ok(())
    })?;
    let mut needs = Needs::default();
    asked.each_document("ops", |operation, path| {
        let (place, actions) = bulk_operation(operation, path)?;
        let namespace = usize::try_from(place)
            .ok()
            .and_then(|at| namespaces.get(at));
        let namespace = namespace.ok_or_else(|| {
            let have = namespaces.len();
            CommandError::bad_value(format!(
                "BulkWrite ops entry {place} has an invalid nsInfo index; there are {have}"
            ))
        })?;
        needs.add(namespace.resource(), &asked.with_bypass(actions)?)
    })?;
    let needs = needs.into_vec();
    if needs.is_empty() {
        return Err(CommandError::bad_value(
            "Write batch sizes must be between 1 and 100000. Got 0 operations.",
        ));
    }
    Ok(Requirement::all(needs))
}

/// Where an operation of `bulkWrite` points, and what it does there.
fn bulk_operation(
    operation: &RawDocument,
    path: &Path<'_>,
) -> Result<(i64, &'static [Action]), CommandError> {
    let (kind, place) = match operation.iter().next() {
        Some(Ok((kind, place))) => (kind.as_str(), place),
        Some(Err(error)) => return Err(invalid_bson(&error)),
        None => ("", RawBsonRef::Null),
    };
    let upserts = flag(operation, "upsert", path)?;
    let actions: &[Action] = match kind {
        "insert" => &[Action::Insert],
        "update" if upserts => &[Action::Update, Action::Insert],
        "update" => &[Action::Update],
        "delete" => &[Action::Remove],
        _ => {
            return Err(CommandError::new(
                ErrorCode::FAILED_TO_PARSE,
                format!(
                    "BSON field '{path}' must begin with 'insert', 'update' or 'delete', not \
                     '{kind}'"
                ),
            ));
        }
    };
    let others = ["insert", "update", "delete"];
    for other in others.iter().filter(|other| **other != kind) {
        if field_or_null(operation, other, path)?.is_some() {
            return Err(CommandError::new(
                ErrorCode::FAILED_TO_PARSE,
                format!("BSON field '{path}' has both '{kind}' and '{other}'"),
            ));
        }
    }
    match place {
        RawBsonRef::Int32(_) | RawBsonRef::Int64(_) => {
            field_or_null(operation, kind, path)?;
            Ok((whole_number(place).unwrap_or(-1), actions))
        }
        other => Err(wrong_type(&path.field(kind), other, &["int", "long"])),
    }
}

/// `mapReduce`: reads its collection, and writes where `out` says.
pub(in crate::command) fn map_reduce(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let source = asked.collection()?;
    let mut needs = vec![need(source.resource(), &[Action::Find])];
    if let Some((target, actions)) = map_reduce_output(asked)? {
        needs.push(need(target.resource(), &asked.with_bypass(actions)?));
    }
    Ok(Requirement::all(needs))
}

fn map_reduce_output(
    asked: &Asked<'_>,
) -> Result<Option<(Namespace, &'static [Action])>, CommandError> {
    const REPLACE: &[Action] = &[Action::Insert, Action::Remove];
    const MERGE: &[Action] = &[Action::Insert, Action::Update];
    let path = asked.path();
    let out_path = path.field("out");
    let out = match field(asked.body, "out", &path)? {
        Some(RawBsonRef::String(name)) => {
            return Ok(Some((Namespace::of(asked.db, name)?, REPLACE)));
        }
        Some(RawBsonRef::Document(out)) => out,
        Some(other) => return Err(wrong_type(&out_path, other, &["string", "object"])),
        None => return Err(missing_field(&out_path)),
    };
    check_known(
        out,
        &[
            "inline",
            "replace",
            "merge",
            "reduce",
            "db",
            "sharded",
            "nonAtomic",
        ],
        &out_path,
    )?;
    let db = match text(out, "db", &out_path)? {
        None => asked.db.clone(),
        Some(db) => DbName::parse(db).map_err(|_| invalid_namespace(db))?,
    };
    let mut found = Vec::new();
    for (name, actions) in [("replace", REPLACE), ("merge", MERGE), ("reduce", MERGE)] {
        if let Some(target) = text(out, name, &out_path)? {
            found.push((Namespace::of(&db, target)?, actions));
        }
    }
    let is_inline = field_or_null(out, "inline", &out_path)?.is_some();
    match (found.pop(), found.is_empty(), is_inline) {
        (None, _, true) => Ok(None),
        (Some(one), true, false) => Ok(Some(one)),
        _ => Err(CommandError::new(
            ErrorCode::FAILED_TO_PARSE,
            "'out' takes one of 'inline', 'replace', 'merge' and 'reduce'",
        )),
    }
}

/// `applyOps`: each entry of the log as the command it stands for. What cannot be told takes
/// everything.
pub(super) fn apply_ops(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let value = first(asked.body)?;
    let RawBsonRef::Array(entries) = value else {
        return Err(wrong_type(
            &asked.path().field("applyOps"),
            value,
            &["array"],
        ));
    };
    let mut needs = Needs::default();
    needs.add(Resource::Cluster, &[Action::ApplyOps])?;
    if entries.is_empty() {
        needs.add(Resource::AnyResource, &[Action::AnyAction])?;
    }
    let always_upserts = asked.flag("alwaysUpsert")?;
    let root = asked.path();
    let path = root.field("applyOps");
    for (place, entry) in entries.into_iter().enumerate() {
        let entry = entry.map_err(|error| invalid_bson(&error))?;
        let path = path.index(place);
        let RawBsonRef::Document(entry) = entry else {
            return Err(wrong_type(&path, entry, &["object"]));
        };
        log_entry(entry, always_upserts, &path, &mut needs)?;
    }
    Ok(Requirement::all(needs.into_vec()))
}

fn log_entry(
    entry: &RawDocument,
    always_upserts: bool,
    path: &Path<'_>,
    needs: &mut Needs,
) -> Result<(), CommandError> {
    let kind = required_text(entry, "op", path)?;
    if field(entry, "ui", path)?.is_some() {
        needs.add(Resource::Cluster, &[Action::UseUUID])?;
    }
    let actions: &[Action] = match kind {
        "n" => return needs.add(Resource::Cluster, &[Action::AppendOplogNote]),
        "i" => &[Action::Insert],
        "u" if always_upserts || flag(entry, "b", path)? => &[Action::Update, Action::Insert],
        "u" => &[Action::Update],
        "d" => &[Action::Remove],
        "c" => return log_entry_of_command(entry, path, needs),
        other => {
            return Err(CommandError::bad_value(format!(
                "BSON field '{path}.op' is no kind of operation: '{other}'"
            )));
        }
    };
    let namespace = Namespace::parse(required_text(entry, "ns", path)?)?;
    needs.add(namespace.resource(), actions)
}

fn log_entry_of_command(
    entry: &RawDocument,
    path: &Path<'_>,
    needs: &mut Needs,
) -> Result<(), CommandError> {
    let database = Namespace::parse(required_text(entry, "ns", path)?)?.db;
    let command = match field(entry, "o", path)? {
        Some(RawBsonRef::Document(command)) => command,
        Some(other) => return Err(wrong_type(&path.field("o"), other, &["object"])),
        None => return Err(missing_field(&path.field("o"))),
    };
    let (name, value) = match command.iter().next() {
        Some(Ok((name, value))) => (name.as_str(), value),
        Some(Err(error)) => return Err(invalid_bson(&error)),
        None => ("", RawBsonRef::Null),
    };
    let action = match name {
        "create" if field_or_null(command, "viewOn", path)?.is_none() => Action::CreateCollection,
        "collMod" if field_or_null(command, "viewOn", path)?.is_none() => Action::CollMod,
        "drop" => Action::DropCollection,
        "createIndexes" => Action::CreateIndex,
        "dropIndexes" | "deleteIndexes" => Action::DropIndex,
        "dropDatabase" => {
            return needs.add(Resource::Database(database), &[Action::DropDatabase]);
        }
        "renameCollection" => return renaming_entry(command, value, path, needs),
        _ => return needs.add(Resource::AnyResource, &[Action::AnyAction]),
    };
    if name == "create" && field(entry, "ui", path)?.is_some() {
        needs.add(Resource::Cluster, &[Action::ForceUUID])?;
    }
    match value {
        RawBsonRef::String(collection) => {
            needs.add(Namespace::of(&database, collection)?.resource(), &[action])
        }
        other => Err(CommandError::new(
            ErrorCode::INVALID_NAMESPACE,
            format!("collection name has invalid type {}", type_name(other)),
        )),
    }
}

fn renaming_entry(
    command: &RawDocument,
    source: RawBsonRef<'_>,
    path: &Path<'_>,
    needs: &mut Needs,
) -> Result<(), CommandError> {
    let RawBsonRef::String(source) = source else {
        return Err(wrong_type(&path.field("o"), source, &["string"]));
    };
    let target = Namespace::parse(required_text(command, "to", path)?)?;
    let drops = !matches!(
        field(command, "dropTarget", path)?,
        None | Some(RawBsonRef::Boolean(false))
    );
    needs.add(
        Namespace::parse(source)?.resource(),
        &[Action::Find, Action::DropCollection],
    )?;
    needs.add(target.resource(), &[Action::Insert, Action::CreateIndex])?;
    if drops {
        needs.add(target.resource(), &[Action::DropCollection])?;
    }
    Ok(())
}
