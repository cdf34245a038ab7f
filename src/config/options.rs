//! The table of options: the one declaration that the command line, the configuration file and
//! `docs/options.md` are made from. Names are mongod's; those marked `ours` mongod does not have.

mod mongod_only;
#[cfg(test)]
mod tests;

use mongod_only::{MONGOD_ONLY_FLAGS, MONGOD_ONLY_PATHS};

/// What an option accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false` in the file; a flag without value on the command line.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number in this range, both ends included.
    Integer { min: u32, max: u32 },
    /// File permissions, octal, at most this.
    Octal { max: u32 },
    /// Non-empty text.
    Text,
    /// Non-empty text that nobody is shown.
    Secret,
    /// Words separated by commas.
    List,
    /// Server parameters by name; see [`super::parameters`].
    Parameters,
}

/// What a flag does with the word that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// The following word is the value; the name stands for it in the help.
    Value(&'static str),
    /// Like `Value`, and the flag may be repeated.
    Values(&'static str),
    /// No value: the flag itself means this one.
    Nothing(&'static str),
    /// No value: the number of repetitions is the value.
    Repetitions,
}

/// One name of an option on the command line.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) takes: Takes,
    /// The flag's own help; empty where the option's help says it.
    pub(super) help: &'static str,
}

impl Flag {
    const fn value(long: &'static str, shown: &'static str) -> Self {
        Self {
            long,
            short: None,
            takes: Takes::Value(shown),
            help: "",
        }
    }

    const fn switch(long: &'static str) -> Self {
        Self::sets(long, "true", "")
    }

    const fn sets(long: &'static str, value: &'static str, help: &'static str) -> Self {
        Self {
            long,
            short: None,
            takes: Takes::Nothing(value),
            help,
        }
    }
}

/// One option.
#[derive(Debug)]
pub(super) struct OptionSpec {
    /// Heading in the help and the documentation.
    pub(super) group: &'static str,
    /// Path in the file; `config` itself is the only one that no file can hold.
    pub(super) yaml: &'static str,
    /// Names on the command line; none when only the file has it.
    pub(super) flags: &'static [Flag],
    pub(super) kind: Kind,
    /// The value of an option nobody sets, in the form a user would write. Empty: not set.
    pub(super) default: &'static str,
    /// One or more sentences, for the help and the documentation.
    pub(super) help: &'static str,
    /// Whether mongod has no such option.
    pub(super) ours: bool,
}

macro_rules! options {
    ($($name:ident: $group:literal, $yaml:literal, $flags:expr, $kind:expr, $default:literal,
       $ours:ident, $help:literal;)*) => {
        $(pub(super) static $name: OptionSpec = OptionSpec {
            group: $group,
            yaml: $yaml,
            flags: $flags,
            kind: $kind,
            default: $default,
            help: $help,
            ours: options!(@ours $ours),
        };)*
        /// Every option, in the order of the help.
        pub(super) static OPTIONS: &[&OptionSpec] = &[$(&$name),*];
    };
    (@ours mongod) => { false };
    (@ours ours) => { true };
}

options! {
    CONFIG: "General", "config",
        &[Flag { long: "config", short: Some('f'), takes: Takes::Value("FILE"), help: "" }],
        Kind::Text, "", mongod,
        "The configuration file, in YAML. The command line wins over it.";
    PORT: "Network", "net.port", &[Flag::value("port", "PORT")],
        Kind::Integer { min: 0, max: 65_535 }, "27017", mongod,
        "TCP port to listen on; 0 lets the system choose one.";
    PORT_FILE: "Network", "net.portFile", &[Flag::value("portFile", "FILE")],
        Kind::Text, "", ours,
        "File to write the TCP port into once the server listens, for use with --port 0.";
    BIND_IP: "Network", "net.bindIp", &[Flag::value("bind_ip", "LIST")],
        Kind::List, "localhost", mongod,
        "Addresses to listen on: IP addresses, 'localhost' (127.0.0.1, with --ipv6 also ::1) or '*' \
         (all). Other host names are not looked up.";
    BIND_IP_ALL: "Network", "net.bindIpAll", &[Flag::switch("bind_ip_all")],
        Kind::Switch, "false", mongod,
        "Listen on all addresses; not together with --bind_ip.";
    IPV6: "Network", "net.ipv6", &[Flag::switch("ipv6")],
        Kind::Switch, "false", mongod,
        "Listen on IPv6 addresses too.";
    MAX_CONNECTIONS: "Network", "net.maxIncomingConnections", &[Flag::value("maxConns", "COUNT")],
        Kind::Integer { min: 5, max: 1_000_000 }, "65536", mongod,
        "Connections open at the same time; further ones are closed at once. mongod's default is \
         1000000, which no default limit of open files allows.";
    IP_SOURCE_ALLOWLIST: "Network", "net.ipSourceAllowlist",
        &[Flag::value("ipSourceAllowlist", "LIST")],
        Kind::List, "", ours,
        "Addresses and CIDR ranges of clients that may connect; others are closed before a byte is \
         read. Not set, everybody may; Unix sockets always may. (mongod's clusterIpSourceAllowlist \
         is for members of its cluster only.)";
    TRUSTED_PROXIES: "Network", "net.proxyProtocol.trustedPeers",
        &[Flag::value("proxyProtocolTrustedPeers", "LIST")],
        Kind::List, "", ours,
        "Addresses and CIDR ranges of proxies. Their connections must begin with a PROXY header of \
         version 2, and the client named in it is the client for every purpose; from anybody else a \
         header is not looked at. (mongod opens a second port for that, proxyPort, and believes \
         whoever reaches it.)";
    UNIX_SOCKET: "Network", "net.unixDomainSocket.enabled",
        &[Flag::sets("nounixsocket", "false", "Do not listen on a Unix domain socket.")],
        Kind::Switch, "true", mongod,
        "Listen on a Unix domain socket, mongodb-PORT.sock; --nounixsocket turns it off.";
    UNIX_SOCKET_PREFIX: "Network", "net.unixDomainSocket.pathPrefix",
        &[Flag::value("unixSocketPrefix", "FOLDER")],
        Kind::Text, "/tmp", mongod,
        "Folder of the Unix domain socket.";
    UNIX_SOCKET_PERMISSIONS: "Network", "net.unixDomainSocket.filePermissions",
        &[Flag::value("filePermissions", "OCTAL")],
        Kind::Octal { max: 0o777 }, "0700", mongod,
        "Permissions of the Unix domain socket, octal.";
    COMPRESSORS: "Network", "net.compression.compressors",
        &[Flag::value("networkMessageCompressors", "LIST")],
        Kind::List, "snappy,zstd,zlib", mongod,
        "Compressors offered to clients, most liked first; 'disabled' for none.";
    TLS_MODE: "TLS", "net.tls.mode", &[Flag::value("tlsMode", "MODE")],
        Kind::Choice(&["disabled", "allowTLS", "preferTLS", "requireTLS"]), "disabled", mongod,
        "Whether connections over TCP may (allowTLS and preferTLS, which are the same here) or must \
         (requireTLS) be encrypted. The versions are TLS 1.2 and 1.3. Unix domain sockets are never \
         encrypted.";
    TLS_CERTIFICATE_KEY_FILE: "TLS", "net.tls.certificateKeyFile",
        &[Flag::value("tlsCertificateKeyFile", "FILE")],
        Kind::Text, "", mongod,
        "PEM file with the server's certificate, those between it and its authority, and its private \
         key, which must not be encrypted. Needed unless TLS is disabled.";
    TLS_CA_FILE: "TLS", "net.tls.CAFile", &[Flag::value("tlsCAFile", "FILE")],
        Kind::Text, "", mongod,
        "PEM file with the authorities that clients' certificates are verified against. Needed \
         unless TLS is disabled.";
    TLS_CRL_FILE: "TLS", "net.tls.CRLFile", &[Flag::value("tlsCRLFile", "FILE")],
        Kind::Text, "", mongod,
        "PEM file with lists of revoked certificates. With it, a client's certificate that is in the \
         scope of no list, or only of an outdated one, is refused too.";
    TLS_ALLOW_CONNECTIONS_WITHOUT_CERTIFICATES:
        "TLS", "net.tls.allowConnectionsWithoutCertificates",
        &[Flag::switch("tlsAllowConnectionsWithoutCertificates")],
        Kind::Switch, "false", mongod,
        "Let clients connect that present no certificate. One that is presented is verified all the \
         same.";
    TLS_DISABLED_PROTOCOLS: "TLS", "net.tls.disabledProtocols",
        &[Flag::value("tlsDisabledProtocols", "LIST")],
        Kind::List, "none", mongod,
        "Versions of TLS not to speak: TLS1_2 or TLS1_3. TLS1_0 and TLS1_1 may be listed and are \
         never spoken; 'none' disables no other.";
    DB_PATH: "Storage", "storage.dbPath", &[Flag::value("dbpath", "FOLDER")],
        Kind::Text, "portcullis-data", mongod,
        "Folder of the data, made at the first start. mongod's default is /data/db, which needs \
         root's rights; this one is in the current folder.";
    STORAGE_ENGINE: "Storage", "storage.engine", &[Flag::value("storageEngine", "NAME")],
        Kind::Choice(&["redb", "etcd", "ephemeralForTest"]), "redb", mongod,
        "redb keeps users and roles on disk, etcd in an etcd cluster that several servers share as a \
         replica set, ephemeralForTest only in memory. mongod's wiredTiger does not exist here.";
    REPL_SET: "Replication", "replication.replSetName", &[Flag::value("replSet", "NAME")],
        Kind::Text, "", mongod,
        "The replica set this server is a member of; needs --storageEngine etcd.";
    REPLICATION_HOST: "Replication", "replication.host",
        &[Flag::value("replication.host", "HOST:PORT")], Kind::Text, "", ours,
        "Under which name clients and members find this one. By default the first address it \
         listens on, or the name of the machine where that stands for all addresses.";
    REPLICATION_TAGS: "Replication", "replication.tags",
        &[Flag::value("replication.tags", "TAG:VALUE,...")], Kind::List, "", ours,
        "Where this member is, for tagged write concerns and read preferences, such as \
         dc:east,rack:1. Without it the tags of replSetReconfig stay.";
    ETCD_ENDPOINTS: "Replication", "etcd.endpoints",
        &[Flag::value("etcd.endpoints", "URL,...")], Kind::List, "", ours,
        "Where etcd is, as URLs. One that does not answer is passed over.";
    ETCD_PREFIX: "Replication", "etcd.prefix", &[Flag::value("etcd.prefix", "PATH")],
        Kind::Text, "/portcullis", ours,
        "What every key in etcd begins with; the name of the set follows.";
    ETCD_LEASE_TTL: "Replication", "etcd.leaseTtlSecs",
        &[Flag::value("etcd.leaseTtlSecs", "SECONDS")],
        Kind::Integer { min: 2, max: 600 }, "5", ours,
        "How long etcd waits for a member it does not hear of. A primary that is lost is replaced \
         after that.";
    ETCD_STALENESS: "Replication", "etcd.maxStalenessSecs",
        &[Flag::value("etcd.maxStalenessSecs", "SECONDS")],
        Kind::Integer { min: 0, max: 31_536_000 }, "0", ours,
        "For how long this member answers reads and signs people in while it does not hear of etcd; \
         0 for as long as it takes.";
    ETCD_CA_FILE: "Replication", "etcd.CAFile", &[Flag::value("etcd.CAFile", "FILE")],
        Kind::Text, "", ours,
        "The authority of etcd's certificates, PEM. By default none is trusted.";
    ETCD_CERTIFICATE_KEY_FILE: "Replication", "etcd.certificateKeyFile",
        &[Flag::value("etcd.certificateKeyFile", "FILE")], Kind::Text, "", ours,
        "This server's certificate and key towards etcd, PEM.";
    ETCD_USERNAME: "Replication", "etcd.username", &[Flag::value("etcd.username", "NAME")],
        Kind::Text, "", ours,
        "The etcd user to sign in as.";
    ETCD_PASSWORD_FILE: "Replication", "etcd.passwordFile",
        &[Flag::value("etcd.passwordFile", "FILE")], Kind::Text, "", ours,
        "A file with the password of etcd.username.";
    AUTHORIZATION: "Security", "security.authorization",
        &[
            Flag::sets("auth", "enabled", "Enforce roles. Unlike in mongod this is the default."),
            Flag::sets("noauth", "disabled", "Let everybody do everything, without signing in."),
        ],
        Kind::Choice(&["enabled", "disabled"]), "enabled", mongod,
        "Whether roles are enforced. Unlike in mongod the default is enabled: a fresh server is \
         entered through the localhost exception or the first administrator (see Environment).";
    LOG_DESTINATION: "Logging", "systemLog.destination", &[],
        Kind::Choice(&["file"]), "", mongod,
        "'file' when logs go to systemLog.path, which also works without saying so. There is no \
         syslog.";
    LOG_PATH: "Logging", "systemLog.path", &[Flag::value("logpath", "FILE")],
        Kind::Text, "", mongod,
        "File to log to instead of standard error.";
    LOG_APPEND: "Logging", "systemLog.logAppend", &[Flag::switch("logappend")],
        Kind::Switch, "false", mongod,
        "Append to the log file at start instead of emptying it.";
    LOG_FORMAT: "Logging", "systemLog.format", &[Flag::value("logFormat", "FORMAT")],
        Kind::Choice(&["text", "json"]), "text", ours,
        "Format of the log lines; json is that of mongod.";
    VERBOSITY: "Logging", "systemLog.verbosity",
        &[Flag { long: "verbose", short: Some('v'), takes: Takes::Repetitions, help: "" }],
        Kind::Integer { min: 0, max: 5 }, "0", mongod,
        "0 logs what an operator needs, 1 adds details, 2 to 5 add everything. On the command line \
         -v to -vvvvv.";
    QUIET: "Logging", "systemLog.quiet", &[Flag::switch("quiet")],
        Kind::Switch, "false", mongod,
        "Do not log the begin and end of connections.";
    MILVUS_ENABLED: "Milvus", "milvus.enabled", &[Flag::switch("milvus.enabled")],
        Kind::Switch, "false", ours,
        "Serve Milvus' calls about users, roles and privileges by gRPC, on a port of their own.";
    MILVUS_PORT: "Milvus", "milvus.port", &[Flag::value("milvus.port", "PORT")],
        Kind::Integer { min: 0, max: 65_535 }, "19530", ours,
        "TCP port for Milvus clients, on the addresses of net.bindIp; 0 lets the system choose one.";
    MILVUS_PORT_FILE: "Milvus", "milvus.portFile", &[Flag::value("milvus.portFile", "FILE")],
        Kind::Text, "", ours,
        "File to write that port into once the server listens.";
    MILVUS_ROOT_PASSWORD: "Milvus", "milvus.defaultRootPassword",
        &[Flag::value("milvus.defaultRootPassword", "PASSWORD")],
        Kind::Secret, "", ours,
        "First password of Milvus' root. Without it one is made up and printed once, when root is \
         created. Rather in the file than on the command line, which others on the machine can read.";
    MILVUS_DATABASE: "Milvus", "milvus.database", &[Flag::value("milvus.database", "NAME")],
        Kind::Text, "milvus", ours,
        "Database whose users and roles are those of Milvus clients. With another name the server has \
         other ones: nothing is moved.";
    MILVUS_ROOT_BINDS_ROLE: "Milvus", "milvus.rootShouldBindRole",
        &[Flag::switch("milvus.rootShouldBindRole")],
        Kind::Switch, "false", ours,
        "Whether Milvus' root may do only what its roles allow. Where root is made with this on, it is \
         given the role admin.";
    MILVUS_SUPER_USERS: "Milvus", "milvus.superUsers", &[Flag::value("milvus.superUsers", "LIST")],
        Kind::List, "", ours,
        "Milvus users who need not know the old password of a user whose password they may change.";
    MILVUS_SCRAM: "Milvus", "milvus.scramCredentials", &[Flag::switch("milvus.scramCredentials")],
        Kind::Switch, "false", ours,
        "Whether users that Milvus clients create can sign in by SCRAM too, not only by PLAIN.";
    MILVUS_PASSWORD_POLICY: "Milvus", "milvus.passwordPolicy",
        &[Flag::value("milvus.passwordPolicy", "NAME")],
        Kind::Choice(&["length", "strict"]), "length", ours,
        "What new passwords need: only their length, or (strict) also characters of three of the four \
         kinds uppercase, lowercase, digits, others, with 8 to 64 characters unless set otherwise.";
    MILVUS_PASSWORD_MIN: "Milvus", "milvus.minPasswordLength",
        &[Flag::value("milvus.minPasswordLength", "BYTES")],
        Kind::Integer { min: 1, max: 72 }, "6", ours,
        "Shortest new password in bytes, or in characters where the policy is strict.";
    MILVUS_PASSWORD_MAX: "Milvus", "milvus.maxPasswordLength",
        &[Flag::value("milvus.maxPasswordLength", "BYTES")],
        Kind::Integer { min: 1, max: 72 }, "72", ours,
        "Longest new password in bytes, or in characters where the policy is strict.";
    MILVUS_USERNAME_MAX: "Milvus", "milvus.maxUsernameLength",
        &[Flag::value("milvus.maxUsernameLength", "BYTES")],
        Kind::Integer { min: 1, max: 255 }, "32", ours,
        "Longest user name in bytes.";
    MILVUS_NAME_MAX: "Milvus", "milvus.maxNameLength",
        &[Flag::value("milvus.maxNameLength", "BYTES")],
        Kind::Integer { min: 1, max: 255 }, "255", ours,
        "Longest name of a role, an object or a privilege in bytes.";
    MILVUS_USERS_MAX: "Milvus", "milvus.maxUserNum", &[Flag::value("milvus.maxUserNum", "COUNT")],
        Kind::Integer { min: 1, max: 10_000_000 }, "100", ours,
        "Users there may be, root included, when a Milvus client creates one.";
    MILVUS_ROLES_MAX: "Milvus", "milvus.maxRoleNum", &[Flag::value("milvus.maxRoleNum", "COUNT")],
        Kind::Integer { min: 2, max: 10_000_000 }, "10", ours,
        "Roles there may be, admin and public included, when a Milvus client creates one.";
    AUDIT_DESTINATION: "Auditing", "auditLog.destination", &[Flag::value("auditDestination", "KIND")],
        Kind::Choice(&["file", "syslog", "console"]), "", mongod,
        "Where audit events go; without it nothing is audited. 'syslog' and 'console' (standard output) \
         take JSON.";
    AUDIT_FORMAT: "Auditing", "auditLog.format", &[Flag::value("auditFormat", "FORMAT")],
        Kind::Choice(&["JSON", "BSON"]), "JSON", mongod,
        "Format of the events in a file.";
    AUDIT_PATH: "Auditing", "auditLog.path", &[Flag::value("auditPath", "FILE")],
        Kind::Text, "", mongod,
        "The file; needed for the destination 'file'. It is appended to, and opened anew on SIGUSR1.";
    AUDIT_FILTER: "Auditing", "auditLog.filter", &[Flag::value("auditFilter", "JSON")],
        Kind::Text, "", mongod,
        "A filter over the events, such as '{\"atype\": \"authenticate\", \"result\": 18}'; others are not \
         written.";
    AUDIT_ON_FAILURE: "Auditing", "auditLog.onFailure", &[Flag::value("auditOnFailure", "POLICY")],
        Kind::Choice(&["refuse", "continue"]), "refuse", ours,
        "What becomes of changes and sign-ins whose event cannot be written: 'refuse' refuses them, \
         'continue' lets them happen without an event.";
    AUDIT_SYNC: "Auditing", "auditLog.sync", &[Flag::switch("auditSync")],
        Kind::Switch, "false", ours,
        "Whether an event in a file counts as written only once it is on the disk. Without it an event \
         outlives the process, but not a power cut.";
    SET_PARAMETER: "Parameters", "setParameter",
        &[Flag { long: "setParameter", short: None, takes: Takes::Values("NAME=VALUE"), help: "" }],
        Kind::Parameters, "", mongod,
        "Sets a server parameter; may be repeated. In the file a mapping of names to values.";
}

/// The option at `path` of the configuration file.
pub(super) fn option_at(path: &str) -> Option<&'static OptionSpec> {
    file_options().find(|option| option.yaml == path)
}

/// The options a file can hold: all but the file's own name.
pub(super) fn file_options() -> impl Iterator<Item = &'static OptionSpec> {
    let config = CONFIG.yaml;
    OPTIONS
        .iter()
        .copied()
        .filter(move |option| option.yaml != config)
}

/// Whether `path` is a mapping that holds options, such as `net`.
pub(super) fn is_section(path: &str) -> bool {
    file_options().any(|option| is_below(option.yaml, path))
}

/// Whether mongod knows this flag and Portcullis does not.
pub(super) fn is_mongod_only_flag(long: &str) -> bool {
    let families = ["ssl", "ldap", "wiredTiger", "kmip"];
    MONGOD_ONLY_FLAGS.contains(&long) || families.iter().any(|family| long.starts_with(family))
}

/// Whether mongod knows this path of the configuration file and Portcullis does not.
pub(super) fn is_mongod_only_path(path: &str) -> bool {
    MONGOD_ONLY_PATHS
        .iter()
        .any(|known| path == *known || is_below(path, known))
}

fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}
