//! The SCRAM server against an independent client: the `scram` crate.

#![allow(clippy::unwrap_used)] // in helpers of tests too

use portcullis::auth::scram::{
    AwaitingFinal, ClientFirst, Keys, ScramError, ScramMechanism, ServerNonce, Sha256Password,
};
use portcullis::model::names::{DbName, UserName};
use portcullis::secret::Secret;
use scram::ScramClient;

/// What a mongod uses by default.
const ITERATION_COUNT: u32 = 15_000;

fn respond(client_first: &str, keys: Keys) -> (String, AwaitingFinal) {
    let first = ClientFirst::parse(client_first.as_bytes()).unwrap();
    let (server_first, awaiting) = first.respond(keys, &ServerNonce::random().unwrap());
    (String::from_utf8(server_first).unwrap(), awaiting)
}

fn keys(password: &str) -> Keys {
    let password = Sha256Password::prepare(&Secret::new(password.to_owned())).unwrap();
    Keys::from(&password.derive(ITERATION_COUNT).unwrap())
}

#[test]
fn the_right_password_signs_in_and_the_client_believes_the_server() {
    for identity in [None, Some("user")] {
        let client = ScramClient::new("user", "pencil", identity);
        let (client, client_first) = client.client_first();
        let (server_first, awaiting) = respond(&client_first, keys("pencil"));
        let client = client.handle_server_first(&server_first).unwrap();
        let (client, client_final) = client.client_final();
        let server_final = awaiting.finish(client_final.as_bytes()).unwrap();
        let server_final = String::from_utf8(server_final).unwrap();
        client.handle_server_final(&server_final).unwrap();
    }
}

#[test]
fn a_wrong_password_fails_at_the_proof() {
    let (client, client_first) = ScramClient::new("user", "pen", None).client_first();
    let (server_first, awaiting) = respond(&client_first, keys("pencil"));
    let client = client.handle_server_first(&server_first).unwrap();
    let (_, client_final) = client.client_final();
    let failed = awaiting.finish(client_final.as_bytes());
    assert_eq!(failed, Err(ScramError::ProofMismatch));
}

#[test]
fn an_unknown_user_gets_as_far_as_the_proof() {
    let (client, client_first) = ScramClient::new("nobody", "pencil", None).client_first();
    let user = UserName::new("nobody", DbName::ADMIN).unwrap();
    let secret = Secret::new([42; 32]);
    let keys = Keys::doomed(ScramMechanism::Sha256, &secret, &user, ITERATION_COUNT);
    let (server_first, awaiting) = respond(&client_first, keys);
    let client = client.handle_server_first(&server_first).unwrap();
    let (_, client_final) = client.client_final();
    let failed = awaiting.finish(client_final.as_bytes());
    assert_eq!(failed, Err(ScramError::Doomed));
}

#[test]
fn nobody_signs_in_as_somebody_else() {
    let (_, client_first) = ScramClient::new("user", "pencil", Some("root")).client_first();
    let refused = ClientFirst::parse(client_first.as_bytes()).unwrap_err();
    assert_eq!(refused, ScramError::AuthorizationIdentityMismatch);
}
