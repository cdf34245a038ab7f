//! Whether those members that have a write are enough of them.

use std::collections::{BTreeMap, BTreeSet};

use super::miss::WriteConcernError;
use super::{Acknowledgement, tags_document};
use crate::authz::redact::command_text;
use crate::cluster::{Member, ReplicaSetConfig};
use crate::error::{CommandError, ErrorCode};

/// Whether `w` is met by the members `having` the write, by their `_id`.
///
/// # Errors
/// If not even all members together could meet it: 79 for a mode nobody knows, 100 for too many
/// members or values, 4 for a tag that no member has.
pub(super) fn is_met(
    w: &Acknowledgement,
    config: &ReplicaSetConfig,
    having: &BTreeSet<i32>,
) -> Result<bool, WriteConcernError> {
    let with_it = || {
        let members = config.members.iter();
        members.filter(|member| having.contains(&member.id))
    };
    match w {
        Acknowledgement::Default | Acknowledgement::Majority => {
            Ok(with_it().count() >= config.majority())
        }
        Acknowledgement::Members(members) => {
            let members = usize::from(*members);
            if members > config.members.len() {
                return Err(unsatisfiable("Not enough data-bearing nodes".into()));
            }
            Ok(with_it().count() >= members)
        }
        Acknowledgement::Mode(mode) => {
            let Some(wanted) = config.modes.get(mode) else {
                return Err(unknown_mode(mode));
            };
            if !have_values(&config.members, wanted) {
                return Err(not_enough_match(mode));
            }
            Ok(have_values(with_it(), wanted))
        }
        Acknowledgement::Tags(wanted) => {
            if let Some(tag) = wanted.keys().find(|tag| !is_known(config, tag)) {
                return Err(unknown_tag(tag));
            }
            if !have_values(&config.members, wanted) {
                let text = command_text(&tags_document(wanted), &[]);
                return Err(not_enough_match(&text));
            }
            Ok(have_values(with_it(), wanted))
        }
    }
}

/// Refuses a mode that the configuration does not name (79); whether it can be met is not asked.
pub fn check_mode(w: &Acknowledgement, config: &ReplicaSetConfig) -> Result<(), CommandError> {
    match w {
        Acknowledgement::Mode(mode) if !config.modes.contains_key(mode) => {
            let unknown = unknown_mode(mode);
            Err(CommandError::new(unknown.code, unknown.message))
        }
        _ => Ok(()),
    }
}

/// Whether these members have so many different values of each tag.
fn have_values<'a>(
    members: impl IntoIterator<Item = &'a Member>,
    wanted: &BTreeMap<String, u32>,
) -> bool {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tag, value) in members.into_iter().flat_map(|member| &member.tags) {
        values.entry(tag).or_default().insert(value);
    }
    wanted.iter().all(|(tag, wanted)| {
        let found = values.get(tag.as_str()).map_or(0, BTreeSet::len);
        u32::try_from(found).is_ok_and(|found| found >= *wanted)
    })
}

fn is_known(config: &ReplicaSetConfig, tag: &str) -> bool {
    let mut members = config.members.iter();
    members.any(|member| member.tags.contains_key(tag))
}

fn unsatisfiable(message: String) -> WriteConcernError {
    WriteConcernError::new(ErrorCode::UNSATISFIABLE_WRITE_CONCERN, message)
}

fn not_enough_match(mode: &str) -> WriteConcernError {
    unsatisfiable(format!(
        "Not enough nodes match write concern mode \"{mode}\""
    ))
}

fn unknown_mode(mode: &str) -> WriteConcernError {
    WriteConcernError::new(
        ErrorCode::UNKNOWN_REPL_WRITE_CONCERN,
        format!("No write concern mode named '{mode}' found in replica set configuration"),
    )
}

fn unknown_tag(tag: &str) -> WriteConcernError {
    WriteConcernError::new(
        ErrorCode::NO_SUCH_KEY,
        format!("No replica set tag key {tag} in config"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostAndPort;

    /// Five members on two sites in four racks; the last has no tags.
    fn config() -> ReplicaSetConfig {
        let mut config = ReplicaSetConfig::new("rs");
        let tags = [
            &[("dc", "east"), ("rack", "1")][..],
            &[("dc", "east"), ("rack", "2")],
            &[("dc", "west"), ("rack", "3")],
            &[("dc", "west"), ("rack", "3")],
            &[],
        ];
        for (id, tags) in (0..).zip(tags) {
            config.members.push(Member {
                id,
                host: HostAndPort::parse(&format!("127.0.0.1:{}", 27017 + id)).unwrap(),
                priority: 1.0,
                tags: tags
                    .iter()
                    .map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned()))
                    .collect(),
            });
        }
        let mode = |wanted: &[(&str, u32)]| {
            let wanted = wanted.iter();
            wanted
                .map(|(tag, values)| ((*tag).to_owned(), *values))
                .collect()
        };
        config.modes = BTreeMap::from([
            ("bothSites".into(), mode(&[("dc", 2)])),
            ("twoRacksOfTwoSites".into(), mode(&[("dc", 2), ("rack", 3)])),
            ("threeSites".into(), mode(&[("dc", 3)])),
        ]);
        config
    }

    fn met(w: &Acknowledgement, having: &[i32]) -> Result<bool, (i32, String)> {
        let having = having.iter().copied().collect();
        is_met(w, &config(), &having).map_err(|miss| (miss.code.0, miss.message))
    }

    fn tags(wanted: &[(&str, u32)]) -> Acknowledgement {
        let wanted = wanted.iter();
        Acknowledgement::Tags(wanted.map(|(tag, n)| ((*tag).to_owned(), *n)).collect())
    }

    #[test]
    fn members_are_counted() {
        assert_eq!(met(&Acknowledgement::Majority, &[0, 1]), Ok(false));
        assert_eq!(met(&Acknowledgement::Majority, &[0, 1, 4]), Ok(true));
        assert_eq!(met(&Acknowledgement::Members(2), &[3]), Ok(false));
        assert_eq!(met(&Acknowledgement::Members(2), &[3, 4]), Ok(true));
        assert_eq!(met(&Acknowledgement::Members(0), &[]), Ok(true));
        assert_eq!(met(&Acknowledgement::Members(5), &[0, 1, 2, 3]), Ok(false));
        let text = "Not enough data-bearing nodes";
        let all = [0, 1, 2, 3, 4];
        let six = met(&Acknowledgement::Members(6), &all);
        assert_eq!(six, Err((100, text.into())));
    }

    #[test]
    fn who_is_not_in_the_configuration_does_not_count() {
        assert_eq!(met(&Acknowledgement::Majority, &[0, 1, 7]), Ok(false));
        assert_eq!(met(&Acknowledgement::Members(2), &[0, 9]), Ok(false));
    }

    #[test]
    fn different_values_of_a_tag_are_counted() {
        let both_sites = tags(&[("dc", 2)]);
        assert_eq!(met(&both_sites, &[0, 1, 4]), Ok(false));
        assert_eq!(met(&both_sites, &[1, 2]), Ok(true));
        let racks = tags(&[("dc", 2), ("rack", 3)]);
        assert_eq!(met(&racks, &[0, 2, 3]), Ok(false));
        assert_eq!(met(&racks, &[0, 1, 3]), Ok(true));
        assert_eq!(met(&tags(&[("dc", 0)]), &[]), Ok(true));
    }

    #[test]
    fn modes_are_tags_with_a_name() {
        let mode = |name: &str| Acknowledgement::Mode(name.into());
        assert_eq!(met(&mode("bothSites"), &[0, 1]), Ok(false));
        assert_eq!(met(&mode("bothSites"), &[0, 3]), Ok(true));
        assert_eq!(met(&mode("twoRacksOfTwoSites"), &[0, 2]), Ok(false));
        assert_eq!(met(&mode("twoRacksOfTwoSites"), &[0, 1, 2]), Ok(true));
    }

    #[test]
    fn what_can_never_be_met_is_told() {
        let all = [0, 1, 2, 3, 4];
        let mode = |name: &str| Acknowledgement::Mode(name.into());
        let text = "Not enough nodes match write concern mode \"threeSites\"";
        assert_eq!(met(&mode("threeSites"), &all), Err((100, text.into())));
        let text = "No write concern mode named 'Majority' found in replica set configuration";
        assert_eq!(met(&mode("Majority"), &all), Err((79, text.into())));
        let text = "No write concern mode named '' found in replica set configuration";
        assert_eq!(met(&mode(""), &all), Err((79, text.into())));
        let text = "Not enough nodes match write concern mode \"{ dc: 3 }\"";
        assert_eq!(met(&tags(&[("dc", 3)]), &all), Err((100, text.into())));
        let text = "No replica set tag key floor in config";
        assert_eq!(met(&tags(&[("floor", 1)]), &all), Err((4, text.into())));
    }
}
