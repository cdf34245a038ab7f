//! What the tests of this folder share. Each loopback address plays a client of its own.

use bson::{Bson, Document, doc};

use crate::support::scram_client::{Exchange, MECHANISMS, payload};
use crate::support::{Options, RawClient, TestServer, waiting};

/// Options with few rounds of hashing and these server parameters.
pub fn options(parameters: &[&str]) -> Options {
    let rounds = ["scramIterationCount=5000", "scramSHA256IterationCount=5000"];
    let mut options = Options::default();
    for parameter in rounds.iter().chain(parameters) {
        options = options.argument(format!("--setParameter={parameter}"));
    }
    options
}

/// A connection from this address.
pub fn from(server: &TestServer, address: &str) -> RawClient {
    server.raw_between(address, "127.0.0.1")
}

pub fn ok(client: &mut RawClient, db: &str, command: Document) {
    let text = command.to_string();
    assert_eq!(client.run(db, command), doc! { "ok": 1.0 }, "{text}");
}

/// Creates users of `shop` whose password is `secret`.
pub fn create(admin: &mut RawClient, users: &[&str]) {
    for user in users {
        let no_roles: [Bson; 0] = [];
        let create = doc! { "createUser": user, "pwd": "secret", "roles": no_roles };
        ok(admin, "shop", create);
    }
}

/// A number of `serverStatus.portcullis`, by its path.
pub fn count(admin: &mut RawClient, path: &str) -> i64 {
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    let mut at = status.get_document("portcullis").unwrap();
    let (sections, name) = path.rsplit_once('.').unwrap_or(("", path));
    for section in sections.split('.').filter(|section| !section.is_empty()) {
        at = at.get_document(section).unwrap();
    }
    match at.get(name).unwrap() {
        Bson::Int32(number) => i64::from(*number),
        Bson::Int64(number) => *number,
        other => panic!("{path}: {other}"),
    }
}

/// Asks until the number is what it will be.
pub fn until(admin: &mut RawClient, path: &str, expected: i64) {
    let what = format!("{path} is {expected}");
    waiting::until(&what, || count(admin, path) == expected);
}

/// `saslStart` for a user of `shop`; the message that is to follow.
pub fn begin(client: &mut RawClient, user: &str, password: &str) -> String {
    let exchange = Exchange::new(MECHANISMS[1], user, password);
    let started = client.sasl_start("shop", MECHANISMS[1], &exchange.first());
    exchange.last(&payload(&started)).message
}

/// `saslContinue` without waiting for the answer.
pub fn send_proof(client: &mut RawClient, proof: &str) {
    let payload = crate::support::binary(proof.as_bytes());
    client.send_command(
        "shop",
        doc! { "saslContinue": 1, "conversationId": 1, "payload": payload },
    );
}

/// The one text of every failed sign-in.
pub fn failed() -> (i32, String) {
    (18, "Authentication failed.".into())
}

/// What is told to who goes on with a sign-in that the server does not know any more.
pub fn no_sign_in() -> (i32, String) {
    (17, "No SASL session state found".into())
}
