//! What is kept of a password that arrives in clear: an Argon2id hash (RFC 9106).

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params, Version};
use zeroize::Zeroize;

/// Memory that a hash made here takes at the least, in KiB.
pub const ARGON2_MEMORY_KIB_MIN: u32 = 7168;
/// Memory one hash may take, in KiB: 1 GiB.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Passes over that memory.
pub const ARGON2_ITERATIONS_MAX: u32 = 100;
/// Lanes of that memory.
pub const ARGON2_PARALLELISM_MAX: u32 = 16;
/// A PHC string in bytes; those made here have about 100.
const PHC_BYTES_MAX: usize = 256;

/// An Argon2id hash with salt and cost, as a PHC string. Wiped on drop.
///
/// Exists only if it can be checked against at a bearable cost, wherever it was read from.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainCredential(Box<str>);

/// Why a text is no [`PlainCredential`]. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlainCredential {
    /// Not a whole PHC string.
    #[error("it is no PHC string with salt and hash")]
    Malformed,
    /// Another function than Argon2id of version 19.
    #[error("it is not Argon2id of version 19")]
    OtherAlgorithm,
    /// Checking a password against it would take too much.
    #[error("its cost is beyond the limits")]
    Cost,
}

impl PlainCredential {
    /// Takes `$argon2id$v=19$m=...,t=...,p=...$<salt>$<hash>` with a cost within the limits above.
    pub fn parse(phc: &str) -> Result<Self, InvalidPlainCredential> {
        if phc.len() > PHC_BYTES_MAX {
            return Err(InvalidPlainCredential::Malformed);
        }
        let hash = PasswordHash::new(phc).map_err(|_| InvalidPlainCredential::Malformed)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidPlainCredential::Malformed);
        }
        let version = hash
            .version
            .and_then(|number| Version::try_from(number).ok());
        let is_argon2id = Algorithm::try_from(hash.algorithm.as_str()) == Ok(Algorithm::Argon2id);
        if !is_argon2id || version != Some(Version::V0x13) {
            return Err(InvalidPlainCredential::OtherAlgorithm);
        }
        let cost = Params::try_from(&hash).map_err(|_| InvalidPlainCredential::Malformed)?;
        let is_bearable = cost.m_cost() <= ARGON2_MEMORY_KIB_MAX
            && cost.t_cost() <= ARGON2_ITERATIONS_MAX
            && cost.p_cost() <= ARGON2_PARALLELISM_MAX;
        if !is_bearable {
            return Err(InvalidPlainCredential::Cost);
        }
        Ok(Self(phc.into()))
    }

    /// Whether a check against it takes no more memory, and no more time, than one that makes so many
    /// passes over so many KiB.
    pub fn costs_at_most(&self, memory_kib: u32, iterations: u32) -> bool {
        let work = |memory: u32, passes: u32| u64::from(memory) * u64::from(passes);
        self.cost().is_some_and(|cost| {
            cost.m_cost() <= memory_kib
                && work(cost.m_cost(), cost.t_cost()) <= work(memory_kib, iterations)
        })
    }

    /// Whether a check against it takes so many KiB.
    pub fn takes_at_least(&self, memory_kib: u32) -> bool {
        self.cost().is_some_and(|cost| cost.m_cost() >= memory_kib)
    }

    fn cost(&self) -> Option<Params> {
        let parsed = PasswordHash::new(&self.0).ok()?;
        Params::try_from(&parsed).ok()
    }

    /// The PHC string.
    pub fn phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

impl Drop for PlainCredential {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "$argon2id$v=19$m=7168,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA\
                        $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_whole_argon2id_string_is_taken_as_it_is() {
        let credential = PlainCredential::parse(GOOD).unwrap();
        assert_eq!(credential.phc(), GOOD);
        assert_eq!(format!("{credential:?}"), "<redacted>");
    }

    #[test]
    fn a_cost_is_memory_and_memory_times_passes() {
        let credential = PlainCredential::parse(&GOOD.replace("t=1", "t=3")).unwrap();
        for (memory_kib, iterations, is_enough) in [
            (7168, 3, true),
            (10_752, 2, true),
            (7167, 100, false),
            (7168, 2, false),
            (10_751, 2, false),
            (u32::MAX, u32::MAX, true),
        ] {
            let found = credential.costs_at_most(memory_kib, iterations);
            assert_eq!(found, is_enough, "{memory_kib} {iterations}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use InvalidPlainCredential::{Cost, Malformed, OtherAlgorithm};
        let long = format!("{GOOD}{}", "A".repeat(PHC_BYTES_MAX));
        let cases = [
            ("", Malformed),
            ("secret", Malformed),
            (&GOOD[..GOOD.len() - 44], Malformed),
            ("$argon2id$v=19$m=7168,t=1,p=1", Malformed),
            (&long, Malformed),
            (&GOOD.replace("argon2id", "argon2i"), OtherAlgorithm),
            (&GOOD.replace("argon2id", "scrypt"), OtherAlgorithm),
            (&GOOD.replace("v=19", "v=16"), OtherAlgorithm),
            (&GOOD.replace("$v=19", ""), OtherAlgorithm),
            (&GOOD.replace("m=7168", "m=1048577"), Cost),
            (&GOOD.replace("t=1", "t=101"), Cost),
            (&GOOD.replace("p=1", "p=17"), Cost),
            (&GOOD.replace("m=7168", "m=1"), Malformed),
        ];
        for (text, expected) in cases {
            assert_eq!(PlainCredential::parse(text), Err(expected), "{text}");
        }
    }
}
