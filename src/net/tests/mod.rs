//! Real sockets on the loopback, with a service that knows a few commands.

mod endings;
mod messages;
mod proxy;
mod sockets;
mod support;
mod tls;
mod tls_files;
mod tls_records;
mod tls_support;
