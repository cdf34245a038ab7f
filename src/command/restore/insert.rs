//! `insert` (MongoDB manual, "insert"), for what mongorestore inserts of users and roles.

use bson::raw::RawDocument;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf, rawdoc};
use uuid::Uuid;

use super::retries::{RetryableWrite, SessionKey};
use super::transient::{Claim, Inserted};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::{FromField, Path, arguments, missing_field};
use crate::command::collection::options::CollectionName;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::spec::{Command, RunsOn, Spec};
use crate::command::unserved::Asked;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;
use crate::model::transient::TransientCollection;

/// What a document whose `_id` is there already is answered with.
const DUPLICATE_KEY: i32 = 11_000;

arguments! {
    /// The fields of `insert`.
    #[derive(Debug)]
    pub struct Insert {
        /// The collection: `tempusers` or `temproles` of `admin`; all others are refused (115).
        "insert" => collection: CollectionName,
        /// The documents, here or as a document sequence.
        "documents" => documents: Option<DocumentArray>,
        /// Whether to stop at the first document that cannot be inserted.
        "ordered" => ordered: SafeBool = SafeBool(true),
        /// Changes nothing but what it takes: `bypassDocumentValidation` on the collection as well.
        "bypassDocumentValidation" => bypass_document_validation: SafeBool = SafeBool(false),
        /// Changes nothing.
        "collectionUUID" => uuid: Anything,
        /// Changes nothing.
        "encryptionInformation" => encryption_information: Anything,
        /// Changes nothing.
        "stmtId" => statement_id: Anything,
        /// Changes nothing.
        "stmtIds" => statement_ids: Anything,
    }
}

/// An array, read where it stands: it may have many megabytes.
#[derive(Debug, Clone, Copy)]
pub struct DocumentArray;

impl FromField for DocumentArray {
    const TYPES: &'static [&'static str] = &["array"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_array().map(|_| Self))
    }
}

impl Command for Insert {
    const SPEC: Spec = Spec {
        write_concern: true,
        runs_on: RunsOn::Primary,
        is_retryable_write: true,
        is_interruptible: false,
        api_version_1: true,
        takes_sequences: true,
        ..Spec::new(
            "insert",
            "Adds documents to a collection, which is made if it is not there.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, db: &DbName) -> Result<Pass, Denied> {
        let need = |action| {
            let name = self.collection.0.as_str();
            Need::one(action, Resource::Namespace(db.clone(), name.into()))
        };
        let mut needs = vec![need(Action::Insert)];
        if self.bypass_document_validation.0 {
            needs.push(need(Action::BypassDocumentValidation));
        }
        authority.require(&needs)
    }

    async fn run(self, context: &mut Context<'_>, pass: Pass) -> Result<Reply, CommandError> {
        let CollectionName(name) = &self.collection;
        let Some(collection) = TransientCollection::find(&context.generic.db, name) else {
            return Err(CommandError::no_engine(Self::SPEC.name));
        };
        let asked = Asked {
            name: Self::SPEC.name,
            db: &context.generic.db,
            body: context.body,
            message: context.message,
            caller: None,
        };
        if self.documents.is_none() && asked.message.is_none() {
            let path = Path::root(Self::SPEC.name);
            return Err(missing_field(&path.field("documents")));
        }
        // All are looked at before the first is inserted.
        let mut documents = Vec::new();
        asked.each_document("documents", |document, _| {
            documents.push(document);
            Ok(())
        })?;
        if documents.is_empty() {
            return Err(CommandError::new(
                ErrorCode::INVALID_LENGTH,
                "Write batch sizes must be between 1 and 100000. Got 0 operations.",
            ));
        }
        let id = begin(context, pass, collection).await?;
        let transient = &context.services.transient;
        let write = retryable_write(context);
        let mut outcome = Outcome::default();
        for (place, document) in documents.into_iter().enumerate() {
            let number = i32::try_from(place).unwrap_or(i32::MAX);
            let write = write.as_ref().map(|write| (write, place));
            match transient.insert((collection, id), document, write)? {
                Inserted::New => outcome.inserted = outcome.inserted.saturating_add(1),
                Inserted::Retried => outcome.retried(number),
                Inserted::Duplicate => {
                    outcome.errors.push(duplicate(number, name, document));
                    if self.ordered.0 {
                        break;
                    }
                }
            }
        }
        Ok(outcome.into_reply())
    }
}

/// The id of the collection, which exists then: the catalog says so.
async fn begin(
    context: &Context<'_>,
    pass: Pass,
    collection: TransientCollection,
) -> Result<Uuid, CommandError> {
    let services = context.services;
    let claim = services
        .transient
        .claim(collection, services.directory.catalog())?;
    match claim {
        Claim::Begun(id) => Ok(id),
        Claim::New(id) => {
            let order = context.bare_order(pass);
            let begun = services.directory.begin_transient(order, collection, id);
            begun.await.map_err(|error| services.ops_error(error))?;
            Ok(id)
        }
    }
}

/// What came of the documents.
#[derive(Default)]
struct Outcome {
    inserted: i32,
    errors: RawArrayBuf,
    /// Places of those that were inserted by the same write before.
    retried: RawArrayBuf,
}

impl Outcome {
    fn retried(&mut self, place: i32) {
        self.inserted = self.inserted.saturating_add(1);
        self.retried.push(place);
    }

    fn into_reply(self) -> Reply {
        let mut reply = Reply::new().with("n", self.inserted);
        if !self.errors.is_empty() {
            reply.append("writeErrors", self.errors);
        }
        if !self.retried.is_empty() {
            reply.append("retriedStmtIds", self.retried);
        }
        reply
    }
}

/// The write that this is a try of, if the client numbers it.
fn retryable_write(context: &Context<'_>) -> Option<RetryableWrite> {
    let number = context.generic.transaction_number?;
    let id = context.body.get_document("lsid").ok()?.get_binary("id");
    let id = Uuid::from_slice(id.ok()?.bytes).ok()?;
    let user = context.caller();
    let session = SessionKey { user, id };
    Some(RetryableWrite { session, number })
}

fn duplicate(place: i32, collection: &str, document: &RawDocument) -> RawDocumentBuf {
    let id = document.get("_id").ok().flatten();
    let id = id.map_or(RawBson::Null, Into::into);
    let shown =
        bson::Bson::try_from(id.clone()).map_or_else(|_| String::new(), |id| id.to_string());
    rawdoc! {
        "index": place,
        "code": DUPLICATE_KEY,
        "errmsg": format!(
            "E11000 duplicate key error collection: admin.{collection} index: _id_ dup key: \
             {{ _id: {shown} }}"
        ),
        "keyPattern": { "_id": 1 },
        "keyValue": { "_id": id },
    }
}
