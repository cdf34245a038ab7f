//! Wrong passwords by the thousand: memory has a bound, and the other face answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bson::doc;
use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    GetVersionResponse, OperatePrivilegeGroupRequest, PrivilegeEntity, UpdateCredentialRequest,
};
use tokio::task::JoinSet;
use tonic::Code;

use crate::client::{Client, Server, create_user, encoded};
use crate::support::{RawClient, TestServer, waiting};

const CONNECTIONS: usize = 16;
/// As many as a connection may have under way.
const CALLS_EACH: usize = 128;
/// Calls by which the pings have to be done: the server takes both in turn.
const CALLS_MAX: usize = 400_000;
const PINGS: usize = 100;
/// What a storm may add: an Argon2 run for each hashing thread, and the calls under way.
const GROWTH_KIB_MAX: u64 = 160 * 1024;

#[derive(Default)]
struct Storm {
    sent: AtomicUsize,
    wrong: AtomicUsize,
    overloaded: AtomicUsize,
    is_over: AtomicUsize,
}

impl Storm {
    /// One call after the other, each with a name and a password that nobody has.
    async fn rage(self: Arc<Self>, mut client: Client) {
        while self.is_over.load(Ordering::Relaxed) == 0 {
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            if number >= CALLS_MAX {
                return;
            }
            client.sign(&format!("user{number}"), "a wrong password");
            let called: Result<GetVersionResponse, _> = client.call("GetVersion", ()).await;
            let status = called.unwrap_err();
            let counter = match status.code() {
                Code::Unauthenticated => &self.wrong,
                Code::Unavailable => &self.overloaded,
                code => panic!("{code}: {}", status.message()),
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The most memory that was resident at any time.
fn peak_kib(server: &TestServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_wrong_passwords_leave_the_other_face_its_turns_and_memory_its_bound() {
    // A slow machine may take longer than usual over what all of them begin at one time.
    let server = Server::start_with(&[
        "--setParameter=hashingThreads=2",
        "--setParameter=handshakeTimeoutMs=600000",
    ]);
    let root = &mut server.root().await;
    let _: GetVersionResponse = root.call("GetVersion", ()).await.unwrap();
    let mut admin = server.mongodb.admin();
    let before = peak_kib(&server.mongodb);
    let storm = Arc::new(Storm::default());
    let mut raging = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = server.client().await;
        for _ in 0..CALLS_EACH {
            raging.spawn(Arc::clone(&storm).rage(client.again()));
        }
    }
    let pinging = tokio::task::spawn_blocking(move || {
        for _ in 0..PINGS {
            let reply = admin.run("admin", doc! { "ping": 1 });
            assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
        }
        admin
    });
    let mut admin = pinging.await.unwrap();
    // Who was right before needs no thread that hashes.
    let _: GetVersionResponse = root.call("GetVersion", ()).await.unwrap();
    let sent = storm.sent.load(Ordering::Relaxed);
    assert!(sent < CALLS_MAX, "the pings came after the storm");
    storm.is_over.store(1, Ordering::Relaxed);
    raging.join_all().await;
    assert!(storm.wrong.load(Ordering::Relaxed) > 0);
    assert!(storm.overloaded.load(Ordering::Relaxed) > 0);
    let growth = peak_kib(&server.mongodb).saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
    admin.run("admin", doc! { "ping": 1 });
}

/// Of a message that has two bytes for each; what is made of them has twenty-four.
const ENTRIES: usize = 30_000;

async fn send_many_entries(mut client: Client) -> Code {
    let message = OperatePrivilegeGroupRequest {
        group_name: "group".to_owned(),
        privileges: vec![PrivilegeEntity::default(); ENTRIES],
        ..OperatePrivilegeGroupRequest::default()
    };
    let called: Result<Status, _> = client.call("OperatePrivilegeGroup", message).await;
    let code = called.unwrap_err().code();
    assert!(
        [Code::Unauthenticated, Code::Unavailable].contains(&code),
        "{code}"
    );
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_of_messages_is_not_kept_while_passwords_are_looked_at() {
    const CONNECTIONS: usize = 4;
    const CALLS_EACH: usize = 64;
    const GROWTH_KIB_MAX: u64 = 120 * 1024;
    let server = Server::start_with(&[
        "--setParameter=hashingThreads=1",
        "--setParameter=argon2MemoryKiB=7168",
        "--setParameter=handshakeTimeoutMs=600000",
    ]);
    let before = peak_kib(&server.mongodb);
    let mut calls = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let connected = server.client().await;
        for number in 0..CALLS_EACH {
            let mut client = connected.again();
            client.sign(&format!("user{connection}x{number}"), "wrong");
            calls.spawn(send_many_entries(client));
        }
    }
    let codes = calls.join_all().await;
    assert!(codes.contains(&Code::Unauthenticated));
    let growth = peak_kib(&server.mongodb).saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
}

/// A request whose message is made of bytes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Restore {
    #[prost(bytes = "vec", optional, tag = "2")]
    rbac_meta: Option<Vec<u8>>,
}

/// A field with a length.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encode_length_delimiter(value.len(), &mut bytes).unwrap();
    [&bytes, value].concat()
}

/// Two bytes for each entry, of which decoded ones have up to a hundred and seventy.
#[tokio::test]
async fn entries_of_a_backup_are_counted_before_they_are_decoded() {
    const ENTRIES: usize = 2_000_000;
    const GROWTH_KIB_MAX: u64 = 80 * 1024;
    let server = Server::start_with(&[
        "--milvus.maxUserNum=10000000",
        "--milvus.maxRoleNum=10000000",
    ]);
    let root = &mut server.root().await;
    let _: GetVersionResponse = root.call("GetVersion", ()).await.unwrap();
    let before = peak_kib(&server.mongodb);
    let entries = |number| field(number, &[]).repeat(ENTRIES);
    let users = "more than 200000 users";
    let groups =
        "unable to create privilege group because the number of groups has reached the limit";
    for (meta, reason) in [
        (entries(1), users),
        (entries(2), "more than 100000 roles"),
        (entries(3), "more than 100000 grants"),
        (entries(4), groups),
        (field(1, &entries(3)), "more than 400000 roles of users"),
        (
            field(4, &entries(2)),
            "more than 100000 privileges of groups",
        ),
        ([entries(1), field(1, &[0xff])].concat(), users),
    ] {
        let rbac_meta = Some(meta);
        let told = root.change("RestoreRBAC", Restore { rbac_meta }).await;
        let reason = format!("failed to check if rbac restorable: {reason}");
        assert_eq!(told, Err((65_535, 41, reason)));
    }
    let growth = peak_kib(&server.mongodb).saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
}

#[tokio::test]
async fn passwords_at_one_time_are_not_all_looked_at() {
    const AT_ONE_TIME: usize = 40;
    const WAITING_PER_ORIGIN_MAX: usize = 8;
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=2",
        "failedSignInDelayMs=600000",
        "failedSignInDelayMaxMs=600000",
        "hashingThreads=1",
    ];
    let arguments = parameters.map(|parameter| format!("--setParameter={parameter}"));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = Server::start_with(&arguments);
    let mut admin = server.mongodb.admin();
    let client = server.client_as("nobody", "wrong").await;
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONE_TIME {
        let mut client = client.again();
        calls.spawn(async move {
            let called: Result<GetVersionResponse, _> = client.call("GetVersion", ()).await;
            called.unwrap_err().code()
        });
    }
    // The two that are free are looked at; eight wait their turn; the rest is told at once.
    for _ in 0..AT_ONE_TIME - WAITING_PER_ORIGIN_MAX {
        assert_eq!(
            calls.join_next().await.unwrap().unwrap(),
            Code::Unauthenticated
        );
    }
    let waiting = i64::try_from(WAITING_PER_ORIGIN_MAX).unwrap();
    until(&mut admin, "delayed", waiting);
}

/// Waits until `serverStatus` has counted so many sign-ins.
fn until(admin: &mut RawClient, counter: &str, wanted: i64) {
    waiting::until(&format!("{counter} is {wanted}"), || {
        let status = admin.run("admin", doc! { "serverStatus": 1 });
        let counters = status.get_document("portcullis").unwrap();
        let counters = counters.get_document("signIns").unwrap();
        counters.get_i64(counter).unwrap() == wanted
    });
}

/// How many sign-ins had to wait.
fn delayed(server: &Server) -> i64 {
    let status = server
        .mongodb
        .admin()
        .run("admin", doc! { "serverStatus": 1 });
    let portcullis = status.get_document("portcullis").unwrap();
    let sign_ins = portcullis.get_document("signIns").unwrap();
    sign_ins.get_i64("delayed").unwrap()
}

/// Who may set passwords of others and does not know them tries as slowly as a stranger.
#[tokio::test]
async fn old_passwords_of_others_are_guessed_slowly() {
    let parameters = [
        "--setParameter=failedSignInLimitsOnLoopback=true",
        "--setParameter=failedSignInsPerUserFree=3",
        "--setParameter=failedSignInDelayMs=10",
    ];
    let server = Server::start_with(&parameters);
    let mut root = server.root().await;
    create_user(&mut root, "ann", "secret").await.unwrap();
    let update = |username: &str, old: &str| UpdateCredentialRequest {
        username: username.to_owned(),
        old_password: encoded(old),
        new_password: encoded("changed"),
        description: None,
    };
    for guess in 0..5 {
        assert_eq!(delayed(&server), (guess - 3).max(0), "{guess}");
        let told = root
            .change("UpdateCredential", update("ann", "wrong"))
            .await;
        assert_eq!(told.unwrap_err().0, 1400);
    }
    // The right one waits as well, and is right.
    let told = root
        .change("UpdateCredential", update("ann", "secret"))
        .await;
    assert_eq!((told, delayed(&server)), (Ok(()), 3));
    // One's own is known to whoever calls.
    let own = update("root", "wrong");
    for _ in 0..5 {
        let told = root.change("UpdateCredential", own.clone()).await;
        assert_eq!(told.unwrap_err().0, 1400);
    }
    assert_eq!(delayed(&server), 3);
}
