//! `milvus`: the face for Milvus clients.

use std::path::PathBuf;

use super::error::ConfigError;
use super::options as option;
use super::options::OptionSpec;
use super::resolve::path;
use super::settings::Settings;
use crate::model::names::DbName;
use crate::secret::Secret;

/// Characters of a password by the strict policy, unless set otherwise.
const STRICT_PASSWORD_CHARACTERS: (usize, usize) = (8, 64);

/// Options that mean nothing where Milvus clients are not served; `milvus.database` does.
const NEED_MILVUS: [&OptionSpec; 13] = [
    &option::MILVUS_PORT,
    &option::MILVUS_PORT_FILE,
    &option::MILVUS_ROOT_PASSWORD,
    &option::MILVUS_ROOT_BINDS_ROLE,
    &option::MILVUS_SUPER_USERS,
    &option::MILVUS_SCRAM,
    &option::MILVUS_PASSWORD_POLICY,
    &option::MILVUS_PASSWORD_MIN,
    &option::MILVUS_PASSWORD_MAX,
    &option::MILVUS_USERNAME_MAX,
    &option::MILVUS_NAME_MAX,
    &option::MILVUS_USERS_MAX,
    &option::MILVUS_ROLES_MAX,
];

/// How Milvus clients are served.
#[derive(Debug)]
pub struct MilvusConfig {
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// File to write the chosen port into.
    pub port_file: Option<PathBuf>,
    /// The first password of root; one is made up where there is none.
    pub default_root_password: Option<Secret<String>>,
    /// Where users and roles of Milvus clients are.
    pub database: DbName,
    /// Whether root may do only what its roles allow.
    pub root_should_bind_role: bool,
    /// Users who need not know a password to change it.
    pub super_users: Vec<String>,
    /// Whether new users can sign in by SCRAM too.
    pub scram_credentials: bool,
    /// What new passwords need beside their length.
    pub password_policy: MilvusPasswordPolicy,
    /// Shortest new password: in bytes, or in characters by the strict policy.
    pub password_length_min: usize,
    /// Longest new password, likewise.
    pub password_length_max: usize,
    /// Longest name of a user in bytes.
    pub username_bytes_max: usize,
    /// Longest name of anything else in bytes.
    pub name_bytes_max: usize,
    /// Users on `milvus`.
    pub users_max: usize,
    /// Roles on `milvus`.
    pub roles_max: usize,
}

/// What new passwords need beside their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MilvusPasswordPolicy {
    /// Nothing, as in Milvus.
    Length,
    /// Three of the four kinds of characters, as in Zilliz Cloud.
    Strict,
}

/// `None` unless it was asked for.
pub(super) fn config(settings: &Settings) -> Result<Option<MilvusConfig>, ConfigError> {
    if !settings.switch(&option::MILVUS_ENABLED)? {
        // Who says that they are off may keep the rest for later.
        if settings.explicit(&option::MILVUS_ENABLED).is_none() {
            settings.refuse_explicit(&NEED_MILVUS, "milvus.enabled beside it")?;
        }
        return Ok(None);
    }
    let port = settings.integer(&option::MILVUS_PORT)?;
    let password_policy = settings.choice(&option::MILVUS_PASSWORD_POLICY, |word| match word {
        "length" => Some(MilvusPasswordPolicy::Length),
        "strict" => Some(MilvusPasswordPolicy::Strict),
        _ => None,
    })?;
    let strict =
        (password_policy == MilvusPasswordPolicy::Strict).then_some(STRICT_PASSWORD_CHARACTERS);
    let shortest = (&option::MILVUS_PASSWORD_MIN, strict.map(|range| range.0));
    let longest = (&option::MILVUS_PASSWORD_MAX, strict.map(|range| range.1));
    let (password_length_min, password_length_max) =
        (length(settings, shortest)?, length(settings, longest)?);
    if password_length_min > password_length_max {
        let setting = settings.setting(&option::MILVUS_PASSWORD_MIN);
        return Err(setting.refuse(format!(
            "at most {password_length_max}, the longest password"
        )));
    }
    Ok(Some(MilvusConfig {
        port: u16::try_from(port).map_err(|_| {
            let expected = option::MILVUS_PORT.kind.expectation();
            settings.setting(&option::MILVUS_PORT).refuse(expected)
        })?,
        port_file: path(settings, &option::MILVUS_PORT_FILE)?,
        default_root_password: settings
            .text(&option::MILVUS_ROOT_PASSWORD)?
            .map(Secret::new),
        database: database(settings)?,
        root_should_bind_role: settings.switch(&option::MILVUS_ROOT_BINDS_ROLE)?,
        super_users: super_users(settings),
        scram_credentials: settings.switch(&option::MILVUS_SCRAM)?,
        password_policy,
        password_length_min,
        password_length_max,
        username_bytes_max: settings.integer(&option::MILVUS_USERNAME_MAX)? as usize,
        name_bytes_max: settings.integer(&option::MILVUS_NAME_MAX)? as usize,
        users_max: settings.integer(&option::MILVUS_USERS_MAX)? as usize,
        roles_max: settings.integer(&option::MILVUS_ROLES_MAX)? as usize,
    }))
}

/// Where users and roles of Milvus clients are, also while these are not served. Databases that mean
/// something of their own to the other face are none.
pub(super) fn database(settings: &Settings) -> Result<DbName, ConfigError> {
    let setting = settings.setting(&option::MILVUS_DATABASE);
    let is_free =
        |db: &DbName| !(db.is_admin() || db.is_external() || db.is_local() || db.is_config());
    let db = DbName::parse(&setting.text).ok().filter(is_free);
    db.ok_or_else(|| {
        setting.refuse("the name of a database other than admin, config, local and $external")
    })
}

fn super_users(settings: &Settings) -> Vec<String> {
    let setting = settings.explicit(&option::MILVUS_SUPER_USERS);
    let names = setting.iter().flat_map(|setting| setting.text.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

/// As set, else what the policy says, else the default.
fn length(
    settings: &Settings,
    (option, of_policy): (&'static OptionSpec, Option<usize>),
) -> Result<usize, ConfigError> {
    match of_policy {
        Some(length) if settings.explicit(option).is_none() => Ok(length),
        _ => Ok(settings.integer(option)? as usize),
    }
}
