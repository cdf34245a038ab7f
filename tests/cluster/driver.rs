//! The official Rust driver and a replica set: discovery, failover, read preference, retries.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Client;
use mongodb::error::ErrorKind;
use mongodb::options::{ClientOptions, ReadPreference, ReadPreferenceOptions, SelectionCriteria};

use crate::common::DB;
use crate::support::PATIENCE;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};

const FAILOVER_MAX: Duration = Duration::from_secs(15);

async fn client(set: &ReplicaSet) -> Client {
    let mut options = ClientOptions::parse(set.uri("")).await.unwrap();
    options.server_selection_timeout = Some(PATIENCE);
    Client::with_options(options).unwrap()
}

async fn create(
    client: &Client,
    name: &str,
    write_concern: Document,
) -> mongodb::error::Result<Document> {
    let command = doc! {
        "createUser": name, "pwd": "secret", "roles": ["read"], "writeConcern": write_concern,
    };
    client.database(DB).run_command(command).await
}

async fn users(client: &Client, read_preference: ReadPreference) -> Vec<String> {
    try_users(client, read_preference).await.unwrap()
}

async fn try_users(
    client: &Client,
    read_preference: ReadPreference,
) -> mongodb::error::Result<Vec<String>> {
    let criteria = SelectionCriteria::ReadPreference(read_preference);
    let command = doc! { "usersInfo": 1 };
    let database = client.database(DB);
    let reply = database.run_command(command).selection_criteria(criteria);
    Ok(crate::common::names(&reply.await?, "users", "user"))
}

fn secondary() -> ReadPreference {
    ReadPreference::Secondary { options: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_seed_is_enough_and_secondaries_are_read() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        tags: vec!["dc:east", "dc:east", "dc:west"],
        ..ReplicaSetOptions::default()
    });
    for seed in 0..3 {
        let mut options = ClientOptions::parse(set.uri("")).await.unwrap();
        let host = set.host(seed);
        options.hosts.retain(|given| given.to_string() == host);
        let client = Client::with_options(options).unwrap();
        let reply = create(&client, &format!("by-{seed}"), doc! { "w": 3 }).await;
        assert!(!reply.unwrap().contains_key("writeConcernError"));
        assert_eq!(users(&client, secondary()).await.len(), seed + 1);
        let tags = [("dc".to_owned(), "west".to_owned())];
        let west = ReadPreference::Nearest {
            options: Some(
                ReadPreferenceOptions::builder()
                    .tag_sets(vec![tags.into_iter().collect()])
                    .build(),
            ),
        };
        let hello = client
            .database("admin")
            .run_command(doc! { "hello": 1 })
            .selection_criteria(SelectionCriteria::ReadPreference(west))
            .await;
        assert_eq!(hello.unwrap().get_str("me").unwrap(), set.host(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_node_is_waited_for_only_by_who_asks_for_it() {
    let mut set = ReplicaSet::start(&ReplicaSetOptions {
        tags: vec!["dc:east", "dc:west", "dc:north"],
        ..ReplicaSetOptions::default()
    });
    let client = client(&set).await;
    let paused = set.secondary();
    set.pause(paused);
    for (name, concern, missed) in [
        ("a", doc! { "w": "majority", "wtimeout": 60_000 }, None),
        ("b", doc! { "w": { "dc": 2 }, "wtimeout": 60_000 }, None),
        ("c", doc! { "w": 3, "wtimeout": 200 }, Some(64)),
        ("d", doc! { "w": { "dc": 3 }, "wtimeout": 200 }, Some(64)),
        ("e", doc! { "w": { "dc": 4 } }, Some(100)),
        ("f", doc! { "w": "nowhere" }, Some(79)),
    ] {
        let reply = create(&client, name, concern).await.unwrap();
        let error = reply.get_document("writeConcernError").ok();
        let code = error.map(|error| error.get_i32("code").unwrap());
        assert_eq!(code, missed, "{name}: {reply}");
    }
    // Whatever was not acknowledged is there all the same.
    let created = users(&client, ReadPreference::Primary).await;
    assert_eq!(created, ["a", "b", "c", "d", "e", "f"]);
    set.resume(paused);
}

/// Unlike a command that is run, `find` is tried again by the driver itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retryable_read_reaches_the_next_primary_after_a_kill_9() {
    let mut set = ReplicaSet::three_with_short_leases();
    let client = client(&set).await;
    create(&client, "ann", doc! { "w": 3 }).await.unwrap();
    let collection = client
        .database("admin")
        .collection::<Document>("system.users");
    let find = async || collection.find_one(doc! { "user": "ann" }).await;
    assert!(find().await.unwrap().is_some());
    set.kill(set.primary());
    // Its connection is gone; no error comes of it.
    assert!(find().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_driver_writes_again_within_15_s_of_kill_9() {
    let mut set = ReplicaSet::three_with_short_leases();
    let client = client(&set).await;
    create(&client, "before", doc! { "w": "majority" })
        .await
        .unwrap();
    let primary = set.primary();
    set.kill(primary);
    let started = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let name = format!("after-{tries}");
        match create(&client, &name, doc! { "w": "majority" }).await {
            Ok(_) => break,
            Err(error) => assert!(started.elapsed() < FAILOVER_MAX, "{error}"),
        }
    }
    assert!(started.elapsed() < FAILOVER_MAX, "{:?}", started.elapsed());
    println!("failover of the driver: {:?}", started.elapsed());
    assert!(
        users(&client, ReadPreference::Primary)
            .await
            .contains(&"before".to_owned())
    );
    assert!(
        users(&client, secondary())
            .await
            .contains(&"before".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retryable_write_reaches_the_next_primary_after_a_kill_9() {
    let mut set = ReplicaSet::three_with_short_leases();
    let client = client(&set).await;
    let collection = client.database("admin").collection::<Document>("tempusers");
    collection
        .insert_one(doc! { "_id": "first" })
        .await
        .unwrap();
    let primary = set.primary();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let inserting = tokio::spawn({
        let collection = collection.clone();
        async move {
            let mut begun = Some(begun);
            for number in 0.. {
                if let Err(error) = collection.insert_one(doc! { "_id": number }).await {
                    return Some(error);
                }
                if number == 5 {
                    begun.take().map(|begun| begun.send(()));
                }
            }
            None
        }
    });
    has_begun.await.unwrap();
    set.kill(primary);
    // The driver went there by itself; what was inserted before is not there.
    let refused = inserting.await.unwrap().unwrap();
    assert_eq!(code_of(&refused), Some(96), "{refused}");
    collection.drop().await.unwrap();
    for number in 0..10 {
        collection.insert_one(doc! { "_id": number }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_keeps_working_while_every_node_is_restarted() {
    let mut set = ReplicaSet::three();
    let client = client(&set).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (count, mut counted) = tokio::sync::watch::channel(0);
    let working = tokio::spawn(async move {
        let mut created = Vec::new();
        while !*stopped.borrow() {
            let name = format!("user-{:04}", created.len());
            let began = Instant::now();
            // A command that is not retryable: the application tries again, as it must with mongod.
            while let Err(error) = create(&client, &name, doc! { "w": "majority" }).await {
                assert!(began.elapsed() < FAILOVER_MAX, "{error}");
                if code_of(&error) == Some(51003) {
                    break;
                }
            }
            created.push(name);
            count.send_replace(created.len());
            // Nor is this: it may need a connection to one that is stopping.
            let read = loop {
                match try_users(&client, secondary()).await {
                    Ok(read) => break read,
                    Err(error) => assert!(began.elapsed() < FAILOVER_MAX, "{error}"),
                }
            };
            assert!(!read.is_empty());
        }
        created
    });
    for node in 0..3 {
        set.stop(node);
        wait_for_more(&mut counted).await;
        set.start_node(node);
        set.wait_until(node, |hello| hello.contains_key("primary"));
        set.wait_until_all_have_everything();
        wait_for_more(&mut counted).await;
    }
    stop.send(true).unwrap();
    let created = working.await.unwrap();
    set.wait_until_all_have_everything();
    for node in 0..3 {
        let found = crate::common::user_names(&mut set.admin(node));
        assert_eq!(found, created, "node {node}");
    }
}

/// The client goes on working.
async fn wait_for_more(counted: &mut tokio::sync::watch::Receiver<usize>) {
    let before = *counted.borrow();
    let more = counted.wait_for(|count| *count > before + 1);
    tokio::time::timeout(PATIENCE, more).await.unwrap().unwrap();
}

fn code_of(error: &mongodb::error::Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}
