//! Names of databases, users and roles.
//!
//! Each type exists only if its name is valid, so nothing below parsing checks again. Texts up to 24
//! bytes are kept inline: a million users cost no million small allocations.

use std::fmt;

use compact_str::CompactString;

/// Bytes a database name may have (MongoDB manual, "Restrictions on Database Names").
const DB_NAME_BYTES_MAX: usize = 63;

/// Why a name is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Empty, too long, or with a character that no database name may have.
    #[error("invalid database name '{0}'")]
    Database(String),
    /// A user name with a NUL byte.
    #[error("a user name cannot contain NUL characters")]
    UserNul,
    /// An empty user name.
    #[error("a user name cannot be empty")]
    UserEmpty,
    /// An empty role name.
    #[error("a role name cannot be empty")]
    RoleEmpty,
}

/// A valid database name, `$external` included.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbName(CompactString);

impl DbName {
    /// The database that holds the users and roles of the whole deployment.
    pub const ADMIN: Self = Self(CompactString::const_new("admin"));
    /// The database of users whose credentials are kept elsewhere.
    pub const EXTERNAL: Self = Self(CompactString::const_new("$external"));
    /// The database of the users and roles that Milvus clients see.
    pub const MILVUS: Self = Self(CompactString::const_new("milvus"));

    /// 1 to 63 bytes without `/`, `\`, `.`, space, `"`, `$` and NUL; `$external` is the exception.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        let forbidden = |byte: u8| matches!(byte, b'/' | b'\\' | b'.' | b' ' | b'"' | b'$' | 0);
        let valid = name == "$external"
            || (!name.is_empty()
                && name.len() <= DB_NAME_BYTES_MAX
                && !name.bytes().any(forbidden));
        if valid {
            Ok(Self(CompactString::new(name)))
        } else {
            Err(InvalidName::Database(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `admin`, where roles may reach every database.
    pub fn is_admin(&self) -> bool {
        self.0 == "admin"
    }

    /// Whether this is `$external`, where users have no credentials of their own.
    pub fn is_external(&self) -> bool {
        self.0 == "$external"
    }

    /// Whether this is `local`, which holds no users and no roles.
    pub fn is_local(&self) -> bool {
        self.0 == "local"
    }

    /// Whether this is `milvus`, whose roles can hold grants of Milvus.
    pub fn is_milvus(&self) -> bool {
        self.0 == "milvus"
    }

    /// Whether this is `config`.
    pub fn is_config(&self) -> bool {
        self.0 == "config"
    }
}

impl fmt::Display for DbName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for DbName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

/// A user: its name on the database that authenticates it. Prints as `name@db`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName {
    user: CompactString,
    db: DbName,
}

impl UserName {
    /// Any non-empty text without NUL is a user's name; it is never normalised.
    pub fn new(user: &str, db: DbName) -> Result<Self, InvalidName> {
        if user.is_empty() {
            return Err(InvalidName::UserEmpty);
        }
        if user.contains('\0') {
            return Err(InvalidName::UserNul);
        }
        Ok(Self {
            user: CompactString::new(user),
            db,
        })
    }

    /// The name without its database.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database that authenticates the user.
    pub fn db(&self) -> &DbName {
        &self.db
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.user, self.db)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// A role: its name on the database that defines it. Prints as `name@db`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName {
    role: CompactString,
    db: DbName,
}

impl RoleName {
    /// Any non-empty text is a role's name.
    pub fn new(role: &str, db: DbName) -> Result<Self, InvalidName> {
        if role.is_empty() {
            return Err(InvalidName::RoleEmpty);
        }
        Ok(Self {
            role: CompactString::new(role),
            db,
        })
    }

    /// The name without its database.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The database that defines the role.
    pub fn db(&self) -> &DbName {
        &self.db
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.role, self.db)
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_follow_the_manual() {
        for good in ["admin", "products", "$external", "a-b_c", "\u{e9}t\u{e9}"] {
            assert_eq!(DbName::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(64);
        for bad in [
            "",
            "a.b",
            "a b",
            "a$b",
            "a/b",
            "a\\b",
            "a\"b",
            "a\0b",
            long.as_str(),
        ] {
            assert_eq!(
                DbName::parse(bad),
                Err(InvalidName::Database(bad.to_owned()))
            );
        }
    }

    #[test]
    fn users_and_roles_print_with_their_database() {
        let user = UserName::new("ann", DbName::ADMIN).unwrap();
        assert_eq!(user.to_string(), "ann@admin");
        let role = RoleName::new("read", DbName::parse("products").unwrap()).unwrap();
        assert_eq!(role.to_string(), "read@products");
    }

    #[test]
    fn empty_and_nul_names_are_none() {
        assert_eq!(
            UserName::new("", DbName::ADMIN),
            Err(InvalidName::UserEmpty)
        );
        assert_eq!(
            UserName::new("a\0b", DbName::ADMIN),
            Err(InvalidName::UserNul)
        );
        assert_eq!(
            RoleName::new("", DbName::ADMIN),
            Err(InvalidName::RoleEmpty)
        );
    }
}
