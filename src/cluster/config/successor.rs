//! What may become the configuration of a set, and what may follow which: the rules of mongod's
//! reconfiguration and their texts (manual, "Replica Set Configuration").

use std::collections::BTreeMap;

use super::{InvalidConfig, Member, ReplicaSetConfig};

/// Most members of a set, as in MongoDB.
const MEMBERS_MAX: usize = 50;
/// Most named modes.
const MODES_MAX: usize = 64;
/// Most tags of a member or of a mode.
const TAGS_MAX: usize = 64;
/// Largest configuration as a document, in bytes: etcd takes requests of 1.5 MiB by default.
const CONFIG_BYTES_MAX: usize = 1024 * 1024;

impl ReplicaSetConfig {
    /// Refuses a configuration that no set can have, or that cannot come after `present`.
    pub fn check_follows(&self, present: &Self) -> Result<(), InvalidConfig> {
        self.check_size()?;
        self.check_members()?;
        if self.version <= present.version {
            return refuse(format!(
                "New replica set configuration version and term must be greater than old, but \
                 {{version: {}, term: {}}} is not greater than {{version: {}, term: {}}}",
                self.version, self.term, present.version, present.term
            ));
        }
        if self.name != present.name {
            return refuse(format!(
                "New and old configurations differ in replica set name; old was {}, and new is {}",
                present.name, self.name
            ));
        }
        if self.replica_set_id != present.replica_set_id {
            return refuse(format!(
                "New and old configurations differ in replica set ID; old was {}, and new is {}",
                present.replica_set_id, self.replica_set_id
            ));
        }
        for member in &self.members {
            if let Some(before) = present.member(&member.host)
                && before.id != member.id
            {
                return refuse(format!(
                    "New and old configurations both have members with host of {} but in the new \
                     configuration the _id field is MemberId({}) and in the old configuration it \
                     is MemberId({}) for replica set {}",
                    member.host, member.id, before.id, self.name
                ));
            }
        }
        Ok(())
    }

    /// Refuses a mode of write concern that asks for a tag that no member has.
    pub fn check_modes(&self) -> Result<(), InvalidConfig> {
        let is_known = |tag: &String| {
            self.members
                .iter()
                .any(|member| member.tags.contains_key(tag))
        };
        let mut tags = self.modes.values().flat_map(|mode| mode.keys());
        match tags.find(|tag| !is_known(tag)) {
            Some(tag) => refuse(format!("No replica set tag key {tag} in config")),
            None => Ok(()),
        }
    }

    /// Refuses more than can be kept.
    pub(super) fn check_size(&self) -> Result<(), InvalidConfig> {
        if self.members.len() > MEMBERS_MAX {
            return refuse(members_text(self.members.len()));
        }
        if self.modes.len() > MODES_MAX {
            return refuse(format!("more than {MODES_MAX} modes of write concern"));
        }
        let of_members = self.members.iter().map(|member| member.tags.len());
        let mut of_all = of_members.chain(self.modes.values().map(BTreeMap::len));
        if of_all.any(|tags| tags > TAGS_MAX) {
            return refuse(format!("more than {TAGS_MAX} tags of a member or a mode"));
        }
        let bytes = self
            .to_document()
            .to_vec()
            .map_or(usize::MAX, |bytes| bytes.len());
        if bytes > CONFIG_BYTES_MAX {
            return refuse(format!(
                "the configuration has more than {CONFIG_BYTES_MAX} bytes"
            ));
        }
        Ok(())
    }

    fn check_members(&self) -> Result<(), InvalidConfig> {
        if self.members.is_empty() {
            return refuse(members_text(0));
        }
        for (place, member) in self.members.iter().enumerate() {
            let others = self.members.iter().enumerate();
            let mut others = others.filter(|(other, _)| *other != place);
            if let Some((other, field, value)) =
                others.find_map(|(other, twin)| in_common(member, twin).map(|(f, v)| (other, f, v)))
            {
                return refuse(format!(
                    "Found two member configurations with same {field} field, \
                     members.{place}.{field} == members.{other}.{field} == {value}"
                ));
            }
        }
        self.check_hosts()?;
        if !self.members.iter().any(Member::is_electable) {
            let text = "Replica set configuration must contain at least one non-arbiter member with \
                        priority > 0";
            return refuse(text.to_owned());
        }
        Ok(())
    }

    /// What is local to one member is another machine to the others, and to drivers.
    pub(super) fn check_hosts(&self) -> Result<(), InvalidConfig> {
        let count = self.members.len();
        let local = self.members.iter().filter(|member| member.host.is_local());
        let local = local.count();
        if local != 0 && local != count {
            return refuse(format!(
                "Either all host names in a replica set configuration must be localhost references, \
                 or none must be; found {local} out of {count}"
            ));
        }
        Ok(())
    }
}

/// The field that two members have in common and must not, and its value.
fn in_common(member: &Member, twin: &Member) -> Option<(&'static str, String)> {
    if member.id == twin.id {
        Some(("_id", format!("MemberId({})", member.id)))
    } else if member.host == twin.host {
        Some(("host", member.host.to_string()))
    } else {
        None
    }
}

fn members_text(count: usize) -> String {
    format!(
        "Replica set configuration contains {count} members, but must have at least 1 and no more \
         than  {MEMBERS_MAX}"
    )
}

fn refuse(reason: String) -> Result<(), InvalidConfig> {
    Err(InvalidConfig(reason))
}
