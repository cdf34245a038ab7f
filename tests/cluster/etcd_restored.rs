//! An older backup is put in the place of etcd while members run.

use bson::doc;
use portcullis::milvus::proto::milvus::{
    CreatePrivilegeGroupRequest, ListPrivilegeGroupsRequest, ListPrivilegeGroupsResponse,
};

use crate::common::{
    DB, acknowledged, admins, create_user, done, from_any, is_down, names, user_names, with_w,
    written,
};
use crate::milvus::{pair_with_short_leases, root_of, root_of_primary};
use crate::milvus_client::Client;
use crate::support::replica_set::{ReplicaSet, SET_NAME};
use crate::support::{RawClient, waiting};

/// Makes a backup of etcd, which is away for that long.
fn back_up(set: &mut ReplicaSet) {
    set.etcd.kill(0);
    set.etcd.back_up(0);
    set.etcd.restart(0);
    set.etcd.wait_until_healthy(0);
}

/// Puts the backup in the place of etcd.
fn restore(set: &mut ReplicaSet) {
    set.etcd.kill(0);
    set.etcd.put_back(0);
    set.etcd.restart(0);
    set.etcd.wait_until_healthy(0);
}

/// The keys of the set that begin with that.
fn keys(set: &ReplicaSet, name: &str) -> String {
    let prefix = format!("/portcullis/{SET_NAME}/{name}");
    let keys = ["get", &prefix, "--prefix", "--keys-only"];
    set.etcd.control(&keys).trim().to_owned()
}

/// No user and no role has changed since the backup, and etcd has come as far as it was once more before
/// anybody watches it again: only who is there, and primary, tells that it is another past.
#[test]
fn a_backup_that_is_older_by_the_coming_and_going_of_members_is_noticed() {
    let mut set = ReplicaSet::three_with_short_leases();
    let mut admin = set.admin(set.primary());
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    back_up(&mut set);
    let nodes = set.primary_and_secondaries();
    let (secondary, host) = (nodes[2], set.host(nodes[2]));
    set.stop(secondary);
    for node in &nodes[..2] {
        let mut admin = set.admin(*node);
        waiting::until("it is noticed", || is_down(&mut admin, &host));
    }
    set.start_node(secondary);
    set.wait_until(secondary, |hello| hello.get_bool("secondary").unwrap());
    (0..3).for_each(|node| set.cut(node));
    let followed = set.etcd.revision();
    restore(&mut set);
    assert!(set.etcd.revision() < followed);
    // The leases are in the backup as well, and nobody renews them.
    waiting::until("the leases have run out", || {
        keys(&set, "primary").is_empty() && keys(&set, "members").is_empty()
    });
    while set.etcd.revision() <= followed {
        set.etcd.control(&["put", "/others/key", "value"]);
    }
    (0..3).for_each(|node| set.heal(node));
    written(&set, with_w(create_user("bob", &["read"]), 3));
    let mut admin = set.admin(set.primary());
    assert_eq!(user_names(&mut admin), ["ann", "bob"]);
    for node in 0..3 {
        let log = set.server(node).logs();
        assert!(log.contains("than was followed"), "{log}");
    }
}

async fn create_group(root: &mut Client, name: &str) {
    let create = CreatePrivilegeGroupRequest {
        group_name: name.to_owned(),
    };
    root.change("CreatePrivilegeGroup", create).await.unwrap();
}

/// The groups of privileges that were made; `None` while the member does not answer.
async fn groups(root: &mut Client) -> Option<Vec<String>> {
    let listed: Result<ListPrivilegeGroupsResponse, _> = root
        .call("ListPrivilegeGroups", ListPrivilegeGroupsRequest {})
        .await;
    let groups = listed.ok()?.privilege_groups.into_iter();
    let names = groups.map(|group| group.group_name);
    Some(names.filter(|name| name.starts_with("own")).collect())
}

/// Whether the default write concern is one's own, and the collections of a restoration; `None` while
/// the member does not answer.
fn settings(client: &mut RawClient) -> Option<(bool, Vec<String>)> {
    let defaults = client.run("admin", from_any(doc! { "getDefaultRWConcern": 1 }));
    let source = defaults.get_str("defaultWriteConcernSource").ok()?;
    let list = doc! {
        "listCollections": 1, "nameOnly": true, "filter": { "name": { "$regex": "^temp" } },
    };
    let listed = client.run("admin", from_any(list));
    let begun = names(listed.get_document("cursor").ok()?, "firstBatch", "name");
    Some((source == "global", begun))
}

#[tokio::test]
async fn settings_that_an_older_backup_does_not_have_are_gone_from_members_that_run() {
    let mut set = pair_with_short_leases();
    // It is in the backup.
    drop(root_of_primary(&set).await);
    back_up(&mut set);
    set.wait_until_all_have_everything();
    // Another one may be primary now.
    let mut root = root_of_primary(&set).await;
    let mut admin = set.admin(set.primary());
    let concern = doc! { "setDefaultRWConcern": 1, "defaultWriteConcern": { "w": 2 } };
    done(&mut admin, "admin", concern);
    let insert = doc! { "insert": "tempusers", "documents": [{ "_id": "shop.ann" }] };
    acknowledged(&mut admin, "admin", with_w(insert, 2));
    create_group(&mut root, "own_lost").await;
    let mut admins = admins(&set);
    for (node, admin) in admins.iter_mut().enumerate() {
        let expected = (true, vec!["tempusers".to_owned()]);
        assert_eq!(settings(admin), Some(expected));
        let groups = groups(&mut root_of(&set, node).await).await;
        assert_eq!(groups.unwrap(), ["own_lost"]);
    }
    restore(&mut set);
    for (node, admin) in admins.iter_mut().enumerate() {
        waiting::until("the settings are gone", || {
            settings(admin) == Some((false, Vec::new()))
        });
        let groups = groups(&mut root_of(&set, node).await).await;
        assert_eq!(groups.unwrap(), [] as [&str; 0]);
    }
    set.wait_until_all_have_everything();
    create_group(&mut root_of_primary(&set).await, "own_new").await;
    for node in 0..2 {
        let groups = groups(&mut root_of(&set, node).await).await;
        assert_eq!(groups.unwrap(), ["own_new"]);
    }
}
