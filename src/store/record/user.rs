//! The document of a user.

use bson::RawDocumentBuf;

use super::bson::{Fields, Writer};
use super::{Malformed, bad_value, read_roles, restriction, write_roles};
use crate::model::names::UserName;
use crate::model::plain_credential::PlainCredential;
use crate::model::user::{Credentials, ScramCredential, User};

const PLAIN: &str = "PLAIN";
const SHA_1: &str = "SCRAM-SHA-1";
const SHA_256: &str = "SCRAM-SHA-256";

pub(super) fn write(writer: &mut Writer, user: &User) {
    writer.uuid("userId", user.user_id);
    writer.document("credentials", |writer| match &user.credentials {
        Credentials::External => writer.boolean("external", true),
        Credentials::Stored {
            sha_1,
            sha_256,
            plain,
        } => {
            if let Some(credential) = sha_1 {
                writer.document(SHA_1, |writer| write_scram(writer, credential));
            }
            if let Some(credential) = sha_256 {
                writer.document(SHA_256, |writer| write_scram(writer, credential));
            }
            if let Some(credential) = plain {
                writer.document(PLAIN, |writer| writer.string("phc", credential.phc()));
            }
        }
    });
    restriction::write(writer, &user.restrictions);
    if let Some(custom_data) = &user.custom_data {
        writer.document_bytes("customData", custom_data.as_bytes());
    }
    write_roles(writer, &user.roles);
}

pub(super) fn read(name: UserName, document: &[u8]) -> Result<User, Malformed> {
    let mut fields = Fields::of(document)?;
    let user_id = fields.uuid("userId")?;
    let credentials = read_credentials(fields.document("credentials")?)?;
    let restrictions = restriction::read(&mut fields)?;
    let custom_data = match fields.optional_document("customData")? {
        Some(document) => {
            let document = RawDocumentBuf::from_bytes(document.to_vec());
            Some(Box::new(
                document.map_err(|_| Malformed::Field("customData"))?,
            ))
        }
        None => None,
    };
    let roles = read_roles(&mut fields)?;
    fields.finish()?;
    Ok(User {
        name,
        user_id,
        credentials,
        restrictions,
        custom_data,
        roles,
    })
}

fn read_credentials(document: &[u8]) -> Result<Credentials, Malformed> {
    let mut fields = Fields::of(document)?;
    if fields.optional_true("external")? {
        fields.finish()?;
        return Ok(Credentials::External);
    }
    let sha_1 = read_scram(&mut fields, SHA_1)?;
    let sha_256 = read_scram(&mut fields, SHA_256)?;
    let plain = read_plain(&mut fields)?;
    fields.finish()?;
    if sha_1.is_none() && sha_256.is_none() && plain.is_none() {
        return Err(Malformed::Field("credentials"));
    }
    Ok(Credentials::Stored {
        sha_1,
        sha_256,
        plain,
    })
}

fn write_scram<const SALT: usize, const KEY: usize>(
    writer: &mut Writer,
    credential: &ScramCredential<SALT, KEY>,
) {
    writer.int64("iterationCount", credential.iteration_count.into());
    writer.binary("salt", &credential.salt);
    writer.binary("storedKey", &credential.stored_key);
    writer.binary("serverKey", &credential.server_key);
}

fn read_scram<const SALT: usize, const KEY: usize>(
    fields: &mut Fields<'_>,
    mechanism: &'static str,
) -> Result<Option<Box<ScramCredential<SALT, KEY>>>, Malformed> {
    let Some(document) = fields.optional_document(mechanism)? else {
        return Ok(None);
    };
    let mut fields = Fields::of(document)?;
    let iteration_count = u32::try_from(fields.int64("iterationCount")?)
        .map_err(|error| bad_value("iterationCount", &error))?;
    let credential = ScramCredential {
        iteration_count,
        salt: fields.array_of("salt")?,
        stored_key: fields.array_of("storedKey")?,
        server_key: fields.array_of("serverKey")?,
    };
    fields.finish()?;
    Ok(Some(Box::new(credential)))
}

fn read_plain(fields: &mut Fields<'_>) -> Result<Option<Box<PlainCredential>>, Malformed> {
    let Some(document) = fields.optional_document(PLAIN)? else {
        return Ok(None);
    };
    let mut fields = Fields::of(document)?;
    let credential =
        PlainCredential::parse(fields.string("phc")?).map_err(|error| bad_value("phc", &error))?;
    fields.finish()?;
    Ok(Some(Box::new(credential)))
}
