//! How mongorestore brings users and roles back.
//!
//! It inserts the documents of its dump into `admin.tempusers` and `admin.temproles`, has them merged
//! and drops the two. These collections, and no others, are kept here for that while; their documents in
//! memory ([`transient`]). Commands about any other are authorized and then refused with 115.

pub mod drop;
pub mod insert;
pub mod merge_authz_collections;
mod retries;
mod stored_documents;
pub mod transient;
