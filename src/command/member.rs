//! What a member of a replica set refuses because of its state, and what its errors carry besides.
//!
//! Order and texts are mongod's; a standalone refuses nothing here. Drivers learn from code and
//! `topologyVersion` that they have to look for another member, and from the labels that they may
//! send the command again (specifications "Server Discovery and Monitoring", "Retryable Writes").

use bson::raw::{RawDocument, cstr};
use bson::{RawArrayBuf, RawDocumentBuf};

use super::handshake::topology::TopologyVersion;
use super::read_preference::ReadPreference;
use super::reply::Reply;
use super::services::Services;
use super::spec::RunsOn;
use crate::cluster::MemberState;
use crate::error::{CommandError, ErrorCode, RETRYABLE_WRITE_ERROR};

/// Each text for those who know `hello`, and what everybody else is told.
const LEGACY_TEXTS: [(&str, &str); 3] = [
    ("not primary", "not master"),
    (
        "not primary, and etcd cannot be reached",
        "not master, and etcd cannot be reached",
    ),
    (
        "not primary and secondaryOk=false",
        "not master and slaveOk=false",
    ),
];

impl Services {
    /// Refuses what this server, as a member of a replica set, does not run in its present state.
    pub fn check_member(
        &self,
        runs_on: RunsOn,
        preference: ReadPreference,
    ) -> Result<(), CommandError> {
        let Some(set) = &self.replica_set else {
            return Ok(());
        };
        match runs_on {
            RunsOn::AnyMember => Ok(()),
            // Asked of the lease and not of the topology, which may follow a moment later.
            RunsOn::Primary => set
                .check_writable()
                .map_err(|_| self.not_writable_primary()),
            RunsOn::SecondaryIfAsked => check_read(set.topology().state, preference),
            RunsOn::PrimaryOrSecondary => check_readable(set.topology().state),
            // Who was removed goes on following, and somebody must be able to look at it.
            RunsOn::InTouch => match set.topology().state {
                MemberState::Removed => Ok(()),
                state => check_readable(state),
            },
        }
    }

    /// 10107: another one may be primary, so drivers look for it. Who cannot know that says so.
    pub fn not_writable_primary(&self) -> CommandError {
        let mut error = CommandError::not_writable_primary();
        let set = self.replica_set.as_ref();
        if set.is_some_and(|set| set.unreachable_since().is_some()) {
            error.message.push_str(", and etcd cannot be reached");
        }
        error
    }

    /// Whether what this server knows may be acted upon: it has loaded everything, and is not out of
    /// touch for too long.
    pub fn is_in_touch(&self) -> bool {
        self.check_member(RunsOn::InTouch, ReadPreference::Primary)
            .is_ok()
    }

    /// The topology as clients know it: of this process, changed that often.
    pub fn topology_version(&self) -> TopologyVersion {
        let set = self.replica_set.as_ref();
        TopologyVersion {
            counter: set.map_or(self.topology.counter, |set| set.topology().counter),
            ..self.topology
        }
    }
}

fn check_read(state: MemberState, preference: ReadPreference) -> Result<(), CommandError> {
    match (state, preference) {
        (MemberState::Primary, _) => Ok(()),
        (_, ReadPreference::Primary) => Err(CommandError::new(
            ErrorCode::NOT_PRIMARY_NO_SECONDARY_OK,
            "not primary and secondaryOk=false",
        )),
        (state, ReadPreference::SecondaryAllowed) => check_readable(state),
    }
}

fn check_readable(state: MemberState) -> Result<(), CommandError> {
    match state {
        MemberState::Primary | MemberState::Secondary => Ok(()),
        MemberState::Recovering => Err(CommandError::recovering()),
        MemberState::Startup | MemberState::Down | MemberState::Removed => Err(CommandError::new(
            ErrorCode::NOT_PRIMARY_OR_SECONDARY,
            "node is not in primary or recovering state",
        )),
    }
}

/// Adds to an error of a member what drivers look for: `topologyVersion` where the member's state or
/// that of etcd is the cause, and the label of retryable writes where the request is one.
/// `supports_hello` is whether the client has said that it knows `hello`.
pub fn complete_error(
    error: &mut CommandError,
    version: TopologyVersion,
    supports_hello: bool,
    request: &RawDocument,
) {
    if is_of_topology(error.code) {
        let extra = error.extra.get_or_insert_with(RawDocumentBuf::new);
        if matches!(extra.get("topologyVersion"), Ok(None)) {
            extra.append(cstr!("topologyVersion"), version.to_document());
        }
    }
    let beside = error.extra.as_deref().and_then(write_concern_error_code);
    if (is_retriable(error.code) || beside.is_some_and(is_retriable))
        && is_retryable_write(request)
        && !error.labels.contains(&RETRYABLE_WRITE_ERROR)
    {
        error.labels.insert(0, RETRYABLE_WRITE_ERROR);
    }
    if !supports_hello {
        for (modern, legacy) in LEGACY_TEXTS {
            if error.message == modern {
                legacy.clone_into(&mut error.message);
            }
        }
    }
}

/// Adds the label of retryable writes to the answer of one that was done but may not last, because the
/// member has stepped down or stops before others have it.
pub fn label_write_concern_error(reply: &mut Reply, request: &RawDocument) {
    let is_retriable = is_retryable_write(request)
        && write_concern_error_code(reply.document()).is_some_and(is_retriable);
    if is_retriable {
        let labels = RawArrayBuf::from_iter([RETRYABLE_WRITE_ERROR]);
        reply.append("errorLabels", labels);
    }
}

fn write_concern_error_code(document: &RawDocument) -> Option<ErrorCode> {
    let error = document.get("writeConcernError").ok().flatten()?;
    let code = error.as_document()?.get("code").ok().flatten()?;
    code.as_i32().map(ErrorCode)
}

/// mongod's categories of errors about its state and of its end, and what takes their place here
/// when etcd cannot be reached.
fn is_of_topology(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::HOST_UNREACHABLE
            | ErrorCode::SHUTDOWN_IN_PROGRESS
            | ErrorCode::PRIMARY_STEPPED_DOWN
            | ErrorCode::NOT_WRITABLE_PRIMARY
            | ErrorCode::INTERRUPTED_DUE_TO_REPL_STATE_CHANGE
            | ErrorCode::NOT_PRIMARY_NO_SECONDARY_OK
            | ErrorCode::NOT_PRIMARY_OR_SECONDARY
    )
}

/// mongod's category of errors after which the same may succeed elsewhere or later.
fn is_retriable(code: ErrorCode) -> bool {
    is_of_topology(code) || code == ErrorCode::EXCEEDED_TIME_LIMIT
}

/// Numbered, and not part of a transaction.
fn is_retryable_write(request: &RawDocument) -> bool {
    let has = |name: &str| matches!(request.get(name), Ok(Some(_)));
    has("txnNumber") && !has("autocommit")
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use bson::rawdoc;

    use super::*;

    fn text(result: Result<(), CommandError>) -> Option<(i32, String)> {
        result.err().map(|error| (error.code.0, error.message))
    }

    #[test]
    fn reads_go_to_the_primary_unless_a_secondary_is_allowed() {
        use MemberState::{Down, Primary, Recovering, Removed, Secondary, Startup};
        let no_secondary = Some((13_435, "not primary and secondaryOk=false".to_owned()));
        assert_eq!(text(check_read(Primary, ReadPreference::Primary)), None);
        for state in [Secondary, Recovering, Startup, Down, Removed] {
            let refused = text(check_read(state, ReadPreference::Primary));
            assert_eq!(refused, no_secondary, "{state:?}");
        }
        let allowed = |state| text(check_read(state, ReadPreference::SecondaryAllowed));
        assert_eq!(allowed(Primary), None);
        assert_eq!(allowed(Secondary), None);
        let recovering = Some((13_436, "node is recovering".to_owned()));
        assert_eq!(allowed(Recovering), recovering);
        let neither = Some((
            13_436,
            "node is not in primary or recovering state".to_owned(),
        ));
        assert_eq!(allowed(Startup), neither);
        assert_eq!(allowed(Removed), neither);
    }

    fn version() -> TopologyVersion {
        TopologyVersion {
            process_id: ObjectId::from_bytes([7; 12]),
            counter: 3,
        }
    }

    fn completed(
        mut error: CommandError,
        supports_hello: bool,
        request: &RawDocument,
    ) -> CommandError {
        complete_error(&mut error, version(), supports_hello, request);
        error
    }

    #[test]
    fn errors_of_the_topology_carry_its_version_once() {
        let plain = rawdoc! { "find": "c" };
        let expected = rawdoc! { "topologyVersion": version().to_document() };
        for code in [6, 91, 189, 10_107, 11_602, 13_435, 13_436] {
            let error = completed(CommandError::new(ErrorCode(code), "x"), true, &plain);
            assert_eq!(error.extra.as_ref(), Some(&expected), "{code}");
            assert!(error.labels.is_empty(), "{code}");
            let again = completed(error, true, &plain);
            assert_eq!(again.extra.as_ref(), Some(&expected), "{code}");
        }
        for code in [1, 13, 18, 262] {
            let error = completed(CommandError::new(ErrorCode(code), "x"), true, &plain);
            assert_eq!(error.extra, None, "{code}");
        }
    }

    #[test]
    fn a_numbered_write_may_be_sent_again_after_errors_that_allow_it() {
        let numbered = rawdoc! { "insert": "c", "txnNumber": 1_i64 };
        for code in [6, 91, 189, 262, 10_107, 11_602] {
            let error = completed(CommandError::new(ErrorCode(code), "x"), true, &numbered);
            assert_eq!(error.labels, ["RetryableWriteError"], "{code}");
        }
        let other = completed(CommandError::bad_value("x"), true, &numbered);
        assert!(other.labels.is_empty());
        let in_transaction = rawdoc! { "insert": "c", "txnNumber": 1_i64, "autocommit": false };
        let error = CommandError::new(ErrorCode::PRIMARY_STEPPED_DOWN, "x");
        assert!(completed(error, true, &in_transaction).labels.is_empty());
        let refused = completed(CommandError::not_writable_primary(), true, &numbered);
        assert_eq!(refused.labels, ["RetryableWriteError", "NoWritesPerformed"]);
    }

    #[test]
    fn a_numbered_write_that_may_not_last_may_be_sent_again() {
        let numbered = rawdoc! { "insert": "c", "txnNumber": 1_i64 };
        let labelled = |code: i32, request: &RawDocument| {
            let beside = rawdoc! { "code": code };
            let mut reply = Reply::new().with("writeConcernError", beside.clone());
            label_write_concern_error(&mut reply, request);
            let document = reply.into_embedded();
            let label = match document.get_array("errorLabels") {
                Ok(labels) => labels.get_str(0).ok() == Some("RetryableWriteError"),
                Err(_) => false,
            };
            let mut error = CommandError::bad_value("x");
            error.extra = Some(rawdoc! { "writeConcernError": beside });
            let error = completed(error, true, request);
            assert_eq!(
                error.labels.contains(&RETRYABLE_WRITE_ERROR),
                label,
                "{code}"
            );
            label
        };
        assert!(labelled(189, &numbered));
        assert!(labelled(91, &numbered));
        assert!(!labelled(64, &numbered));
        assert!(!labelled(189, &rawdoc! { "insert": "c" }));
    }

    #[test]
    fn who_does_not_know_hello_is_told_in_the_old_words() {
        let plain = rawdoc! { "find": "c" };
        let told = |text: &str, supports_hello| {
            let error = CommandError::new(ErrorCode::NOT_WRITABLE_PRIMARY, text);
            completed(error, supports_hello, &plain).message
        };
        assert_eq!(told("not primary", true), "not primary");
        assert_eq!(told("not primary", false), "not master");
        let read = "not primary and secondaryOk=false";
        assert_eq!(told(read, false), "not master and slaveOk=false");
        let other = "not primary so can't step down";
        assert_eq!(told(other, false), other);
    }
}
