//! `replSetReconfig` (MongoDB manual, "replSetReconfig"). Servers join by themselves; what is left to
//! configure are priorities, tags and named write concerns, and who is not to be waited for any more.

use bson::raw::RawDocument;
use bson::{Document, RawBsonRef, RawDocumentBuf};

use super::{config_document, incompatible, invalid_config, joined_set};
use crate::audit::Event;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::{Catalog, View};
use crate::cluster::{ReconfigureError, ReplicaSetConfig, Topology};
use crate::command::arguments::{FromField, Path, arguments, invalid_bson};
use crate::command::context::Context;
use crate::command::field_types::SafeBool;
use crate::command::reply::Reply;
use crate::command::services::Services;
use crate::command::spec::{Command, Spec};
use crate::command::write_concern::{Acknowledgement, RwConcernDefaults};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::ops::OpsError;

/// A document; whatever is none is refused by the command, after its privileges.
#[derive(Debug)]
pub struct ConfigDocument(Option<RawDocumentBuf>);

impl FromField for ConfigDocument {
    const TYPES: &'static [&'static str] = &[];
    const REQUIRED: bool = false;

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(Some(Self(value.as_document().map(ToOwned::to_owned))))
    }
}

arguments! {
    /// The fields of `replSetReconfig`.
    #[derive(Debug)]
    pub struct ReplSetReconfig {
        /// The whole new configuration, with a higher version.
        "replSetReconfig" => config: ConfigDocument,
        /// Whether any member takes it, and with any version; it gets a higher one.
        "force" => force: SafeBool = SafeBool(false),
    }
}

impl Command for ReplSetReconfig {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        is_interruptible: false,
        ..Spec::new(
            "replSetReconfig",
            "Replaces the configuration of the replica set.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ReplSetConfigure)])
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let (set, topology) = joined_set(context.services)?;
        let document = self.config.0.ok_or_else(|| {
            let text = "no configuration specified";
            CommandError::new(ErrorCode::INVALID_REPLICA_SET_CONFIG, text)
        })?;
        let force = self.force.0;
        if !force {
            set.check_writable().map_err(|_| not_primary(&topology))?;
        }
        let old = raw(&topology.config.to_document())?;
        let catalog = context.services.directory.catalog();
        let config = new_config(&document, &topology, force)
            .and_then(|config| check_default(&config, catalog).map(|()| config));
        let config = match config {
            Ok(config) => config,
            Err(refusal) => {
                let code = refusal.code.0;
                let event = |origin| Event::reconfigure(origin, &old, &document, code);
                context.audit(event).await?;
                return Err(refusal);
            }
        };
        let new = raw(&config.to_document())?;
        let event = |code| {
            let (old, new) = (&old, &new);
            move |origin| Event::reconfigure(origin, old, new, code)
        };
        context.audit(event(0)).await?;
        // Asked again of what is committed by then, as the writer asks.
        let check = |config: &ReplicaSetConfig| {
            if !pass.still_holds(&View::new(catalog)) {
                return Err(context.services.ops_error(OpsError::PassWithdrawn));
            }
            check_default(config, catalog)
        };
        let written = set.reconfigure(config, force, check).await;
        let Err(error) = written else {
            return Ok(Reply::new());
        };
        let refusal = refusal(error, context.services, &set.topology());
        // It was announced; whether this can be written makes no difference any more.
        let _ = context.audit(event(refusal.code.0)).await;
        Err(refusal)
    }
}

fn refusal(
    error: ReconfigureError<CommandError>,
    services: &Services,
    topology: &Topology,
) -> CommandError {
    match error {
        ReconfigureError::Refused(refusal) => refusal,
        ReconfigureError::Damaged => CommandError::recovering(),
        ReconfigureError::Behind => {
            CommandError::new(ErrorCode::EXCEEDED_TIME_LIMIT, error.to_string())
        }
        ReconfigureError::NotPrimary => not_primary(topology),
        ReconfigureError::Invalid(invalid) => incompatible(&invalid.0),
        ReconfigureError::Changed => {
            CommandError::new(ErrorCode::CONFIGURATION_IN_PROGRESS, error.to_string())
        }
        ReconfigureError::Storage(failure) => services.ops_error(OpsError::Storage(failure)),
    }
}

fn raw(document: &Document) -> Result<RawDocumentBuf, CommandError> {
    RawDocumentBuf::try_from(document).map_err(|error| invalid_bson(&error))
}

fn not_primary(topology: &Topology) -> CommandError {
    let state = topology.state.name();
    CommandError::new(
        ErrorCode::NOT_WRITABLE_PRIMARY,
        format!(
            "New config is rejected :: caused by :: replSetReconfig should only be run on a \
             writable PRIMARY. Current state {state};"
        ),
    )
}

/// What the document makes of the present configuration.
fn new_config(
    document: &RawDocument,
    topology: &Topology,
    force: bool,
) -> Result<ReplicaSetConfig, CommandError> {
    let old = &topology.config;
    let mut new = config_document::read(document, old.replica_set_id)?;
    if new.name != old.name {
        return Err(invalid_config(&format!(
            "Rejecting reconfig where new config set name differs from command line set name, new \
             config set name: {}, old config set name: {}",
            new.name, old.name
        )));
    }
    if force {
        new.version = new.version.max(old.version.saturating_add(1));
    }
    new.term = topology.term;
    new.check_follows(old)
        .map_err(|error| incompatible(&error.0))?;
    check_self(&new, topology.me.as_deref().unwrap_or_default(), force)?;
    Ok(new)
}

/// Refuses a configuration without the member that is asked, and one in which it could not stay
/// primary.
fn check_self(new: &ReplicaSetConfig, me: &str, force: bool) -> Result<(), CommandError> {
    let which = format!(
        "new configuration with {{version: {}, term: {}}} for replica set {}",
        new.version, new.term, new.name
    );
    match new.member(me) {
        None => Err(CommandError::new(
            ErrorCode::NODE_NOT_FOUND,
            format!("No host described in {which} maps to this node"),
        )),
        Some(member) if !force && !member.is_electable() => Err(CommandError::new(
            ErrorCode::NODE_NOT_ELECTABLE,
            format!(
                "This node, {}, with _id MemberId({}) is not electable under the {which}",
                member.host, member.id
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// Refuses to take away the mode that is the default write concern.
fn check_default(new: &ReplicaSetConfig, catalog: &Catalog) -> Result<(), CommandError> {
    let default = RwConcernDefaults::of(catalog).write_concern;
    match default.map(|concern| concern.w) {
        Some(Acknowledgement::Mode(mode)) if !new.modes.contains_key(&mode) => Err(incompatible(
            "May not remove custom write concern definition from config while it is in use as the \
             default write concern. Change the default write concern to a non-conflicting setting \
             and try the reconfig again.",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bson::oid::ObjectId;
    use bson::{Bson, doc};

    use super::*;
    use crate::cluster::MemberState;

    fn document(version: i32) -> Document {
        doc! {
            "_id": "rs0",
            "version": version,
            "members": [{ "_id": 0, "host": "a:1" }, { "_id": 1, "host": "b:1" }],
            "settings": { "replicaSetId": ObjectId::from_bytes([1; 12]) },
        }
    }

    fn topology() -> Topology {
        Topology {
            counter: 1,
            config: Arc::new(ReplicaSetConfig::parse(&document(3)).unwrap()),
            me: Some("a:1".into()),
            state: MemberState::Primary,
            primary: Some("a:1".into()),
            term: 5,
            quiesces_until: None,
        }
    }

    fn reconfigured(document: &Document, force: bool) -> Result<ReplicaSetConfig, CommandError> {
        let raw = RawDocumentBuf::try_from(document).unwrap();
        new_config(&raw, &topology(), force)
    }

    #[test]
    fn a_new_configuration_is_of_this_term_and_keeps_the_id_of_the_set() {
        let mut given = document(4);
        given.remove("settings");
        let config = reconfigured(&given, false).unwrap();
        assert_eq!((config.version, config.term), (4, 5));
        assert_eq!(config.replica_set_id, ObjectId::from_bytes([1; 12]));
        assert_eq!(reconfigured(&document(2), true).unwrap().version, 4);
        assert_eq!(reconfigured(&document(9), true).unwrap().version, 9);
    }

    #[test]
    fn what_is_of_another_set_older_or_without_this_member_is_refused() {
        let with = |name: &str, value: Bson| {
            let mut document = document(4);
            document.insert(name, value);
            document
        };
        let table = [
            (
                document(3),
                103,
                "New replica set configuration version and term must be greater than old, but \
                 {version: 3, term: 5} is not greater than {version: 3, term: 0}",
            ),
            (
                with("_id", "rs1".into()),
                93,
                "Rejecting reconfig where new config set name differs from command line set name, new \
                 config set name: rs1, old config set name: rs0",
            ),
            (
                with(
                    "settings",
                    doc! { "replicaSetId": ObjectId::from_bytes([2; 12]) }.into(),
                ),
                103,
                "New and old configurations differ in replica set ID; old was \
                 010101010101010101010101, and new is 020202020202020202020202",
            ),
            (
                with(
                    "members",
                    Bson::Array(vec![doc! { "_id": 1, "host": "b:1" }.into()]),
                ),
                74,
                "No host described in new configuration with {version: 4, term: 5} for replica \
                 set rs0 maps to this node",
            ),
            (
                with(
                    "members",
                    Bson::Array(vec![
                        doc! { "_id": 0, "host": "a:1", "priority": 0 }.into(),
                        doc! { "_id": 1, "host": "b:1" }.into(),
                    ]),
                ),
                104,
                "This node, a:1, with _id MemberId(0) is not electable under the new configuration \
                 with {version: 4, term: 5} for replica set rs0",
            ),
        ];
        for (document, code, text) in table {
            let error = reconfigured(&document, false).unwrap_err();
            assert_eq!((error.code.0, error.message.as_str()), (code, text));
        }
    }
}
