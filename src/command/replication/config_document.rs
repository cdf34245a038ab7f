//! The configuration that `replSetReconfig` takes (manual, "Replica Set Configuration"): read as
//! strictly as mongod does, with its texts. What this server cannot do differently may be left out or
//! must have the value that `replSetGetConfig` shows.

mod values;

use std::collections::BTreeMap;
use std::fmt::Display;

use bson::oid::ObjectId;
use bson::raw::RawDocument;
use bson::{RawBsonRef, RawDocumentBuf};

use self::values::{Modes, Number, Whole};
use super::{incompatible, invalid_config};
use crate::authz::redact::command_text;
use crate::cluster::{Member, ReplicaSetConfig};
use crate::command::arguments::{
    Arguments, FromField, Path, Rules, arguments, invalid_bson, type_name,
};
use crate::command::field_types::{SafeBool, SafeInt64, number, whole_number};
use crate::config::HostAndPort;
use crate::error::{CommandError, ErrorCode};

/// Reads a configuration; `replica_set_id` is for one that does not name its own. Neither the set's
/// name nor what was before is looked at.
///
/// # Errors
/// 93 with whatever is wrong; 103 and 5624102 for what could be read and is not for this server.
pub(super) fn read(
    document: &RawDocument,
    replica_set_id: ObjectId,
) -> Result<ReplicaSetConfig, CommandError> {
    let path = Path::root("ReplSetConfig");
    let given = ConfigDocument::parse(document, &path, Rules::STRICT_DOCUMENT);
    let given = given.and_then(ConfigDocument::checked);
    let given = given.map_err(|error| invalid_config(&error.message))?;
    given.into_config(replica_set_id)
}

arguments! {
    /// A configuration.
    struct ConfigDocument {
        /// The name of the set.
        "_id" => name: String,
        /// Higher than the present one.
        "version" => version: Whole,
        /// Passed over.
        "term" => term: Whole = Whole(-1),
        /// Everybody.
        "members" => members: Vec<ProposedMember>,
        /// Not of a sharded cluster.
        "configsvr" => is_config_server: SafeBool = SafeBool(false),
        /// 1.
        "protocolVersion" => protocol_version: SafeInt64 = SafeInt64(1),
        /// `true`.
        "writeConcernMajorityJournalDefault" => is_majority_journaled: SafeBool = SafeBool(true),
        /// Named modes of write concern.
        "settings" => settings: Option<SettingsDocument>,
    }
}

arguments! {
    /// `settings`, where mongod passes over what it does not know.
    struct SettingsDocument {
        /// `true`.
        "chainingAllowed" => is_chaining_allowed: SafeBool = SafeBool(true),
        /// 2000.
        "heartbeatIntervalMillis" => heartbeat_interval: Whole = Whole(2000),
        /// 10.
        "heartbeatTimeoutSecs" => heartbeat_timeout: Whole = Whole(10),
        /// 10000.
        "electionTimeoutMillis" => election_timeout: Whole = Whole(10_000),
        /// -1.
        "catchUpTimeoutMillis" => catch_up_timeout: Whole = Whole(-1),
        /// 30000.
        "catchUpTakeoverDelayMillis" => catch_up_takeover_delay: Whole = Whole(30_000),
        /// What a mode's name stands for.
        "getLastErrorModes" => modes: Modes = Modes::default(),
        /// Replaced by `setDefaultRWConcern`.
        "getLastErrorDefaults" => defaults: Option<RawDocumentBuf>,
        /// That of the set.
        "replicaSetId" => replica_set_id: Option<ObjectId>,
    }
}

arguments! {
    /// A member.
    struct MemberDocument {
        /// Its number for life.
        "_id" => id: Whole,
        /// Where it is found.
        "host" => host: String,
        /// 1.
        "votes" => votes: SafeInt64 = SafeInt64(1),
        /// mongod's own mark.
        "newlyAdded" => is_newly_added: Option<bool>,
        /// From 0 to 1000.
        "priority" => priority: Number = Number(1.0),
        /// `false`.
        "hidden" => is_hidden: SafeBool = SafeBool(false),
        /// 0.
        "secondaryDelaySecs" => delay: SafeInt64 = SafeInt64(0),
        /// `false`.
        "arbiterOnly" => is_arbiter: SafeBool = SafeBool(false),
        /// `true`.
        "buildIndexes" => builds_indexes: SafeBool = SafeBool(true),
        /// Texts.
        "tags" => tags: Option<RawDocumentBuf>,
        /// None.
        "horizons" => horizons: Option<RawDocumentBuf>,
    }
}

impl ConfigDocument {
    /// Refuses numbers that are out of their range.
    fn checked(self) -> Result<Self, CommandError> {
        let (version, term) = (self.version.0, self.term.0);
        let past_i32 = i64::from(i32::MAX) + 1;
        within(version > 0, "version", "> 0", version)?;
        within(version < past_i32, "version", "< 2147483648", version)?;
        within(term >= -1, "term", ">= -1", term)?;
        within(term < past_i32, "term", "< 2147483648", term)?;
        let protocol = self.protocol_version.0;
        within(protocol >= 1, "protocolVersion", ">= 1", protocol)?;
        within(protocol <= 1, "protocolVersion", "<= 1", protocol)?;
        if let Some(settings) = &self.settings {
            settings.check()?;
        }
        fixed(
            "writeConcernMajorityJournalDefault",
            self.is_majority_journaled.0,
            true,
        )?;
        Ok(self)
    }

    fn into_config(self, replica_set_id: ObjectId) -> Result<ReplicaSetConfig, CommandError> {
        let members = self.members.into_iter().map(ProposedMember::into_member);
        let members = members.collect::<Result<_, _>>()?;
        let mut config = ReplicaSetConfig {
            version: i32::try_from(self.version.0).unwrap_or(i32::MAX),
            members,
            replica_set_id,
            ..ReplicaSetConfig::new(&self.name)
        };
        if let Some(settings) = self.settings {
            config.modes = settings.modes.0;
            config.replica_set_id = settings.replica_set_id.unwrap_or(replica_set_id);
            if settings.defaults.is_some_and(|given| !is_default(&given)) {
                return Err(customized_defaults());
            }
        }
        config
            .check_modes()
            .map_err(|error| invalid_config(&error.0))?;
        if self.is_config_server.0 {
            return Err(incompatible(
                "Nodes being used for config servers must be started with the --configsvr flag",
            ));
        }
        Ok(config)
    }
}

impl SettingsDocument {
    fn check(&self) -> Result<(), CommandError> {
        fixed("settings.chainingAllowed", self.is_chaining_allowed.0, true)?;
        let intervals = [
            ("heartbeatIntervalMillis", self.heartbeat_interval, 1, 2000),
            ("heartbeatTimeoutSecs", self.heartbeat_timeout, 1, 10),
            ("electionTimeoutMillis", self.election_timeout, 1, 10_000),
            ("catchUpTimeoutMillis", self.catch_up_timeout, -1, -1),
            (
                "catchUpTakeoverDelayMillis",
                self.catch_up_takeover_delay,
                -1,
                30_000,
            ),
        ];
        for (field, Whole(given), least, only) in intervals {
            let bound = if least > 0 { "> 0" } else { ">= -1" };
            within(given >= least, field, bound, given)?;
            fixed(&format!("settings.{field}"), given, only)?;
        }
        if self.replica_set_id == Some(ObjectId::from_bytes([0; 12])) {
            return Err(CommandError::bad_value(
                "replicaSetId field value cannot be null",
            ));
        }
        Ok(())
    }
}

impl FromField for SettingsDocument {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let rules = Rules {
            strict: false,
            is_command: false,
        };
        let document = value.as_document();
        document
            .map(|document| Self::parse(document, path, rules))
            .transpose()
    }
}

/// A member whose tags are still to be read: mongod does that once it has read everything else.
struct ProposedMember {
    member: Member,
    tags: RawDocumentBuf,
}

impl FromField for ProposedMember {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let Some(document) = value.as_document() else {
            return Ok(None);
        };
        let path = Path::root("MemberConfig");
        let given = MemberDocument::parse(document, &path, Rules::STRICT_DOCUMENT);
        let member = given.and_then(MemberDocument::into_member);
        member.map(Some).map_err(|mut error| {
            let text = command_text(document, &[]);
            error.message = format!("member: {text} :: caused by :: {}", error.message);
            error
        })
    }
}

impl MemberDocument {
    fn into_member(self) -> Result<ProposedMember, CommandError> {
        let id = i32::try_from(self.id.0).ok().filter(|id| *id >= 0);
        let id = id.ok_or_else(|| {
            CommandError::bad_value(format!("_id field value of {} is out of range.", self.id.0))
        })?;
        let (votes, delay, priority) = (self.votes.0, self.delay.0, self.priority.0);
        within(votes >= 0, "votes", ">= 0", votes)?;
        within(votes <= 1, "votes", "<= 1", votes)?;
        within(priority >= 0.0, "priority", ">= 0", priority)?;
        within(priority <= 1000.0, "priority", "<= 1000", priority)?;
        within(delay >= 0, "secondaryDelaySecs", ">= 0", delay)?;
        let host = HostAndPort::parse(&self.host)
            .map_err(|error| CommandError::bad_value(error.to_string()))?;
        fixed("members.votes", votes, 1)?;
        fixed("members.hidden", self.is_hidden.0, false)?;
        fixed("members.secondaryDelaySecs", delay, 0)?;
        fixed("members.arbiterOnly", self.is_arbiter.0, false)?;
        fixed("members.buildIndexes", self.builds_indexes.0, true)?;
        if self.is_newly_added.is_some() {
            return Err(CommandError::bad_value(
                "Cannot provide newlyAdded field to member config during reconfig.",
            ));
        }
        if self.horizons.is_some_and(|horizons| !horizons.is_empty()) {
            return Err(CommandError::bad_value(
                "there are no members.horizons here",
            ));
        }
        Ok(ProposedMember {
            member: Member {
                id,
                host,
                priority,
                tags: BTreeMap::new(),
            },
            tags: self.tags.unwrap_or_default(),
        })
    }
}

impl ProposedMember {
    fn into_member(mut self) -> Result<Member, CommandError> {
        for element in &self.tags {
            let (tag, value) = element.map_err(|error| invalid_bson(&error))?;
            let Some(text) = value.as_str() else {
                let text = format!(
                    "tags.{tag} field has non-string value of type {}",
                    type_name(value)
                );
                return Err(invalid_config(&text));
            };
            let tags = &mut self.member.tags;
            tags.insert(tag.as_str().to_owned(), text.to_owned());
        }
        Ok(self.member)
    }
}

/// Whether `getLastErrorDefaults` says nothing.
fn is_default(defaults: &RawDocument) -> bool {
    defaults.iter().all(|element| match element {
        Ok((name, value)) => match name.as_str() {
            "w" => number(value).is_some() && whole_number(value) == Some(1),
            "wtimeout" => whole_number(value) == Some(0),
            _ => false,
        },
        Err(_) => false,
    })
}

fn customized_defaults() -> CommandError {
    CommandError::new(
        ErrorCode(5_624_102),
        "Failed to reconfig: Replica set config contains customized getLastErrorDefaults, which has \
         been deprecated and is now ignored. Use setDefaultRWConcern instead to set a cluster-wide \
         default writeConcern.",
    )
}

fn within(
    is_within: bool,
    field: &str,
    bound: &str,
    actual: impl Display,
) -> Result<(), CommandError> {
    if is_within {
        return Ok(());
    }
    Err(CommandError::bad_value(format!(
        "BSON field '{field}' value must be {bound}, actual value '{actual}'"
    )))
}

/// Refuses what this server does in one way only.
fn fixed<T: PartialEq + Display + Copy>(
    field: &str,
    given: T,
    only: T,
) -> Result<(), CommandError> {
    if given == only {
        return Ok(());
    }
    Err(CommandError::bad_value(format!(
        "{field} cannot be other than {only} here"
    )))
}
