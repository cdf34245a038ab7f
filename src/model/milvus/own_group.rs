//! The groups of privileges that administrators make.

use std::collections::HashSet;
use std::sync::Arc;

use compact_str::CompactString;

use super::{Level, built_in_group, object_of};

/// A group that was made by an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeGroup {
    /// Unique, also among the privileges and the built-in groups.
    pub name: CompactString,
    /// Privileges and other groups, sorted, each once. A group among them need not exist any more.
    pub privileges: Box<[CompactString]>,
}

/// All groups that administrators made, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivilegeGroups(Arc<[PrivilegeGroup]>);

impl PrivilegeGroups {
    /// These groups; `None` if they are not sorted by name, or two have one name.
    pub fn new(groups: Vec<PrivilegeGroup>) -> Option<Self> {
        let is_sorted = groups.is_sorted_by(|left, right| left.name < right.name);
        is_sorted.then(|| Self(groups.into()))
    }

    /// All of them.
    pub fn as_slice(&self) -> &[PrivilegeGroup] {
        &self.0
    }

    /// The group of that name.
    pub fn find(&self, name: &str) -> Option<&PrivilegeGroup> {
        let place = self.place(name).ok()?;
        self.0.get(place)
    }

    /// With `group` beside the others, or in the place of the one of its name.
    #[must_use]
    pub fn with(&self, group: PrivilegeGroup) -> Self {
        let mut groups = self.0.to_vec();
        match self.place(&group.name) {
            Ok(place) => {
                groups.splice(place..=place, [group]);
            }
            Err(place) => groups.insert(place, group),
        }
        Self(groups.into())
    }

    /// With `added` beside the others; of those with one name, the first stays.
    #[must_use]
    pub fn with_all(&self, added: Vec<PrivilegeGroup>) -> Self {
        let mut groups = self.0.to_vec();
        groups.extend(added);
        groups.sort_by(|left, right| left.name.cmp(&right.name));
        groups.dedup_by(|later, earlier| later.name == earlier.name);
        Self(groups.into())
    }

    /// Without the group of that name, which is in no other any more either.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let others = self.0.iter().filter(|group| group.name != name);
        let others = others.map(|group| {
            let privileges = group.privileges.iter();
            PrivilegeGroup {
                name: group.name.clone(),
                privileges: privileges
                    .filter(|it| it.as_str() != name)
                    .cloned()
                    .collect(),
            }
        });
        Self(others.collect())
    }

    /// Whether that is a privilege, or a group of either kind.
    pub fn is_name(&self, name: &str) -> bool {
        is_predefined(name) || self.find(name).is_some()
    }

    /// Whether that is a group of either kind.
    pub fn is_group(&self, name: &str) -> bool {
        built_in_group(name).is_some() || self.find(name).is_some()
    }

    /// Whether the group of that name has the privilege, by itself or by a group in it.
    pub fn has(&self, group: &str, privilege: &str) -> bool {
        self.any(group, |name| {
            name == privilege || built_in_group(name).is_some_and(|group| group.has(privilege))
        })
    }

    /// How far a privilege or group of that name reaches; `None` for privileges that are in no
    /// built-in group, and for groups that have none yet.
    pub fn level(&self, name: &str) -> Option<Level> {
        let mut level = None;
        self.any(name, |name| {
            level = built_in_level(name);
            level.is_some()
        });
        level
    }

    /// Whether anything that `name` stands for, itself included, `matches`. Groups in groups are
    /// looked into once, so circles end.
    fn any<'a>(&'a self, name: &'a str, mut matches: impl FnMut(&str) -> bool) -> bool {
        let mut seen = HashSet::from([name]);
        let mut waiting = vec![name];
        while let Some(name) = waiting.pop() {
            if matches(name) {
                return true;
            }
            let included = self.find(name).into_iter().flat_map(|it| &it.privileges);
            waiting.extend(
                included
                    .map(CompactString::as_str)
                    .filter(|it| seen.insert(it)),
            );
        }
        false
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|group| group.name.as_str().cmp(name))
    }
}

/// Whether Milvus brings a privilege or a group of that name along.
pub fn is_predefined(name: &str) -> bool {
    object_of(name).is_some() || built_in_group(name).is_some()
}

/// The level of a built-in group, or of a privilege.
fn built_in_level(name: &str) -> Option<Level> {
    match built_in_group(name) {
        Some(group) => Some(group.level),
        None => privilege_level(name),
    }
}

/// The level of the built-in groups that have the privilege; `None` for groups.
pub fn privilege_level(name: &str) -> Option<Level> {
    // Each of the three has all there is of its level.
    let widest = ["ClusterAdmin", "DatabaseAdmin", "CollectionAdmin"];
    let mut groups = widest.into_iter().filter_map(built_in_group);
    groups
        .find(|group| group.has(name))
        .map(|group| group.level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, privileges: &[&str]) -> PrivilegeGroup {
        PrivilegeGroup {
            name: name.into(),
            privileges: privileges.iter().copied().map(Into::into).collect(),
        }
    }

    fn groups() -> PrivilegeGroups {
        PrivilegeGroups::default()
            .with(group("readers", &["Query", "Search"]))
            .with(group("loop", &["loop", "writers"]))
            .with(group("empty", &[]))
            .with(group(
                "writers",
                &["Insert", "CollectionReadOnly", "loop", "gone"],
            ))
    }

    #[test]
    fn groups_are_kept_sorted_and_replaced_by_name() {
        let names = |groups: &PrivilegeGroups| -> Vec<_> {
            groups
                .as_slice()
                .iter()
                .map(|it| it.name.to_string())
                .collect()
        };
        let groups = groups();
        assert_eq!(names(&groups), ["empty", "loop", "readers", "writers"]);
        let fewer = groups.with(group("readers", &["Query"])).without("loop");
        assert_eq!(names(&fewer), ["empty", "readers", "writers"]);
        let writers = fewer.find("writers").unwrap();
        assert_eq!(
            *writers.privileges,
            ["Insert", "CollectionReadOnly", "gone"]
        );
        assert!(fewer.has("readers", "Query") && !fewer.has("readers", "Search"));
        assert!(PrivilegeGroups::new(groups.as_slice().to_vec()).is_some());
        let added = ["z", "readers", "a"].map(|name| group(name, &[]));
        let more = fewer.with_all(added.into());
        assert_eq!(names(&more), ["a", "empty", "readers", "writers", "z"]);
        assert!(more.has("readers", "Query"));
        let unsorted = vec![group("b", &[]), group("a", &[])];
        assert!(PrivilegeGroups::new(unsorted).is_none());
        assert!(PrivilegeGroups::new(vec![group("a", &[]), group("a", &[])]).is_none());
    }

    #[test]
    fn groups_in_groups_count_and_circles_end() {
        let groups = groups();
        assert!(groups.has("writers", "Insert") && groups.has("writers", "GetLoadState"));
        assert!(groups.has("loop", "Insert") && !groups.has("loop", "FlushAll"));
        assert!(!groups.has("empty", "Insert") && !groups.has("gone", "Insert"));
    }

    #[test]
    fn a_level_is_that_of_what_is_in_it() {
        let groups = groups();
        for (name, level) in [
            ("Query", Some(Level::Collection)),
            ("FlushAll", Some(Level::Cluster)),
            ("ShowCollections", Some(Level::Database)),
            ("DatabaseReadOnly", Some(Level::Database)),
            ("readers", Some(Level::Collection)),
            ("loop", Some(Level::Collection)),
            ("empty", None),
            ("gone", None),
            ("ExportSnapshot", None),
        ] {
            assert_eq!(groups.level(name), level, "{name}");
        }
    }

    #[test]
    fn groups_have_no_level_among_privileges() {
        assert_eq!(privilege_level("FlushAll"), Some(Level::Cluster));
        for name in ["ClusterAdmin", "readers", "ExportSnapshot"] {
            assert_eq!(privilege_level(name), None, "{name}");
        }
    }
}
