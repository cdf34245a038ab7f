//! What changes while a call waits: for its turn after failures, or for a hash.

use bson::{Document, doc};
use portcullis::milvus::proto::milvus::{
    ListCredUsersRequest, ListCredUsersResponse, UpdateCredentialRequest,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::client::{Client, Server, Told, create_user, encoded};
use crate::support::{PATIENCE, RawClient, waiting};
use crate::two_faces::{is_signed_in, new_user};

/// One failure makes the next attempts of that user from here wait for so long.
fn server(delay: &str) -> Server {
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=1",
        "failedSignInsPerAddressFree=0",
        delay,
        "failedSignInDelayMaxMs=600000",
        "argon2MemoryKiB=7168",
        "argon2Iterations=1",
    ];
    let options = parameters.iter().fold(Server::options(), |options, set| {
        options.argument(format!("--setParameter={set}"))
    });
    Server::of(options)
}

/// How many attempts had to wait.
fn delayed(admin: &mut RawClient) -> i64 {
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    let own = status.get_document("portcullis").unwrap();
    let sign_ins = own.get_document("signIns").unwrap();
    sign_ins.get_i64("delayed").unwrap()
}

fn until_delayed(admin: &mut RawClient, count: i64) {
    let what = format!("{count} attempts wait");
    waiting::until(&what, || delayed(admin) == count);
}

fn done(admin: &mut RawClient, command: Document) {
    let reply = admin.run("milvus", command);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
}

fn create(user: &str) -> Document {
    doc! { "createUser": user, "pwd": "secret", "roles": ["admin"], "mechanisms": ["PLAIN"] }
}

/// Which is only for who may administer users.
async fn list(client: &mut Client) -> Result<Vec<String>, Code> {
    let listed: Result<ListCredUsersResponse, Status> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    let listed = listed.map_err(|status| status.code());
    listed.map(|listed| listed.usernames)
}

type Waiting = JoinHandle<Result<Vec<String>, Code>>;

/// Fails once, so that the next attempt has to wait.
async fn failed(server: &Server, user: &str) -> Client {
    let mut client = server.client_as(user, "wrong").await;
    assert_eq!(list(&mut client).await, Err(Code::Unauthenticated));
    client
}

/// A call with the right password.
fn waiting_call(mut client: Client, user: &str) -> Waiting {
    client.sign(user, "secret");
    tokio::spawn(async move { list(&mut client).await })
}

const USERS: [&str; 6] = ["same", "gone", "anew", "reset", "demoted", "elsewhere"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waited_is_its_users_as_the_user_is_by_then() {
    // Longer than the changes take, the second time on the slowest machine, too.
    for delay_ms in [10_000, 120_000] {
        let server = server(&format!("failedSignInDelayMs={delay_ms}"));
        let Some(calls) = calls_waiting_during_changes(&server).await else {
            continue;
        };
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().map(|users| users.len()));
        }
        let refused = Err(Code::Unauthenticated);
        let demoted = Err(Code::PermissionDenied);
        // With root.
        let expected = [Ok(6), refused, refused, refused, demoted, refused];
        assert_eq!(answers, expected);
        let logs = server.mongodb.stop().1;
        for (reason, count) in [
            ("it was dropped while its password was checked", 2),
            ("its credentials changed while its password was checked", 1),
            ("its authenticationRestrictions are not met", 1),
        ] {
            assert_eq!(logs.matches(reason).count(), count, "{reason}");
        }
        return;
    }
    panic!("the changes took longer than the calls waited");
}

/// A call of each user, with the right password; `None` if one of them has not waited for all changes.
async fn calls_waiting_during_changes(server: &Server) -> Option<Vec<Waiting>> {
    let mut admin = server.mongodb.admin();
    for user in USERS {
        done(&mut admin, create(user));
    }
    let mut calls = Vec::new();
    for user in USERS {
        calls.push(waiting_call(failed(server, user).await, user));
    }
    let is_one_done = |calls: &[Waiting]| calls.iter().any(JoinHandle::is_finished);
    waiting::until("six calls wait, or one has waited", || {
        delayed(&mut admin) == 6 || is_one_done(&calls)
    });
    for command in [
        doc! { "dropUser": "gone" },
        doc! { "dropUser": "anew" },
        create("anew"),
        doc! { "updateUser": "reset", "pwd": "changed", "mechanisms": ["PLAIN"] },
        doc! { "revokeRolesFromUser": "demoted", "roles": ["admin"] },
        doc! {
            "updateUser": "elsewhere",
            "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }],
        },
    ] {
        done(&mut admin, command);
    }
    (!is_one_done(&calls)).then_some(calls)
}

/// Only a password that is remembered does not wait after a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_just_set_is_not_hashed_again() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.mongodb.admin();
    let mut root = server.root().await;
    create_user(&mut root, "ann", "secret").await.unwrap();
    let mut ann = server.client_as("ann", "wrong").await;
    assert!(!is_signed_in(&mut ann).await);
    ann.sign("ann", "secret");
    let at_once = timeout(PATIENCE, is_signed_in(&mut ann)).await;
    assert!(at_once.expect("a created user waits"));
    let update = UpdateCredentialRequest {
        username: "ann".to_owned(),
        old_password: encoded("secret"),
        new_password: encoded("changed"),
        description: None,
    };
    let told: Told = ann.change("UpdateCredential", update).await;
    assert_eq!(told, Ok(()));
    let mut old = ann.again();
    ann.sign("ann", "changed");
    let at_once = timeout(PATIENCE, is_signed_in(&mut ann)).await;
    assert!(at_once.expect("who has a new password waits"));
    assert_eq!(delayed(&mut admin), 0);
    let old = tokio::spawn(async move { list(&mut old).await });
    until_delayed(&mut admin, 1);
    old.abort();
}

const CHANGES: i32 = 5;

/// While one client sets a password, which takes two hashes, others go on changing the user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_while_a_password_is_hashed_stays() {
    let server = Server::start();
    let mut root = server.root().await;
    root.change("CreateCredential", new_user("ann", "secret"))
        .await
        .unwrap();
    let mut admin = server.mongodb.admin();
    let update = UpdateCredentialRequest {
        username: "ann".to_owned(),
        old_password: encoded("secret"),
        new_password: encoded("changed"),
        description: Some("of the shop".to_owned()),
    };
    let setting = tokio::spawn(async move { root.change("UpdateCredential", update).await });
    // Few: the last word is to be that of the other call.
    for last in 1..=CHANGES {
        let command = doc! { "updateUser": "ann", "customData": { "last": last } };
        let reply = admin.run("milvus", command);
        assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    }
    assert_eq!(setting.await.unwrap(), Ok(()));
    let shown = admin.run("milvus", doc! { "usersInfo": "ann" });
    let user = shown.get_array("users").unwrap()[0].as_document().unwrap();
    let custom_data = user.get_document("customData").unwrap();
    assert_eq!(custom_data.get_i32("last").unwrap(), CHANGES);
    assert!(is_signed_in(&mut server.client_as("ann", "changed").await).await);
}

/// Who knows the old password only cannot undo that it was reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_reset_meanwhile_stays_reset() {
    let server = Server::start();
    let mut root = server.root().await;
    let mut admin = server.mongodb.admin();
    let mut refused = 0;
    for round in 0..8 {
        let name = format!("ann{round}");
        root.change("CreateCredential", new_user(&name, "secret"))
            .await
            .unwrap();
        let update = UpdateCredentialRequest {
            username: name.clone(),
            old_password: encoded("secret"),
            new_password: encoded("changed"),
            description: None,
        };
        let mut thief = root.again();
        let setting = tokio::spawn(async move { thief.change("UpdateCredential", update).await });
        let reset = doc! { "updateUser": &name, "pwd": "reset", "mechanisms": ["PLAIN"] };
        let reply = admin.run("milvus", reset);
        assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
        if let Err((code, _, text)) = setting.await.unwrap() {
            let expected = format!("old password not correct for {name}: not authenticated");
            assert_eq!((code, text), (1400, expected));
            refused += 1;
        }
        assert!(is_signed_in(&mut server.client_as(&name, "reset").await).await);
        assert!(!is_signed_in(&mut server.client_as(&name, "changed").await).await);
    }
    assert!(refused > 0, "nothing came in between");
}
