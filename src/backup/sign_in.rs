//! Signing in by SCRAM-SHA-256.

use bson::raw::RawDocument;
use bson::spec::BinarySubtype;
use bson::{Binary, RawBson, rawdoc};

use super::BackupError;
use super::connection::Connection;
use crate::auth::scram::{ClientExchange, Sha256Password};
use crate::config::BackupUser;

/// Signs the user in; the server, too, has to prove that it knows the password's keys.
pub(super) fn sign_in(connection: &mut Connection, user: &BackupUser) -> Result<(), BackupError> {
    let db = user.name.db().as_str();
    let password = Sha256Password::prepare(&user.password)?;
    let exchange = ClientExchange::start(user.name.user(), password)?;
    let started = connection.run(
        "saslStart",
        &rawdoc! {
            "saslStart": 1,
            "mechanism": "SCRAM-SHA-256",
            "payload": binary(exchange.first()),
            "options": { "skipEmptyExchange": true },
            "$db": db,
        },
    )?;
    let id = started.get_i32("conversationId");
    let id = id.map_err(|_| BackupError::Answer("saslStart"))?;
    let (last, proof) = exchange.respond(payload(&started, "saslStart")?)?;
    let continued = connection.run(
        "saslContinue",
        &rawdoc! {
            "saslContinue": 1,
            "conversationId": id,
            "payload": binary(last),
            "$db": db,
        },
    )?;
    proof.check(payload(&continued, "saslContinue")?)?;
    match continued.get_bool("done") {
        Ok(true) => Ok(()),
        _ => Err(BackupError::Answer("saslContinue")),
    }
}

fn binary(message: String) -> RawBson {
    RawBson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: message.into_bytes(),
    })
}

fn payload<'a>(reply: &'a RawDocument, command: &'static str) -> Result<&'a [u8], BackupError> {
    let payload = reply.get_binary("payload");
    payload
        .map(|payload| payload.bytes)
        .map_err(|_| BackupError::Answer(command))
}
