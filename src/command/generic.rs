//! Generic arguments: the fields every command takes beside its own.
//!
//! `docs/commands.md` lists them. They are read once, before the command's own fields.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::arguments::{FromField, Path, duplicate_field, invalid_bson, type_name, wrong_type};
use super::field_types::{NUMBER_TYPES, whole_number};
use super::read_preference::ReadPreference;
use super::session::session_id::SessionId;
use super::spec::Spec;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::DbName;

/// Whether `name` may stand in any command's document.
pub fn is_generic(name: &str) -> bool {
    matches!(
        name,
        "$db"
            | "lsid"
            | "$clusterTime"
            | "$readPreference"
            | "writeConcern"
            | "readConcern"
            | "maxTimeMS"
            | "comment"
            | "apiVersion"
            | "apiStrict"
            | "apiDeprecationErrors"
            | "txnNumber"
            | "autocommit"
            | "startTransaction"
            | "startOrContinueTransaction"
            | "coordinator"
            | "help"
            | "$audit"
            | "$client"
            | "$configServerState"
            | "$configTime"
            | "$topologyTime"
            | "$queryOptions"
            | "$oplogQueryData"
            | "$replData"
            | "$gleStats"
            | "$impersonatedUsers"
            | "$tenant"
            | "databaseVersion"
            | "shardVersion"
            | "clientOperationKey"
            | "maxTimeMSOpOnly"
            | "mayBypassWriteBlocking"
            | "expectPrefix"
            | "serialization_context"
    )
}

/// The generic arguments that mean something here.
#[allow(clippy::struct_excessive_bools)] // independent switches, as on the wire
#[derive(Debug)]
pub struct Generic<'a> {
    /// The database the command runs on.
    pub db: DbName,
    /// As sent; read after authorization, as mongod does.
    pub write_concern: Option<RawBsonRef<'a>>,
    /// Milliseconds the command may take; 0 is no limit.
    pub max_time_ms: u32,
    /// Only commands of API version 1 may run.
    pub api_strict: bool,
    /// Asks what the command does instead of running it.
    pub help: bool,
    /// Comes with an `lsid`.
    pub has_session: bool,
    /// Whether it may run on a secondary.
    pub read_preference: ReadPreference,
    /// As sent, likewise.
    pub read_concern: Option<&'a RawDocument>,
    /// `$clusterTime` as sent.
    pub cluster_time: Option<&'a RawDocument>,
    /// `txnNumber`: which write of its session it is.
    pub transaction_number: Option<i64>,
    autocommit: Option<bool>,
    starts_transaction: Option<bool>,
}

impl<'a> Generic<'a> {
    /// Reads the generic arguments of `command` on `db`; `db` is `$db`, or what takes its place.
    pub fn parse(command: &str, db: &str, body: &'a RawDocument) -> Result<Self, CommandError> {
        let db = DbName::parse(db).map_err(|_| {
            CommandError::new(
                ErrorCode::INVALID_NAMESPACE,
                format!("Invalid database name: '{db}'"),
            )
        })?;
        let mut generic = Self {
            db,
            write_concern: None,
            max_time_ms: 0,
            api_strict: false,
            help: false,
            has_session: false,
            read_preference: ReadPreference::default(),
            read_concern: None,
            cluster_time: None,
            transaction_number: None,
            autocommit: None,
            starts_transaction: None,
        };
        let mut api_version = None;
        let mut seen = Vec::new();
        let root = Path::root(command);
        for element in body.iter().skip(1) {
            let (key, value) = element.map_err(|error| invalid_bson(&error))?;
            let path = root.field(key.as_str());
            if is_generic(key.as_str()) {
                // Not more of them than there are generic arguments.
                if seen.contains(&key) {
                    return Err(duplicate_field(&path));
                }
                seen.push(key);
            }
            if matches!(value, RawBsonRef::Null | RawBsonRef::Undefined) {
                continue;
            }
            match key.as_str() {
                "lsid" => {
                    check_session_id(value, &path)?;
                    generic.has_session = true;
                }
                "writeConcern" => generic.write_concern = Some(value),
                "readConcern" => generic.read_concern = Some(document(value, &path)?),
                "maxTimeMS" => generic.max_time_ms = max_time_ms(value, &path)?,
                "apiVersion" => api_version = Some(text(value, &path)?),
                "apiStrict" => generic.api_strict = boolean(value, &path)?,
                "txnNumber" => {
                    let RawBsonRef::Int64(number) = value else {
                        return Err(wrong_type(&path, value, &["long"]));
                    };
                    generic.transaction_number = Some(number);
                }
                "autocommit" => generic.autocommit = Some(boolean(value, &path)?),
                "startTransaction" => {
                    generic.starts_transaction = Some(boolean(value, &path)?);
                }
                "$clusterTime" => generic.cluster_time = Some(document(value, &path)?),
                "$readPreference" => {
                    generic.read_preference = ReadPreference::parse(document(value, &path)?)?;
                }
                "help" => generic.help = value == RawBsonRef::Boolean(true),
                _ => {}
            }
        }
        check_api_version(api_version, generic.api_strict)?;
        Ok(generic)
    }

    /// Refuses transactions, and numbers of writes where they mean nothing.
    pub fn check_transaction(&self, spec: &Spec, is_member: bool) -> Result<(), CommandError> {
        let refuse = |text: &str| Err(CommandError::new(ErrorCode::INVALID_OPTIONS, text));
        let is_any = self.transaction_number.is_some()
            || self.autocommit.is_some()
            || self.starts_transaction.is_some();
        if !is_any {
            return Ok(());
        }
        if !is_member {
            return Err(CommandError::new(
                ErrorCode::ILLEGAL_OPERATION,
                "Transaction numbers are only allowed on a replica set member or mongos",
            ));
        }
        match self.transaction_number {
            Some(_) if !self.has_session => {
                return refuse("Transaction number requires a session ID to also be specified");
            }
            Some(number) if number < 0 => {
                return refuse("Transaction number cannot be negative");
            }
            None if self.autocommit.is_some() => {
                return refuse(
                    "'autocommit' field requires a transaction number to also be specified",
                );
            }
            _ => {}
        }
        let name = spec.name;
        match self.autocommit {
            None if self.starts_transaction.is_some() => {
                refuse("'startTransaction' field requires 'autocommit' field to also be specified")
            }
            None if spec.is_retryable_write => Ok(()),
            None => Err(CommandError::new(
                ErrorCode::NOT_A_RETRYABLE_WRITE_COMMAND,
                format!(
                    "txnNumber may only be provided for multi-document transactions and retryable \
                     write commands. autocommit:false was not provided, and {name} is not a \
                     retryable write command."
                ),
            )),
            Some(true) => refuse("Specifying autocommit=true is not allowed."),
            Some(false) => Err(CommandError::new(
                ErrorCode::OPERATION_NOT_SUPPORTED_IN_TRANSACTION,
                format!("Cannot run '{name}' in a multi-document transaction."),
            )),
        }
    }
}

fn check_api_version(version: Option<&str>, strict: bool) -> Result<(), CommandError> {
    match version {
        Some("1") => Ok(()),
        Some(_) => Err(CommandError::new(
            ErrorCode::API_VERSION_ERROR,
            "API version must be \"1\"",
        )),
        None if strict => Err(CommandError::new(
            ErrorCode(4_886_600),
            "Provided apiStrict without passing apiVersion",
        )),
        None => Ok(()),
    }
}

fn check_session_id(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<(), CommandError> {
    match SessionId::from_field(value, path)? {
        Some(SessionId) => Ok(()),
        None => Err(wrong_type(path, value, SessionId::TYPES)),
    }
}

fn document<'a>(value: RawBsonRef<'a>, path: &Path<'_>) -> Result<&'a RawDocument, CommandError> {
    value
        .as_document()
        .ok_or_else(|| wrong_type(path, value, &["object"]))
}

fn text<'a>(value: RawBsonRef<'a>, path: &Path<'_>) -> Result<&'a str, CommandError> {
    value
        .as_str()
        .ok_or_else(|| wrong_type(path, value, &["string"]))
}

fn boolean(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<bool, CommandError> {
    value
        .as_bool()
        .ok_or_else(|| wrong_type(path, value, &["bool"]))
}

fn max_time_ms(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<u32, CommandError> {
    if !NUMBER_TYPES.contains(&type_name(value)) {
        return Err(wrong_type(path, value, NUMBER_TYPES));
    }
    let number = whole_number(value).unwrap_or_default();
    match i32::try_from(number) {
        Ok(in_range) if in_range >= 0 => Ok(in_range.unsigned_abs()),
        _ => Err(CommandError::bad_value(format!(
            "{number} value for maxTimeMS is out of range [0, 2147483647]"
        ))),
    }
}
