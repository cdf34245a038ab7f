//! The configuration of the set: who belongs to it, with which tags, and which modes of write concern
//! have names. Kept in etcd as the document that `replSetGetConfig` shows (manual, "Replica Set
//! Configuration").

mod successor;

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use crate::config::HostAndPort;

/// Why a document is no configuration. The text is for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);

/// A member of the set.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its number for life.
    pub id: i32,
    /// Where it is found.
    pub host: HostAndPort,
    /// 0 keeps it from becoming primary.
    pub priority: f64,
    /// Where it is, for tagged write concerns and read preferences.
    pub tags: BTreeMap<String, String>,
}

/// Who belongs to the set. The version grows with each change.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaSetConfig {
    /// The name of the set.
    pub name: Arc<str>,
    /// `setVersion`.
    pub version: i32,
    /// The term it was made in.
    pub term: i64,
    /// Everybody, whether there or not, by `_id`.
    pub members: Vec<Member>,
    /// Named modes: for each tag, with how many different values of it members must have the write.
    pub modes: BTreeMap<String, BTreeMap<String, u32>>,
    /// Tells apart sets of the same name.
    pub replica_set_id: ObjectId,
}

impl Eq for ReplicaSetConfig {}

impl ReplicaSetConfig {
    /// A set that nobody has joined yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            version: 1,
            term: 0,
            members: Vec::new(),
            modes: BTreeMap::new(),
            replica_set_id: ObjectId::new(),
        }
    }

    /// How many members are a majority.
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// The configuration with `host` in it, or `None` if it is there already with these tags.
    pub fn joined_by(
        &self,
        host: &HostAndPort,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, InvalidConfig> {
        let mut config = self.clone();
        match config
            .members
            .iter_mut()
            .find(|member| member.host == *host)
        {
            // Tags given by `replSetReconfig` stay where the member itself names none.
            Some(member) if tags.is_empty() || member.tags == *tags => return Ok(None),
            Some(member) => member.tags = tags.clone(),
            None => {
                config.members.push(Member {
                    id: self.free_id()?,
                    host: host.clone(),
                    priority: 1.0,
                    tags: tags.clone(),
                });
                config.check_hosts()?;
            }
        }
        config.version = config.version.saturating_add(1);
        config.check_size()?;
        Ok(Some(config))
    }

    /// A number for one more member: above all others, so that it was nobody's lately.
    fn free_id(&self) -> Result<i32, InvalidConfig> {
        let is_taken = |id: i32| self.members.iter().any(|member| member.id == id);
        let last = self.members.iter().map(|member| member.id).max();
        last.map_or(Some(0), |last| last.checked_add(1))
            .or_else(|| (0..i32::MAX).find(|id| !is_taken(*id)))
            .ok_or_else(|| InvalidConfig("every members._id is taken".into()))
    }

    /// The member of that `host:port`.
    pub fn member(&self, host: &str) -> Option<&Member> {
        self.members.iter().find(|member| *member.host == *host)
    }

    /// As `replSetGetConfig` shows it.
    pub fn to_document(&self) -> Document {
        let members: Vec<Bson> = self.members.iter().map(member_document).collect();
        let modes: Document = self.modes.iter().map(mode_entry).collect();
        doc! {
            "_id": &*self.name,
            "version": self.version,
            "term": self.term,
            "members": members,
            "protocolVersion": 1_i64,
            "writeConcernMajorityJournalDefault": true,
            "settings": {
                "chainingAllowed": true,
                "heartbeatIntervalMillis": 2000,
                "heartbeatTimeoutSecs": 10,
                "electionTimeoutMillis": 10000,
                "catchUpTimeoutMillis": -1,
                "catchUpTakeoverDelayMillis": 30000,
                "getLastErrorModes": modes,
                "getLastErrorDefaults": { "w": 1, "wtimeout": 0 },
                "replicaSetId": self.replica_set_id,
            },
        }
    }

    /// Reads what [`Self::to_document`] has written.
    pub fn parse(document: &Document) -> Result<Self, InvalidConfig> {
        let nothing = Document::new();
        let settings = sub_document(document, "settings")?.unwrap_or(&nothing);
        let replica_set_id = match settings.get("replicaSetId") {
            Some(Bson::ObjectId(id)) => *id,
            // The same each time it is read: members compare what they have with what was.
            None => ObjectId::from_bytes([0; 12]),
            Some(_) => {
                let text = "settings.replicaSetId must be an object id";
                return Err(InvalidConfig(text.to_owned()));
            }
        };
        Ok(Self {
            name: text(document, "_id")?.into(),
            version: whole_number(document, "version")?,
            term: i64::from(whole_number(document, "term").unwrap_or_default()),
            members: array(document, "members")?
                .iter()
                .map(parse_member)
                .collect::<Result<_, _>>()?,
            modes: parse_modes(sub_document(settings, "getLastErrorModes")?)?,
            replica_set_id,
        })
    }
}

impl Member {
    /// Whether it may become primary.
    pub fn is_electable(&self) -> bool {
        self.priority > 0.0
    }
}

fn member_document(member: &Member) -> Bson {
    let tags: Document = member
        .tags
        .iter()
        .map(|(tag, value)| (tag.clone(), Bson::from(value.as_str())))
        .collect();
    Bson::Document(doc! {
        "_id": member.id,
        "host": &*member.host,
        "arbiterOnly": false,
        "buildIndexes": true,
        "hidden": false,
        "priority": member.priority,
        "tags": tags,
        "secondaryDelaySecs": 0_i64,
        "votes": 1,
    })
}

fn mode_entry((name, mode): (&String, &BTreeMap<String, u32>)) -> (String, Bson) {
    let tags: Document = mode
        .iter()
        .map(|(tag, values)| (tag.clone(), Bson::Int64(i64::from(*values))))
        .collect();
    (name.clone(), Bson::Document(tags))
}

fn parse_member(member: &Bson) -> Result<Member, InvalidConfig> {
    let Bson::Document(member) = member else {
        return Err(InvalidConfig("a member must be an object".into()));
    };
    let host = text(member, "host")?;
    let host = HostAndPort::parse(host).map_err(|error| InvalidConfig(error.to_string()))?;
    let priority = match member.get("priority") {
        None => 1.0,
        Some(value) => number(value)
            .filter(|priority| (0.0..=1000.0).contains(priority))
            .ok_or_else(|| InvalidConfig("members.priority must be from 0 to 1000".into()))?,
    };
    let mut tags = BTreeMap::new();
    for (tag, value) in sub_document(member, "tags")?.into_iter().flatten() {
        let Bson::String(value) = value else {
            return Err(InvalidConfig(format!("tags.{tag} must be a string")));
        };
        tags.insert(tag.clone(), value.clone());
    }
    Ok(Member {
        id: whole_number(member, "_id")?,
        host,
        priority,
        tags,
    })
}

fn parse_modes(
    modes: Option<&Document>,
) -> Result<BTreeMap<String, BTreeMap<String, u32>>, InvalidConfig> {
    let mut parsed = BTreeMap::new();
    for (name, mode) in modes.into_iter().flatten() {
        let wrong = || {
            InvalidConfig(format!(
                "settings.getLastErrorModes.{name} must map tags to numbers above 0"
            ))
        };
        let Bson::Document(mode) = mode else {
            return Err(wrong());
        };
        let mut tags = BTreeMap::new();
        for (tag, values) in mode {
            let values = number(values).filter(|values| (1.0..=2_147_483_647.0).contains(values));
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // just checked
            tags.insert(tag.clone(), values.ok_or_else(wrong)? as u32);
        }
        parsed.insert(name.clone(), tags);
    }
    Ok(parsed)
}

/// The document that is the value of a field, unless that is left out.
fn sub_document<'a>(
    document: &'a Document,
    field: &str,
) -> Result<Option<&'a Document>, InvalidConfig> {
    match document.get(field) {
        None => Ok(None),
        Some(Bson::Document(value)) => Ok(Some(value)),
        Some(_) => Err(InvalidConfig(format!("{field} must be an object"))),
    }
}

fn text<'a>(document: &'a Document, field: &str) -> Result<&'a str, InvalidConfig> {
    document
        .get_str(field)
        .map_err(|_| InvalidConfig(format!("{field} must be a string")))
}

fn array<'a>(document: &'a Document, field: &str) -> Result<&'a [Bson], InvalidConfig> {
    let array = document.get_array(field);
    array
        .map(Vec::as_slice)
        .map_err(|_| InvalidConfig(format!("{field} must be an array")))
}

fn whole_number(document: &Document, field: &str) -> Result<i32, InvalidConfig> {
    let value = document.get(field).and_then(number);
    let value =
        value.filter(|value| value.fract() == 0.0 && (0.0..=2_147_483_647.0).contains(value));
    #[allow(clippy::cast_possible_truncation)] // just checked
    value
        .map(|value| value as i32)
        .ok_or_else(|| InvalidConfig(format!("{field} must be a whole number from 0")))
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(value) => Some(f64::from(*value)),
        #[allow(clippy::cast_precision_loss)] // only small ones are accepted
        Bson::Int64(value) => Some(*value as f64),
        Bson::Double(value) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(config: &ReplicaSetConfig, host: &str) -> ReplicaSetConfig {
        let host = HostAndPort::parse(host).unwrap();
        config.joined_by(&host, &BTreeMap::new()).unwrap().unwrap()
    }

    /// Else a member would take what it followed for another past.
    #[test]
    fn a_document_is_the_same_configuration_each_time_it_is_read() {
        let mut document = joined(&ReplicaSetConfig::new("rs0"), "a:1").to_document();
        let parsed = || ReplicaSetConfig::parse(&document);
        assert_eq!(parsed().unwrap(), parsed().unwrap());
        let settings = document.get_document_mut("settings").unwrap();
        settings.remove("replicaSetId");
        let parsed = || ReplicaSetConfig::parse(&document);
        assert_eq!(parsed().unwrap(), parsed().unwrap());
        let settings = document.get_document_mut("settings").unwrap();
        settings.insert("replicaSetId", "x");
        assert!(ReplicaSetConfig::parse(&document).is_err());
    }

    #[test]
    fn who_joins_gets_an_id_of_its_own() {
        let mut config = joined(&ReplicaSetConfig::new("rs0"), "a:1");
        config = joined(&config, "b:1");
        config.members[1].id = i32::MAX;
        config = joined(&joined(&config, "c:1"), "d:1");
        let ids: Vec<i32> = config.members.iter().map(|member| member.id).collect();
        assert_eq!(ids, [0, i32::MAX, 1, 2]);
        config.members.remove(1);
        config.members.remove(1);
        assert_eq!(joined(&config, "e:1").members[2].id, 3);
    }
}
