//! What commands take that read or define something, where it depends on their fields.
//!
//! Each function is named after its command; [`super::table`] says which commands are worked out here.

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};
use bson::spec::BinarySubtype;

use super::asked::{Asked, Compute, need};
use super::fields::{
    Namespace, array, field, field_or_null, first, invalid_namespace, required_text, text,
};
use super::pipeline::{COLLECTIONLESS, PipelineReader};
use super::writes;
use crate::authz::{Need, Requirement, Way};
use crate::command::arguments::{Path, missing_field, wrong_type};
use crate::command::field_types::number;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

/// Length of a UUID.
const UUID_BYTES: usize = 16;

/// `aggregate`: what its pipeline takes.
pub(in crate::command) fn aggregate(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let namespace = match first(asked.body)? {
        // A pipeline about the database as a whole.
        value if number(value) == Some(1.0) => Namespace::of(asked.db, COLLECTIONLESS)?,
        _ => asked.collection()?,
    };
    let path = asked.path();
    let pipeline = array(asked.body, "pipeline", &path)?
        .ok_or_else(|| missing_field(&path.field("pipeline")))?;
    let bypass_validation = asked.flag("bypassDocumentValidation")?;
    let mut reader = PipelineReader::new(asked.caller, bypass_validation);
    reader.read(&namespace, pipeline)?;
    Ok(Requirement::all(reader.into_needs()))
}

/// `find`, `count` and `distinct`.
pub(in crate::command) fn find(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let mut needs = on_collection_or_uuid(asked, Action::Find)?;
    if field(asked.body, "term", &asked.path())?.is_some() {
        needs.push(Need::on_cluster(Action::Internal));
    }
    Ok(Requirement::all(needs))
}

/// `create`: a collection, or a view.
pub(in crate::command) fn create(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let namespace = asked.collection()?;
    let mut actions = Vec::new();
    if asked.flag("capped")? {
        actions.push(Action::ConvertToCapped);
    }
    let with = |action| {
        let actions: Vec<_> = actions.iter().copied().chain([action]).collect();
        need(namespace.resource(), &actions)
    };
    if let Some(on) = text(asked.body, "viewOn", &asked.path())? {
        let pipeline = array(asked.body, "pipeline", &asked.path())?;
        return view(
            asked,
            &namespace,
            on,
            pipeline,
            with(Action::CreateCollection),
        );
    }
    Ok(Requirement::any(vec![
        Way::all(vec![with(Action::CreateCollection)]),
        Way::all(vec![with(Action::Insert)]),
    ]))
}

/// `collMod`: of a collection, or of a view.
pub(in crate::command) fn coll_mod(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let namespace = asked.collection()?;
    let modify = need(namespace.resource(), &[Action::CollMod]);
    let path = asked.path();
    let has = |name| field_or_null(asked.body, name, &path).map(|found| found.is_some());
    match (has("viewOn")?, has("pipeline")?) {
        (false, false) => Ok(Requirement::all(vec![modify])),
        (true, true) => {
            let on = required_text(asked.body, "viewOn", &path)?;
            let pipeline = array(asked.body, "pipeline", &path)?;
            view(asked, &namespace, on, pipeline, modify)
        }
        _ => Err(CommandError::new(
            ErrorCode::INVALID_OPTIONS,
            "Must specify both 'viewOn' and 'pipeline' when modifying a view and auth is enabled",
        )),
    }
}

/// Who may not read the view gains nothing by it; whoever may read it must be allowed to read what
/// it shows.
fn view(
    asked: &Asked<'_>,
    view: &Namespace,
    on: &str,
    pipeline: Option<&RawArray>,
    define: Need,
) -> Result<Requirement, CommandError> {
    let on = Namespace::of(asked.db, on)?;
    let mut shown = match pipeline {
        Some(pipeline) => {
            let mut reader = PipelineReader::new(asked.caller, false);
            reader.read(&on, pipeline)?;
            reader.into_needs()
        }
        None => vec![need(on.resource(), &[Action::Find])],
    };
    shown.insert(0, define.clone());
    let unread = Way {
        needs: vec![define],
        lacks: Some(need(view.resource(), &[Action::Find])),
        ..Way::default()
    };
    Ok(Requirement::any(vec![Way::all(shown), unread]))
}

/// `renameCollection`: within a database, or by copying.
pub(in crate::command) fn rename_collection(
    asked: &Asked<'_>,
) -> Result<Requirement, CommandError> {
    let RawBsonRef::String(source) = first(asked.body)? else {
        return Err(wrong_type(
            &asked.path().field("renameCollection"),
            first(asked.body)?,
            &["string"],
        ));
    };
    let source = Namespace::parse(source)?;
    let target = Namespace::parse(required_text(asked.body, "to", &asked.path())?)?;
    let drops_target = match field(asked.body, "dropTarget", &asked.path())? {
        // The UUID of what is to be dropped.
        Some(RawBsonRef::Binary(_)) => true,
        _ => asked.flag("dropTarget")?,
    };
    let reading = |of: &Namespace| need(of.resource(), &[Action::Find]);
    let dropped = drops_target.then_some(Action::DropCollection);
    let mut ways = Vec::new();
    if source.db == target.db && source.is_normal() && target.is_normal() {
        let mut needs = vec![Need::on_database(
            &source.db,
            Action::RenameCollectionSameDB,
        )];
        needs.extend(dropped.map(|drop| need(target.resource(), &[drop])));
        // A new name must not make readable what was not.
        let mut readable = needs.clone();
        readable.push(reading(&source));
        ways.push(Way::all(readable));
        ways.push(Way {
            needs,
            lacks: Some(reading(&target)),
            ..Way::default()
        });
    }
    let mut written = vec![Action::Insert, Action::CreateIndex];
    written.extend(dropped);
    ways.push(Way::all(vec![
        need(source.resource(), &[Action::Find, Action::DropCollection]),
        need(target.resource(), &written),
    ]));
    Ok(Requirement::any(ways))
}

/// `cloneCollectionAsCapped`.
pub(super) fn clone_collection_as_capped(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let from = asked.collection()?;
    let to = required_text(asked.body, "toCollection", &asked.path())?;
    let to = Namespace::of(asked.db, to)?;
    let written = &[Action::Insert, Action::CreateIndex, Action::ConvertToCapped];
    Ok(Requirement::all(vec![
        need(from.resource(), &[Action::Find]),
        need(to.resource(), written),
    ]))
}

/// `currentOp`: everybody may see its own operations.
pub(super) fn current_op(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    if asked.flag("$ownOps")? {
        return Ok(Requirement::signed_in());
    }
    Ok(Requirement::all(vec![Need::on_cluster(Action::Inprog)]))
}

/// `killSessions`: a session that names its user may be somebody else's.
pub(super) fn kill_sessions(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let mut needs = Vec::new();
    asked.each_document("killSessions", |session, path| {
        if field(session, "uid", path)?.is_some() && needs.is_empty() {
            needs.push(Need::on_cluster(Action::KillAnySession));
        }
        Ok(())
    })?;
    Ok(Requirement::all(needs))
}

/// `profile`: asking for the level takes less than setting anything.
pub(super) fn profile(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let mut ways = vec![Way::all(vec![Need::on_database(
        asked.db,
        Action::EnableProfiler,
    )])];
    let path = asked.path();
    let mut sets = number(first(asked.body)?) != Some(-1.0);
    for name in ["slowms", "sampleRate", "filter"] {
        sets |= field_or_null(asked.body, name, &path)?.is_some();
    }
    if !sets {
        let log = Namespace::of(asked.db, "system.profile")?;
        ways.push(Way::all(vec![need(log.resource(), &[Action::Find])]));
    }
    Ok(Requirement::any(ways))
}

/// `features`, which anybody may ask for but not everybody may change.
pub(super) fn features(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let resets = asked.flag("oidReset")?;
    let needs = resets.then(|| Need::on_cluster(Action::OidReset));
    Ok(Requirement::all(needs.into_iter().collect()))
}

/// `filemd5`.
pub(super) fn filemd5(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let root = text(asked.body, "root", &asked.path())?.unwrap_or("fs");
    let chunks = Namespace::of(asked.db, &format!("{root}.chunks"))?;
    Ok(Requirement::all(vec![need(
        chunks.resource(),
        &[Action::Find],
    )]))
}

/// `checkMetadataConsistency`: of the cluster, a database or a collection.
pub(super) fn check_metadata_consistency(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let action = Action::CheckMetadataConsistency;
    let mut ways = vec![Way::all(vec![Need::on_cluster(action)])];
    match first(asked.body)? {
        RawBsonRef::String(_) => {
            ways.push(Way::all(vec![need(
                asked.collection()?.resource(),
                &[action],
            )]));
        }
        _ if asked.db.is_admin() => {}
        _ => ways.push(Way::all(vec![Need::on_database(asked.db, action)])),
    }
    Ok(Requirement::any(ways))
}

/// `validateDBMetadata`: of one database, or of all.
pub(super) fn validate_db_metadata(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let resource = match text(asked.body, "db", &asked.path())? {
        Some(db) => Resource::Database(DbName::parse(db).map_err(|_| invalid_namespace(db))?),
        None => Resource::AnyNormal,
    };
    Ok(Requirement::all(vec![need(resource, &[Action::Validate])]))
}

/// Commands that `explain` explains.
const EXPLAINABLE: &[(&str, Compute)] = &[
    ("aggregate", aggregate),
    ("count", find),
    ("delete", writes::delete),
    ("distinct", find),
    ("find", find),
    ("findAndModify", writes::find_and_modify),
    ("findandmodify", writes::find_and_modify),
    ("mapReduce", writes::map_reduce),
    ("mapreduce", writes::map_reduce),
    ("update", writes::update),
];

/// `explain`: what the explained command takes.
pub(super) fn explain(asked: &Asked<'_>) -> Result<Requirement, CommandError> {
    let value = first(asked.body)?;
    let RawBsonRef::Document(explained) = value else {
        return Err(wrong_type(
            &asked.path().field("explain"),
            value,
            &["object"],
        ));
    };
    let name = match explained.iter().next() {
        Some(Ok((name, _))) => name.as_str(),
        _ => "",
    };
    let found = EXPLAINABLE.iter().find(|(known, _)| *known == name);
    let Some((name, compute)) = found else {
        return Err(not_explainable(name));
    };
    check_same_database(asked.db, explained)?;
    check_fields_once(name, explained)?;
    compute(&Asked {
        name,
        body: explained,
        message: None,
        ..*asked
    })
}

fn not_explainable(name: &str) -> CommandError {
    let is_known = super::find(name).is_some() || crate::command::registry::find(name).is_some();
    if is_known {
        let text = format!("Cannot explain cmd: {name}");
        return CommandError::new(ErrorCode::ILLEGAL_OPERATION, text);
    }
    CommandError::new(
        ErrorCode::COMMAND_NOT_FOUND,
        format!("Explain failed due to unknown command: {name}"),
    )
}

fn check_same_database(db: &DbName, explained: &RawDocument) -> Result<(), CommandError> {
    match text(explained, "$db", &Path::root("explain"))? {
        Some(other) if other != db.as_str() => Err(CommandError::new(
            ErrorCode::INVALID_NAMESPACE,
            format!("Mismatched $db in explain command. Expected {db} but got {other}"),
        )),
        _ => Ok(()),
    }
}

/// Refuses a command in which a field comes twice.
pub(super) fn check_fields_once(name: &str, body: &RawDocument) -> Result<(), CommandError> {
    let mut seen = std::collections::HashSet::new();
    for element in body {
        let (key, _) = element.map_err(|error| crate::command::arguments::invalid_bson(&error))?;
        if !seen.insert(key.as_str()) {
            let root = Path::root(name);
            return Err(crate::command::arguments::duplicate_field(
                &root.field(key.as_str()),
            ));
        }
    }
    Ok(())
}

/// A collection may be named by its UUID.
fn on_collection_or_uuid(asked: &Asked<'_>, action: Action) -> Result<Vec<Need>, CommandError> {
    match first(asked.body)? {
        RawBsonRef::Binary(uuid)
            if uuid.subtype == BinarySubtype::Uuid && uuid.bytes.len() == UUID_BYTES =>
        {
            Ok(needs_by_uuid(asked.db, action))
        }
        _ => Ok(vec![need(asked.collection()?.resource(), &[action])]),
    }
}

/// What it takes to do `action` with a collection by its UUID. Which one that stands for is not known,
/// so the action has to be allowed on the whole database.
pub(in crate::command) fn needs_by_uuid(db: &DbName, action: Action) -> Vec<Need> {
    vec![
        Need::on_cluster(Action::UseUUID),
        Need::on_database(db, action),
    ]
}
