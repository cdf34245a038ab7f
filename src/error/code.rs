//! MongoDB's error numbers and their names, as of MongoDB 8.0.

use std::borrow::Cow;
use std::fmt;

/// A number a client knows an error by. Unknown numbers survive and print as `Location<N>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i32);

macro_rules! codes {
    ($($constant:ident = $number:literal $name:literal,)*) => {
        #[allow(missing_docs)] // the names are the documentation MongoDB gives them
        impl ErrorCode {
            $(pub const $constant: Self = Self($number);)*

            /// Every number that has a name here, in ascending order.
            pub const NAMED: &[Self] = &[$(Self::$constant,)*];

            /// `codeName` of replies.
            pub fn name(self) -> Cow<'static, str> {
                match self.0 {
                    $($number => Cow::Borrowed($name),)*
                    other => Cow::Owned(format!("Location{other}")),
                }
            }
        }
    };
}

codes! {
    INTERNAL_ERROR = 1 "InternalError",
    BAD_VALUE = 2 "BadValue",
    NO_SUCH_KEY = 4 "NoSuchKey",
    HOST_UNREACHABLE = 6 "HostUnreachable",
    FAILED_TO_PARSE = 9 "FailedToParse",
    USER_NOT_FOUND = 11 "UserNotFound",
    UNSUPPORTED_FORMAT = 12 "UnsupportedFormat",
    UNAUTHORIZED = 13 "Unauthorized",
    TYPE_MISMATCH = 14 "TypeMismatch",
    OVERFLOW = 15 "Overflow",
    INVALID_LENGTH = 16 "InvalidLength",
    PROTOCOL_ERROR = 17 "ProtocolError",
    AUTHENTICATION_FAILED = 18 "AuthenticationFailed",
    ILLEGAL_OPERATION = 20 "IllegalOperation",
    INVALID_BSON = 22 "InvalidBSON",
    ALREADY_INITIALIZED = 23 "AlreadyInitialized",
    NAMESPACE_NOT_FOUND = 26 "NamespaceNotFound",
    ROLE_NOT_FOUND = 31 "RoleNotFound",
    CURSOR_NOT_FOUND = 43 "CursorNotFound",
    INVALID_ROLE_MODIFICATION = 49 "InvalidRoleModification",
    MAX_TIME_MS_EXPIRED = 50 "MaxTimeMSExpired",
    COMMAND_NOT_FOUND = 59 "CommandNotFound",
    WRITE_CONCERN_FAILED = 64 "WriteConcernFailed",
    INVALID_OPTIONS = 72 "InvalidOptions",
    INVALID_NAMESPACE = 73 "InvalidNamespace",
    NODE_NOT_FOUND = 74 "NodeNotFound",
    NO_REPLICATION_ENABLED = 76 "NoReplicationEnabled",
    UNKNOWN_REPL_WRITE_CONCERN = 79 "UnknownReplWriteConcern",
    SHUTDOWN_IN_PROGRESS = 91 "ShutdownInProgress",
    INVALID_REPLICA_SET_CONFIG = 93 "InvalidReplicaSetConfig",
    NOT_YET_INITIALIZED = 94 "NotYetInitialized",
    NOT_SECONDARY = 95 "NotSecondary",
    OPERATION_FAILED = 96 "OperationFailed",
    UNSATISFIABLE_WRITE_CONCERN = 100 "UnsatisfiableWriteConcern",
    NEW_REPLICA_SET_CONFIGURATION_INCOMPATIBLE = 103 "NewReplicaSetConfigurationIncompatible",
    NODE_NOT_ELECTABLE = 104 "NodeNotElectable",
    CONFIGURATION_IN_PROGRESS = 109 "ConfigurationInProgress",
    COMMAND_NOT_SUPPORTED = 115 "CommandNotSupported",
    CONFLICTING_OPERATION_IN_PROGRESS = 117 "ConflictingOperationInProgress",
    NOT_A_REPLICA_SET = 123 "NotAReplicaSet",
    INVALID_SSL_CONFIGURATION = 140 "InvalidSSLConfiguration",
    EXCEEDED_MEMORY_LIMIT = 146 "ExceededMemoryLimit",
    MAX_STALENESS_OUT_OF_RANGE = 160 "MaxStalenessOutOfRange",
    COLLECTION_IS_EMPTY = 162 "CollectionIsEmpty",
    CLIENT_METADATA_MISSING_FIELD = 183 "ClientMetadataMissingField",
    CLIENT_METADATA_APP_NAME_TOO_LARGE = 184 "ClientMetadataAppNameTooLarge",
    CLIENT_METADATA_DOCUMENT_TOO_LARGE = 185 "ClientMetadataDocumentTooLarge",
    CLIENT_METADATA_CANNOT_BE_MUTATED = 186 "ClientMetadataCannotBeMutated",
    PRIMARY_STEPPED_DOWN = 189 "PrimarySteppedDown",
    TIME_PROOF_MISMATCH = 204 "TimeProofMismatch",
    CLUSTER_TIME_FAILS_RATE_LIMITER = 205 "ClusterTimeFailsRateLimiter",
    KEY_NOT_FOUND = 211 "KeyNotFound",
    ILLEGAL_OP_MSG_FLAG = 223 "IllegalOpMsgFlag",
    QUERY_FEATURE_NOT_ALLOWED = 224 "QueryFeatureNotAllowed",
    TRANSACTION_TOO_OLD = 225 "TransactionTooOld",
    MAX_SUB_PIPELINE_DEPTH_EXCEEDED = 232 "MaxSubPipelineDepthExceeded",
    TOO_MANY_DOCUMENT_SEQUENCES = 233 "TooManyDocumentSequences",
    CURSOR_KILLED = 237 "CursorKilled",
    EXCEEDED_TIME_LIMIT = 262 "ExceededTimeLimit",
    OPERATION_NOT_SUPPORTED_IN_TRANSACTION = 263 "OperationNotSupportedInTransaction",
    CHECKSUM_MISMATCH = 288 "ChecksumMismatch",
    QUERY_EXCEEDED_MEMORY_LIMIT_NO_DISK_USE_ALLOWED = 292 "QueryExceededMemoryLimitNoDiskUseAllowed",
    API_VERSION_ERROR = 322 "APIVersionError",
    API_STRICT_ERROR = 323 "APIStrictError",
    MECHANISM_UNAVAILABLE = 334 "MechanismUnavailable",
    AUTHENTICATION_ABANDONED = 337 "AuthenticationAbandoned",
    UNSUPPORTED_OP_QUERY_COMMAND = 352 "UnsupportedOpQueryCommand",
    NOT_WRITABLE_PRIMARY = 10107 "NotWritablePrimary",
    BSON_OBJECT_TOO_LARGE = 10334 "BSONObjectTooLarge",
    INTERRUPTED = 11601 "Interrupted",
    INTERRUPTED_DUE_TO_REPL_STATE_CHANGE = 11602 "InterruptedDueToReplStateChange",
    CURSOR_IN_USE = 12051 "CursorInUse",
    NOT_PRIMARY_NO_SECONDARY_OK = 13435 "NotPrimaryNoSecondaryOk",
    NOT_PRIMARY_OR_SECONDARY = 13436 "NotPrimaryOrSecondary",
    OUT_OF_DISK_SPACE = 14031 "OutOfDiskSpace",
    IDL_DUPLICATE_FIELD = 40413 "IDLDuplicateField",
    IDL_FAILED_TO_PARSE = 40414 "IDLFailedToParse",
    IDL_UNKNOWN_FIELD = 40415 "IDLUnknownField",
    NOT_A_RETRYABLE_WRITE_COMMAND = 50768 "NotARetryableWriteCommand",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_numbers_print_as_locations() {
        assert_eq!(ErrorCode::BAD_VALUE.name(), "BadValue");
        assert_eq!(ErrorCode(51003).name(), "Location51003");
    }
}
