//! What `replSetReconfig` refuses, in mongod's words where it has some.

use bson::{Bson, Document, doc};

use crate::common::{config, done};
use crate::support::RawClient;
use crate::support::error_of;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};

/// The configuration, of the next version.
fn next(config: &Document) -> Document {
    let mut next = config.clone();
    next.insert("version", config.get_i32("version").unwrap() + 1);
    next
}

fn with(config: &Document, field: &str, value: impl Into<Bson>) -> Document {
    let mut config = next(config);
    config.insert(field, value);
    config
}

fn with_setting(config: &Document, field: &str, value: impl Into<Bson>) -> Document {
    let mut config = next(config);
    let settings = config.get_document_mut("settings").unwrap();
    settings.insert(field, value);
    config
}

fn members(config: &mut Document) -> Vec<&mut Document> {
    let members = config.get_array_mut("members").unwrap().iter_mut();
    members
        .map(|member| member.as_document_mut().unwrap())
        .collect()
}

/// The second member gets another value.
fn with_member(config: &Document, field: &str, value: impl Into<Bson>) -> Document {
    let mut config = next(config);
    members(&mut config)[1].insert(field, value);
    config
}

fn refusal(admin: &mut RawClient, config: &Document) -> (i32, String, String) {
    let reply = admin.run("admin", doc! { "replSetReconfig": config });
    let text = |field: &str| reply.get_str(field).unwrap_or_default().to_owned();
    let code = reply.get_i32("code").unwrap_or_default();
    (code, text("codeName"), text("errmsg"))
}

/// Each configuration is refused with the code, its name and the text; of the text for a member only
/// what follows the member, which is quoted before it.
fn assert_refused(admin: &mut RawClient, code: i32, name: &str, table: &[(Document, &str)]) {
    for (config, expected) in table {
        let (found, found_name, text) = refusal(admin, config);
        let reason = match text.strip_prefix("member: { _id: ") {
            Some(rest) => rest.split_once(" :: caused by :: ").unwrap().1,
            None => &text,
        };
        let found = (found, found_name.as_str(), reason);
        assert_eq!(found, (code, name, *expected), "{text}");
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        tags: vec!["dc:east", "dc:west"],
        ..ReplicaSetOptions::default()
    });
    let mut admin = set.admin(set.primary());
    let present = config(&mut admin);
    let top = |field: &str, value: Bson| with(&present, field, value);
    let modes = |modes: Bson| with_setting(&present, "getLastErrorModes", modes);
    let member = |field: &str, value: Bson| with_member(&present, field, value);
    let table = [
        (
            top("foo", 1.into()),
            "BSON field 'ReplSetConfig.foo' is an unknown field.",
        ),
        (
            top("settings", 5.into()),
            "BSON field 'ReplSetConfig.settings' is the wrong type 'int', expected type 'object'",
        ),
        (
            top("members", 1.into()),
            "BSON field 'ReplSetConfig.members' is the wrong type 'int', expected type 'array'",
        ),
        (
            top("members", vec![5].into()),
            "BSON field 'ReplSetConfig.members.0' is the wrong type 'int', expected type 'object'",
        ),
        (
            top("version", "x".into()),
            "Expected a number, got value of type string for field version",
        ),
        (
            top("version", 7.5.into()),
            "Expected field \"version\" to have a value exactly representable as a 64-bit integer, \
             but found version: 7.5",
        ),
        (
            top("version", 0.into()),
            "BSON field 'version' value must be > 0, actual value '0'",
        ),
        (
            top("version", 2_147_483_648_i64.into()),
            "BSON field 'version' value must be < 2147483648, actual value '2147483648'",
        ),
        (
            top("protocolVersion", 0.into()),
            "BSON field 'protocolVersion' value must be >= 1, actual value '0'",
        ),
        (
            top("protocolVersion", 2.into()),
            "BSON field 'protocolVersion' value must be <= 1, actual value '2'",
        ),
        (
            top("writeConcernMajorityJournalDefault", false.into()),
            "writeConcernMajorityJournalDefault cannot be other than true here",
        ),
        (
            top("_id", "other".into()),
            "Rejecting reconfig where new config set name differs from command line set name, new \
             config set name: other, old config set name: rs0",
        ),
        (
            with_setting(&present, "heartbeatIntervalMillis", 0),
            "BSON field 'heartbeatIntervalMillis' value must be > 0, actual value '0'",
        ),
        (
            with_setting(&present, "electionTimeoutMillis", 5),
            "settings.electionTimeoutMillis cannot be other than 10000 here",
        ),
        (
            with_setting(&present, "replicaSetId", "x"),
            "BSON field 'ReplSetConfig.settings.replicaSetId' is the wrong type 'string', expected \
             type 'objectId'",
        ),
        (
            modes(5.into()),
            "Expected getLastErrorModes to be an Object, it actually had type int",
        ),
        (
            modes(doc! { "two": 5 }.into()),
            "Expected getLastErrorModes.two to be an Object, not int",
        ),
        (
            modes(doc! { "two": { "dc": "x" } }.into()),
            "Expected getLastErrorModes.two.dc to be a number, not string",
        ),
        (
            modes(doc! { "two": { "dc": 0 } }.into()),
            "Value of getLastErrorModes.two.dc must be positive, but found 0",
        ),
        (
            modes(doc! { "two": { "rack": 1 } }.into()),
            "No replica set tag key rack in config",
        ),
        (
            member("tags", doc! { "a": 1 }.into()),
            "tags.a field has non-string value of type int",
        ),
        (
            member("tags", 5.into()),
            "BSON field 'MemberConfig.tags' is the wrong type 'int', expected type 'object'",
        ),
        (
            member("foo", 1.into()),
            "BSON field 'MemberConfig.foo' is an unknown field.",
        ),
        (
            member("host", Bson::Null),
            "BSON field 'MemberConfig.host' is missing but a required field",
        ),
        (
            member("host", 1.into()),
            "BSON field 'MemberConfig.host' is the wrong type 'int', expected type 'string'",
        ),
        (
            member("host", "a b:::".into()),
            "More than one ':' detected. If this is an ipv6 address, it needs to be surrounded by \
             '[' and ']'; a b:::",
        ),
        (
            member("host", "a b:1".into()),
            "No host name and no address parsing HostAndPort from \"a b:1\"",
        ),
        (
            member("host", "127.0.0.1:65536".into()),
            "Port number 65536 out of range parsing HostAndPort from \"127.0.0.1:65536\"",
        ),
        (
            member("host", ":1".into()),
            "Empty host component parsing HostAndPort from \":1\"",
        ),
        (
            member("priority", (-1).into()),
            "BSON field 'priority' value must be >= 0, actual value '-1'",
        ),
        (
            member("priority", 1001.into()),
            "BSON field 'priority' value must be <= 1000, actual value '1001'",
        ),
        (
            member("votes", 2.into()),
            "BSON field 'votes' value must be <= 1, actual value '2'",
        ),
        (
            member("votes", 0.into()),
            "members.votes cannot be other than 1 here",
        ),
        (
            member("hidden", true.into()),
            "members.hidden cannot be other than false here",
        ),
        (
            member("arbiterOnly", true.into()),
            "members.arbiterOnly cannot be other than false here",
        ),
        (
            member("buildIndexes", false.into()),
            "members.buildIndexes cannot be other than true here",
        ),
        (
            member("secondaryDelaySecs", 5.into()),
            "members.secondaryDelaySecs cannot be other than 0 here",
        ),
        (
            member("newlyAdded", true.into()),
            "Cannot provide newlyAdded field to member config during reconfig.",
        ),
    ];
    assert_refused(&mut admin, 93, "InvalidReplicaSetConfig", &table);
    let mut negative = next(&present);
    members(&mut negative)[1].insert("_id", -1);
    let text = refusal(&mut admin, &negative).2;
    assert!(
        text.ends_with("_id field value of -1 is out of range."),
        "{text}"
    );
    assert_eq!(config(&mut admin), present);
}

#[test]
fn what_may_not_follow_the_present_configuration_is_refused() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        tags: vec!["dc:east", "dc:west"],
        ..ReplicaSetOptions::default()
    });
    let primary = set.primary();
    let mut admin = set.admin(primary);
    let named = with_setting(
        &config(&mut admin),
        "getLastErrorModes",
        doc! { "two": { "dc": 2 } },
    );
    done(&mut admin, "admin", doc! { "replSetReconfig": named });
    let default =
        |mode: &str| doc! { "setDefaultRWConcern": 1, "defaultWriteConcern": { "w": mode } };
    let unknown = admin.run("admin", default("tow"));
    let text = "No write concern mode named 'tow' found in replica set configuration";
    assert_eq!(error_of(&unknown), (79, text.to_owned()));
    done(&mut admin, "admin", default("two"));
    let present = config(&mut admin);
    let hosts: Vec<String> = members(&mut present.clone())
        .iter()
        .map(|member| member.get_str("host").unwrap().to_owned())
        .collect();
    let with_hosts = |hosts: [&str; 2]| {
        let mut config = next(&present);
        for (member, host) in members(&mut config).into_iter().zip(hosts) {
            member.insert("host", host);
        }
        config
    };
    let changed = |change: &dyn Fn(&mut Document)| {
        let mut config = next(&present);
        members(&mut config).into_iter().for_each(change);
        config
    };
    let same_host = format!(
        "Found two member configurations with same host field, members.0.host == members.1.host == \
         {}",
        hosts[0]
    );
    let swapped = format!(
        "New and old configurations both have members with host of {} but in the new configuration \
         the _id field is MemberId(1) and in the old configuration it is MemberId(0) for replica \
         set rs0",
        hosts[0]
    );
    let mut nobody = with_setting(&present, "getLastErrorModes", doc! {});
    nobody.insert("members", Vec::<Bson>::new());
    let table = [
        (
            nobody,
            "Replica set configuration contains 0 members, but must have at least 1 and no more \
             than  50",
        ),
        (
            changed(&|member| drop(member.insert("_id", 1))),
            "Found two member configurations with same _id field, members.0._id == members.1._id \
             == MemberId(1)",
        ),
        (with_hosts([&hosts[0], &hosts[0]]), same_host.as_str()),
        (
            changed(&|member| {
                let id = member.get_i32("_id").unwrap();
                member.insert("_id", 1 - id);
            }),
            swapped.as_str(),
        ),
        (
            with_hosts([&hosts[0], "db.example:1"]),
            "Either all host names in a replica set configuration must be localhost references, or \
             none must be; found 1 out of 2",
        ),
        (
            changed(&|member| drop(member.insert("priority", 0))),
            "Replica set configuration must contain at least one non-arbiter member with priority \
             > 0",
        ),
        (
            with_setting(&present, "getLastErrorModes", doc! {}),
            "May not remove custom write concern definition from config while it is in use as the \
             default write concern. Change the default write concern to a non-conflicting setting \
             and try the reconfig again.",
        ),
    ];
    let name = "NewReplicaSetConfigurationIncompatible";
    assert_refused(&mut admin, 103, name, &table);
    let customized = with_setting(&present, "getLastErrorDefaults", doc! { "w": 2 });
    let (code, name, text) = refusal(&mut admin, &customized);
    assert_eq!((code, name.as_str()), (5_624_102, "Location5624102"));
    assert!(text.starts_with("Failed to reconfig: Replica set config contains customized"));
    let unelectable = changed(&|member| {
        if member.get_str("host").unwrap() == set.host(primary) {
            member.insert("priority", 0);
        }
    });
    let (code, name, text) = refusal(&mut admin, &unelectable);
    assert_eq!((code, name.as_str()), (104, "NodeNotElectable"), "{text}");
    let mut without = next(&present);
    let list = without.get_array_mut("members").unwrap();
    list.retain(|member| {
        let member = member.as_document().unwrap();
        member.get_str("host").unwrap() != set.host(primary)
    });
    let (code, name, text) = refusal(&mut admin, &without);
    assert_eq!((code, name.as_str()), (74, "NodeNotFound"), "{text}");
    assert_eq!(config(&mut admin), present);
    // What mongod passes over, and a port that is left out.
    let mut accepted = with_setting(&present, "foo", 1);
    let id = 7;
    let list = accepted.get_array_mut("members").unwrap();
    list.push(doc! { "_id": id, "host": " 127.0.0.9 " }.into());
    done(&mut admin, "admin", doc! { "replSetReconfig": accepted });
    let mut taken = config(&mut admin);
    assert_eq!(
        members(&mut taken)[2].get_str("host").unwrap(),
        "127.0.0.9:27017"
    );
    assert!(!taken.get_document("settings").unwrap().contains_key("foo"));
}
