//! The parts of `hello` that save a round trip of signing in.

use bson::raw::RawDocument;
use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf};

use crate::command::arguments::{Arguments, FromField, Path, Rules, missing_field, wrong_type};
use crate::command::context::Context;
use crate::command::reply::Reply;
use crate::command::sasl::authenticate::Authenticate;
use crate::command::sasl::sasl_start::SaslStart;
use crate::error::{CommandError, ErrorCode};
use crate::model::mechanism::Mechanism;
use crate::model::names::{DbName, UserName};

/// Whose mechanisms a client asks for: `"db.user"`, or `{user, db}`.
#[derive(Debug)]
pub struct SupportedMechanismsOf {
    user: String,
    db: String,
}

impl FromField for SupportedMechanismsOf {
    const TYPES: &'static [&'static str] = &["string", "object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String(text) => {
                let (db, user) = text.split_once('.').ok_or_else(|| {
                    CommandError::bad_value(
                        "UserName must contain a '.' separated database.user pair",
                    )
                })?;
                Ok(Some(Self {
                    user: user.to_owned(),
                    db: db.to_owned(),
                }))
            }
            RawBsonRef::Document(document) => {
                let text = |name: &str| match document.get(name).ok().flatten() {
                    Some(RawBsonRef::String(text)) => Ok(text.to_owned()),
                    Some(other) => Err(wrong_type(&path.field(name), other, &["string"])),
                    None => Err(missing_field(&path.field(name))),
                };
                Ok(Some(Self {
                    user: text("user")?,
                    db: text("db")?,
                }))
            }
            _ => Ok(None),
        }
    }
}

/// What `saslSupportedMechs` lists; `None` for users on `$external` where nobody can sign in by
/// certificate. Unlike mongod, an unknown user seems to have the enabled ones, so the field tells
/// nobody who exists. PLAIN is never listed: a client that lets the server choose sends no password.
pub(super) fn supported_mechanisms(
    context: &mut Context<'_>,
    of: &SupportedMechanismsOf,
) -> Option<Vec<Mechanism>> {
    context.connection.session.note_negotiation();
    context
        .services
        .metrics
        .authentication
        .supported_mechanisms
        .increment();
    let enabled = context.services.mechanisms();
    let db = DbName::parse(&of.db).ok();
    if db.as_ref().is_some_and(DbName::is_external) {
        let is_usable = enabled.contains(&Mechanism::X509) && context.services.tls.is_some();
        return is_usable.then(|| vec![Mechanism::X509]);
    }
    let name = db.and_then(|db| UserName::new(&of.user, db).ok());
    let user = name.and_then(|name| context.services.directory.catalog().user(&name));
    let mechanisms = Mechanism::SCRAMS
        .into_iter()
        .filter(|mechanism| enabled.contains(mechanism))
        .filter(|mechanism| {
            user.as_ref()
                .is_none_or(|user| user.credentials.has(*mechanism))
        })
        .collect();
    Some(mechanisms)
}

/// `saslSupportedMechs` of a reply.
pub(super) fn mechanism_names(mechanisms: &[Mechanism]) -> RawArrayBuf {
    mechanisms
        .iter()
        .map(|mechanism| mechanism.name())
        .collect()
}

/// The errors that are not swallowed.
pub(super) fn check_speculative(speculative: &RawDocument) -> Result<(), CommandError> {
    match first_field(speculative) {
        None => Err(CommandError::bad_value(
            "hello.speculativeAuthenticate must be a non-empty Object",
        )),
        Some("saslStart" | "authenticate") => Ok(()),
        Some(other) => Err(CommandError::new(
            ErrorCode(51_769),
            format!("hello.speculativeAuthenticate unknown command: {other}"),
        )),
    }
}

/// Begins to sign in. Whatever goes wrong is swallowed: the client then begins again with
/// `saslStart` and is told there.
///
/// `offered` is what the same reply lists: a driver that negotiates takes an answer here for one by
/// the mechanism it picks from the list, so there may be none for a mechanism outside of it. Nobody
/// learns from that what the list has not told already.
pub(super) async fn speculative_authenticate(
    context: &mut Context<'_>,
    speculative: &RawDocument,
    offered: Option<&[Mechanism]>,
) -> Option<RawDocumentBuf> {
    if !context.services.is_in_touch() {
        return None;
    }
    let path = Path::root("hello.speculativeAuthenticate");
    if first_field(speculative) == Some("authenticate") {
        let (authenticate, db) = Authenticate::parse_speculative(speculative, &path)?;
        let signed_in = authenticate.sign_in(context, &db, true).await;
        return signed_in.ok().map(Reply::into_embedded);
    }
    let db = DbName::parse(speculative.get_str("db").ok()?).ok()?;
    // `db` stands beside the fields of saslStart.
    let rules = Rules {
        strict: false,
        is_command: true,
    };
    let start = SaslStart::parse(speculative, &path, rules).ok()?;
    if offered.is_some_and(|offered| !start.is_by_one_of(offered)) {
        return None;
    }
    start
        .start(context, &db, true)
        .await
        .ok()
        .map(Reply::into_embedded)
}

fn first_field(document: &RawDocument) -> Option<&str> {
    document.iter().next()?.ok().map(|(name, _)| name.as_str())
}
