//! The mechanisms a client may name.

use std::fmt;

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 7677; the password is prepared by SASLprep.
    ScramSha256,
    /// RFC 5802; the password is MongoDB's MD5 digest.
    ScramSha1,
    /// The certificate of the TLS connection, by the command `authenticate`.
    X509,
    /// RFC 4616; the password itself, prepared by SASLprep.
    Plain,
}

impl Mechanism {
    /// Every mechanism, in the order of preference.
    pub const ALL: [Self; 4] = [Self::ScramSha256, Self::ScramSha1, Self::X509, Self::Plain];
    /// The mechanisms that never send the password, strongest first.
    pub const SCRAMS: [Self; 2] = [Self::ScramSha256, Self::ScramSha1];

    /// The name on the wire and in `credentials`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::X509 => "MONGODB-X509",
            Self::Plain => "PLAIN",
        }
    }

    /// The mechanism called `name`; names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_nothing_else_is_one() {
        for (mechanism, name) in [
            (Mechanism::ScramSha1, "SCRAM-SHA-1"),
            (Mechanism::ScramSha256, "SCRAM-SHA-256"),
            (Mechanism::X509, "MONGODB-X509"),
            (Mechanism::Plain, "PLAIN"),
        ] {
            assert_eq!(mechanism.name(), name);
            assert_eq!(Mechanism::from_name(name), Some(mechanism));
        }
        for other in [
            "",
            "scram-sha-1",
            "SCRAM-SHA-512",
            "SCRAM-SHA-256-PLUS",
            "plain",
        ] {
            assert_eq!(Mechanism::from_name(other), None);
        }
    }

    #[test]
    fn the_strongest_comes_first() {
        assert_eq!(Mechanism::ALL[0], Mechanism::ScramSha256);
        assert_eq!(Mechanism::ALL[..2], Mechanism::SCRAMS);
    }
}
