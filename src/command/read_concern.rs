//! `readConcern`: how current and how certain what is read must be (manual, "Read Concern").
//!
//! A member shows nothing that etcd has not committed, and etcd never takes a commit back. So what is
//! `local` here is known to a majority as well, and both levels are one.

use bson::raw::RawDocument;
use bson::{RawBsonRef, Timestamp};
use tokio::time::Instant;

use super::arguments::{Path, duplicate_field, invalid_bson, unknown_field, wrong_type};
use super::cluster_time::timestamp_text;
use super::context::Context;
use super::execute::until;
use super::spec::Spec;
use crate::cluster::{Election, ReplicaSet, UnconfirmedError};
use crate::error::{CommandError, ErrorCode};

/// A valid read concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadConcern {
    /// How certain it must be.
    pub level: Option<Level>,
    /// What must have been applied before.
    pub after_cluster_time: Option<Timestamp>,
    has_after_op_time: bool,
}

/// The level of a read concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What this member has.
    Local,
    /// The same, without waiting for anything.
    Available,
    /// What a majority has.
    Majority,
    /// What no other primary can have changed before the answer.
    Linearizable,
    /// All of one moment.
    Snapshot,
}

impl Level {
    const ALL: [Self; 5] = [
        Self::Local,
        Self::Available,
        Self::Majority,
        Self::Linearizable,
        Self::Snapshot,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Available => "available",
            Self::Majority => "majority",
            Self::Linearizable => "linearizable",
            Self::Snapshot => "snapshot",
        }
    }
}

impl ReadConcern {
    /// Reads the value of `readConcern`.
    pub fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let mut concern = Self::default();
        let mut at_cluster_time = None;
        let mut seen = Vec::new();
        let root = Path::root("readConcern");
        for element in document {
            let (key, value) = element.map_err(|error| invalid_bson(&error))?;
            let path = root.field(key.as_str());
            if seen.contains(&key) {
                return Err(duplicate_field(&path));
            }
            seen.push(key);
            if matches!(value, RawBsonRef::Null | RawBsonRef::Undefined) {
                continue;
            }
            match key.as_str() {
                "level" => concern.level = Some(parse_level(value, &path)?),
                "afterClusterTime" => concern.after_cluster_time = Some(timestamp(value, &path)?),
                "atClusterTime" => at_cluster_time = Some(timestamp(value, &path)?),
                "afterOpTime" if value.as_document().is_some() => concern.has_after_op_time = true,
                "afterOpTime" => return Err(wrong_type(&path, value, &["object"])),
                // Only servers send these.
                "provenance"
                | "allowTransactionTableSnapshot"
                | "$allowTransactionTableSnapshot"
                | "$waitLastStableRecoveryTimestamp" => {}
                _ => return Err(unknown_field(&path)),
            }
        }
        concern.check_times(at_cluster_time)?;
        Ok(concern)
    }

    fn check_times(self, at_cluster_time: Option<Timestamp>) -> Result<(), CommandError> {
        let level = self.level.unwrap_or(Level::Local);
        if self.after_cluster_time.is_some() && self.has_after_op_time {
            return Err(invalid_options(
                "Can not specify both afterClusterTime and afterOpTime",
            ));
        }
        if self.after_cluster_time.is_some() && at_cluster_time.is_some() {
            return Err(invalid_options(
                "Specifying a timestamp for readConcern snapshot in a causally consistent session \
                 is not allowed. See \
                 https://docs.mongodb.com/manual/core/read-isolation-consistency-recency/#causal-consistency",
            ));
        }
        if self.after_cluster_time.is_some()
            && matches!(level, Level::Available | Level::Linearizable)
        {
            return Err(invalid_options(
                "afterClusterTime field can be set only if level is equal to majority, local, or \
                 snapshot",
            ));
        }
        if at_cluster_time.is_some() && level != Level::Snapshot {
            return Err(invalid_options(
                "atClusterTime field can be set only if level is equal to snapshot",
            ));
        }
        if self.after_cluster_time.is_some_and(is_null) {
            return Err(invalid_options(
                "afterClusterTime cannot be a null timestamp",
            ));
        }
        Ok(())
    }

    /// Refuses what a command of this kind cannot be read with.
    fn check_for(self, spec: &Spec, is_member: bool) -> Result<(), CommandError> {
        let not_supported = |level: Level| {
            let text = format!(
                "Command {} does not support {{ readConcern: {{ level: \"{}\" }} }}",
                spec.name,
                level.name()
            );
            Err(invalid_options(text))
        };
        let needs_members = |text: &str| {
            let code = ErrorCode::NOT_A_REPLICA_SET;
            Err(CommandError::new(code, text))
        };
        match self.level {
            None | Some(Level::Local | Level::Available) => {}
            Some(level) if !spec.read_concern => return not_supported(level),
            Some(Level::Linearizable) if !is_member => {
                return needs_members("node needs to be a replica set member to use read concern");
            }
            Some(Level::Linearizable) if self.has_after_op_time => {
                return Err(CommandError::new(
                    ErrorCode::FAILED_TO_PARSE,
                    "afterOpTime not compatible with linearizable read concern",
                ));
            }
            Some(Level::Majority | Level::Linearizable) => {}
            Some(Level::Snapshot) if !is_member => {
                return needs_members(
                    "node needs to be a replica set member to use readConcern: snapshot",
                );
            }
            // There are no versions to read from.
            Some(level @ Level::Snapshot) => return not_supported(level),
        }
        if self.after_cluster_time.is_some() && !is_member {
            return Err(CommandError::new(
                ErrorCode::ILLEGAL_OPERATION,
                "Cannot specify afterClusterTime readConcern without replication enabled",
            ));
        }
        Ok(())
    }
}

/// Reads the read concern of a command and waits until this member has what it asks for. Answers the
/// election that [`confirm_linearizable`] has to ask about once a linearizable read is done.
///
/// # Errors
/// 72, 9, 20 or 123 for what cannot be; 10107 for a linearizable read from a member that is not the
/// primary; 50 if `maxTimeMS` is over before the change is here, 91 if the server stops.
pub async fn prepare(
    document: &RawDocument,
    spec: &Spec,
    context: &Context<'_>,
) -> Result<Option<Election>, CommandError> {
    let concern = ReadConcern::parse(document)?;
    let set = context.services.replica_set.as_ref();
    concern.check_for(spec, set.is_some())?;
    let Some(set) = set else {
        return Ok(None);
    };
    let is_linearizable = concern.level == Some(Level::Linearizable);
    let election = is_linearizable.then(|| set.election()).transpose();
    let election = election.map_err(|_| not_linearizable())?;
    if let Some(target) = concern.after_cluster_time {
        let now = context.services.cluster_clock.now(set);
        if target > now {
            return Err(invalid_options(format!(
                "readConcern afterClusterTime value must not be greater than the current \
                 clusterTime. Requested clusterTime: {}; current clusterTime: {}",
                timestamp_text(target),
                timestamp_text(now)
            )));
        }
        let applied = until(context.deadline, set.wait_until_applied(target));
        tokio::select! {
            biased;
            applied = applied => applied?,
            () = context.services.stop.stopped() => return Err(context.services.stopping()),
            () = context.connection.left() => return Err(interrupted()),
        }
    }
    Ok(election)
}

/// Waits until it is sure that nobody else was primary from `election`, before a linearizable read was
/// begun, until after it was done. Then this member had made every change that anybody had been told of.
///
/// # Errors
/// 10107 if somebody may have been, 6 if etcd does not tell, 50 if `maxTimeMS` is over.
pub async fn confirm_linearizable(
    set: &ReplicaSet,
    election: Election,
    deadline: Option<Instant>,
) -> Result<(), CommandError> {
    match until(deadline, set.confirm_primary(election)).await? {
        Ok(()) => Ok(()),
        Err(UnconfirmedError::NotPrimary(_)) => Err(not_linearizable()),
        Err(UnconfirmedError::Unreachable) => Err(CommandError::new(
            ErrorCode::HOST_UNREACHABLE,
            "Failed to confirm that read was linearizable, because etcd cannot be reached",
        )),
    }
}

fn not_linearizable() -> CommandError {
    CommandError::new(
        ErrorCode::NOT_WRITABLE_PRIMARY,
        "cannot satisfy linearizable read concern on non-primary node",
    )
}

fn parse_level(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Level, CommandError> {
    let RawBsonRef::String(name) = value else {
        return Err(wrong_type(path, value, &["string"]));
    };
    let found = Level::ALL.into_iter().find(|level| level.name() == name);
    found.ok_or_else(|| {
        CommandError::bad_value(format!(
            "Enumeration value '{name}' for field '{path}' is not a valid value."
        ))
    })
}

fn timestamp(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Timestamp, CommandError> {
    match value {
        RawBsonRef::Timestamp(timestamp) => Ok(timestamp),
        other => Err(wrong_type(path, other, &["timestamp"])),
    }
}

/// Nobody waits for it any more.
fn interrupted() -> CommandError {
    CommandError::new(ErrorCode::INTERRUPTED, "operation was interrupted")
}

fn is_null(timestamp: Timestamp) -> bool {
    timestamp.time == 0 && timestamp.increment == 0
}

fn invalid_options(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::INVALID_OPTIONS, message)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    const AT: Timestamp = Timestamp {
        time: 5,
        increment: 1,
    };
    const FIND: Spec = Spec {
        read_concern: true,
        ..Spec::new("find", "")
    };
    const USERS_INFO: Spec = Spec::new("usersInfo", "");

    fn check(document: &RawDocument, spec: &Spec, is_member: bool) -> Result<(), (i32, String)> {
        ReadConcern::parse(document)
            .and_then(|concern| concern.check_for(spec, is_member))
            .map_err(|error| (error.code.0, error.message))
    }

    fn code(document: &RawDocument, spec: &Spec, is_member: bool) -> i32 {
        check(document, spec, is_member).map_or_else(|(code, _)| code, |()| 0)
    }

    #[test]
    fn levels_depend_on_the_command_and_the_deployment() {
        for (level, find, member, users_info) in [
            ("local", 0, 0, 0),
            ("available", 0, 0, 0),
            ("majority", 0, 0, 72),
            ("linearizable", 123, 0, 72),
            ("snapshot", 123, 72, 72),
            ("lokal", 2, 2, 2),
        ] {
            let document = rawdoc! { "level": level };
            assert_eq!(code(&document, &FIND, false), find, "{level}");
            assert_eq!(code(&document, &FIND, true), member, "{level}");
            assert_eq!(code(&document, &USERS_INFO, true), users_info, "{level}");
        }
        let text = "Command usersInfo does not support { readConcern: { level: \"majority\" } }";
        let refused = check(&rawdoc! { "level": "majority" }, &USERS_INFO, false);
        assert_eq!(refused, Err((72, text.into())));
    }

    #[test]
    fn times_need_a_level_that_has_them() {
        let after = rawdoc! { "afterClusterTime": AT };
        assert_eq!(code(&after, &USERS_INFO, true), 0);
        assert_eq!(code(&after, &USERS_INFO, false), 20);
        let available = rawdoc! { "level": "available", "afterClusterTime": AT };
        assert_eq!(code(&available, &FIND, true), 72);
        let at = rawdoc! { "level": "majority", "atClusterTime": AT };
        assert_eq!(code(&at, &FIND, true), 72);
        let null = rawdoc! { "afterClusterTime": Timestamp { time: 0, increment: 0 } };
        assert_eq!(code(&null, &FIND, true), 72);
        let both = rawdoc! { "afterClusterTime": AT, "afterOpTime": {} };
        assert_eq!(code(&both, &FIND, true), 72);
        let linearizable = rawdoc! { "level": "linearizable", "afterOpTime": {} };
        assert_eq!(code(&linearizable, &FIND, true), 9);
    }

    #[test]
    fn fields_are_strict() {
        assert_eq!(code(&rawdoc! { "x": 1 }, &FIND, true), 40_415);
        assert_eq!(code(&rawdoc! { "level": 1 }, &FIND, true), 14);
        assert_eq!(code(&rawdoc! { "afterClusterTime": 1 }, &FIND, true), 14);
        assert_eq!(code(&rawdoc! { "afterOpTime": 1 }, &FIND, true), 14);
        let twice = rawdoc! { "level": "local", "level": "local" };
        assert_eq!(code(&twice, &FIND, true), 40_413);
        assert_eq!(code(&rawdoc! { "level": null }, &FIND, true), 0);
    }
}
