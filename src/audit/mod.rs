//! The audit log: who did what to users and roles, who signed in, and who was refused.
//!
//! Names of events, their fields and the options are those of mongod (manual, "System Event Audit
//! Messages"). Two things are not: every string in an event's `param` is hidden unless `hide` lists its
//! place as public, and it is stated what happens when the log cannot be written (`docs/security.md`).
//!
//! [`Event`] is what happened. [`Audit`] hides, filters and encodes it, and hands it to one thread that
//! writes; who waits for [`Audit::record`] knows that it is written. Nothing here knows commands or
//! sockets.

mod event;
mod filter;
mod handle;
mod hide;
mod json;
mod sink;
mod syslog;

pub use event::{Check, Endpoint, Event, Origin};
pub use handle::{Audit, AuditError, AuditStartError};
