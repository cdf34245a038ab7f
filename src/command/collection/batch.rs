//! Answers in batches: the first one, and the cursor that the others are asked for by.

use bson::raw::RawDocument;
use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf};

use super::cursors::{Origin, Owner};
use super::rows::{Rows, Stage};
use super::system_collection::{Sources, SystemCollection, config};
use crate::authz::{Need, RolesFrom};
use crate::command::context::Context;
use crate::command::reply::{BoundedArray, Reply};
use crate::command::services::Interrupt;
use crate::error::CommandError;

/// Documents in a first batch of which nobody said how large it may be.
const FIRST_BATCH_DOCUMENTS: u64 = 101;

/// A question that is answered in batches.
pub(super) struct Query {
    pub(super) collection: SystemCollection,
    /// Read aside: what a filter is made of may take long to prepare.
    pub(super) stages: Box<dyn FnOnce() -> Result<Vec<Stage>, CommandError> + Send>,
    /// Documents in the first batch.
    pub(super) batch_size: Option<u64>,
    /// Whether there is to be no cursor.
    pub(super) is_single_batch: bool,
    /// What asking it took.
    pub(super) needs: Vec<Need>,
}

/// One batch.
pub(super) struct Batch {
    documents: RawArrayBuf,
    /// Whether nothing is left.
    pub(super) is_last: bool,
}

impl Batch {
    /// Takes up to `size` documents, and no more than an answer holds.
    ///
    /// # Errors
    /// 10334 if not even one fits, 11601 when interrupted.
    pub(super) fn take(
        rows: &mut Rows,
        size: u64,
        interrupt: &Interrupt,
    ) -> Result<Self, CommandError> {
        let mut documents = BoundedArray::default();
        let mut count = 0;
        let mut is_last = false;
        // A batch of none only opens a cursor.
        while size > 0 && !is_last {
            match rows.next(interrupt)? {
                None => is_last = true,
                Some(document) if count == size => {
                    rows.put_back(document);
                    break;
                }
                Some(document) if count == 0 => documents.push(&document)?,
                Some(document) => {
                    if !documents.push_if_it_fits(&document) {
                        rows.put_back(document);
                        break;
                    }
                }
            }
            count += 1;
        }
        Ok(Self {
            documents: documents.into_array(),
            is_last,
        })
    }

    /// `{cursor: {<name>: [...], id, ns}}`.
    pub(super) fn reply(self, name: &'static str, id: i64, namespace: &str) -> Reply {
        let mut cursor = RawDocumentBuf::new();
        crate::command::reply::append(&mut cursor, name, self.documents);
        crate::command::reply::append(&mut cursor, "id", id);
        crate::command::reply::append(&mut cursor, "ns", namespace);
        Reply::new().with("cursor", cursor)
    }
}

/// Answers the first batch of a query, and opens a cursor if there is more.
pub(super) async fn answer(context: &Context<'_>, query: Query) -> Result<Reply, CommandError> {
    let Query {
        collection, stages, ..
    } = query;
    let size = query.batch_size.unwrap_or(FIRST_BATCH_DOCUMENTS);
    let config = config(context.services);
    let read = move |catalog: &crate::catalog::Catalog, interrupt: &Interrupt| {
        let documents = collection.documents(&Sources { catalog, config });
        let mut rows = Rows::through(documents, stages()?, interrupt)?;
        let batch = Batch::take(&mut rows, size, interrupt)?;
        Ok::<_, CommandError>((rows, batch))
    };
    let (rows, batch) = context.services.scan(read).await??;
    let namespace = format!("{}.{}", context.generic.db, collection.name());
    let rows = (!query.is_single_batch).then_some(rows);
    first_batch(context, batch, rows, (namespace, query.needs))
}

/// Answers from documents that are there already.
pub(super) fn answer_documents(
    context: &Context<'_>,
    documents: Vec<RawDocumentBuf>,
    size: Option<u64>,
    origin: (String, Vec<Need>),
) -> Result<Reply, CommandError> {
    let mut rows = Rows::of_documents(documents);
    let size = size.unwrap_or(FIRST_BATCH_DOCUMENTS);
    let batch = Batch::take(&mut rows, size, &Interrupt::default())?;
    first_batch(context, batch, Some(rows), origin)
}

fn first_batch(
    context: &Context<'_>,
    batch: Batch,
    rows: Option<Rows>,
    (namespace, needs): (String, Vec<Need>),
) -> Result<Reply, CommandError> {
    let id = match rows {
        Some(rows) if !batch.is_last => {
            let origin = Origin {
                namespace: namespace.clone(),
                owner: owner(context),
                session: session(context.body),
                needs,
            };
            context.services.cursors.open(origin, rows)?
        }
        _ => 0,
    };
    Ok(batch.reply("firstBatch", id, &namespace))
}

/// Who is signed in.
pub(super) fn owner(context: &Context<'_>) -> Option<Owner> {
    let signed_in = context.connection.session.signed_in()?;
    let is_kept = signed_in.roles_from == RolesFrom::Catalog;
    Some(Owner {
        name: signed_in.user.name.clone(),
        user_id: is_kept.then_some(signed_in.user.user_id),
    })
}

/// The bytes of the command's `lsid`, which has been checked for its form.
pub(super) fn session(body: &RawDocument) -> Option<Vec<u8>> {
    let id = body.get_document("lsid").ok()?.get("id").ok()??;
    match id {
        RawBsonRef::Binary(id) => Some(id.bytes.to_vec()),
        _ => None,
    }
}
