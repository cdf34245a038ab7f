//! What the server tells its operator.
//!
//! [`events`] has one function for each kind of event: the only way to log. [`logs`] turns events into
//! lines, on standard error or in a file, and keeps the last ones for the command `getLog`.

mod background;
pub mod events;
pub mod logs;
mod record;
pub mod replication;
#[cfg(test)]
mod tests;
pub mod timestamp;
