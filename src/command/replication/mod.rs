//! What administrators ask of a member of a replica set (MongoDB manual, "Replication Commands").
//!
//! Unknown fields are passed over, as by mongod. A standalone answers 76.

mod config_document;
pub mod repl_set_freeze;
pub mod repl_set_get_config;
pub mod repl_set_get_status;
pub mod repl_set_initiate;
pub mod repl_set_reconfig;
pub mod repl_set_step_down;
mod status;

use std::sync::Arc;
use std::time::Duration;

use bson::RawBsonRef;

use crate::cluster::{ReplicaSet, Topology};
use crate::command::arguments::{FromField, Path};
use crate::command::field_types::whole_number;
use crate::command::services::Services;
use crate::error::{CommandError, ErrorCode};

/// Longest time, in seconds, that a command here asks for anything: some 68 years.
const PERIOD_SECONDS_MAX: u32 = i32::MAX.unsigned_abs();

/// The set, and what is known of it now; an error on a standalone and before joining.
fn joined_set(services: &Services) -> Result<(&ReplicaSet, Arc<Topology>), CommandError> {
    let set = services.replica_set.as_ref().ok_or_else(|| {
        CommandError::new(
            ErrorCode::NO_REPLICATION_ENABLED,
            "not running with --replSet",
        )
    })?;
    let topology = set.topology();
    if topology.me.is_none() {
        return Err(CommandError::new(
            ErrorCode::NOT_YET_INITIALIZED,
            "no replset config has been received",
        ));
    }
    Ok((set, topology))
}

/// 93: it is no configuration.
fn invalid_config(reason: &str) -> CommandError {
    CommandError::new(ErrorCode::INVALID_REPLICA_SET_CONFIG, reason)
}

/// 103: no configuration of this set, or none that may follow the present one.
fn incompatible(reason: &str) -> CommandError {
    let code = ErrorCode::NEW_REPLICA_SET_CONFIGURATION_INCOMPATIBLE;
    CommandError::new(code, reason)
}

/// A number of seconds; fractions are cut off and whatever is no number is 0, as mongod reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodSeconds(i64);

impl PeriodSeconds {
    /// As a time, at most [`PERIOD_SECONDS_MAX`]; what is negative is none.
    fn duration(self) -> Duration {
        let seconds = self.0.clamp(0, PERIOD_SECONDS_MAX.into());
        Duration::from_secs(seconds.unsigned_abs())
    }
}

impl FromField for PeriodSeconds {
    const TYPES: &'static [&'static str] = &[];
    const REQUIRED: bool = false;

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(Some(Self(whole_number(value).unwrap_or_default())))
    }

    fn absent() -> Option<Self> {
        Some(Self(0))
    }
}
