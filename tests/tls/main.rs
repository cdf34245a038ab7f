//! TLS as operators and clients meet it: modes, certificates, reloading.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod driver;
mod modes;
mod rotation;
mod start;
mod versions;

use bson::{Document, doc};

use support::tls_client::{TlsClient, tls_arguments};
use support::{ADMIN, Options, RawClient, TestServer, waiting};

fn options(mode: &str) -> Options {
    let arguments = tls_arguments(mode);
    arguments
        .into_iter()
        .fold(Options::default(), Options::argument)
}

/// Has [`ADMIN`], made over TLS.
fn server_with_admin(options: Options) -> TestServer {
    let server = options.start();
    let created = TlsClient::with("client").raw(&server).run(
        "admin",
        doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] },
    );
    assert_eq!(created, doc! { "ok": 1.0 });
    server
}

/// Signed in as [`ADMIN`].
fn admin(server: &TestServer) -> RawClient {
    let mut client = TlsClient::with("client").raw(server);
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    client
}

fn ping(client: &mut RawClient) -> std::io::Result<Document> {
    client.try_run("admin", doc! { "ping": 1 })
}

/// The server does not serve this client, at the latest when it asks for something.
fn is_refused(client: &TlsClient, server: &TestServer) -> bool {
    match client.connect(server) {
        Ok(stream) => ping(&mut RawClient::over(stream)).is_err(),
        Err(_) => true,
    }
}

/// Waits until the log has a line with all of `parts`; fails after a while.
fn wait_for_log(server: &TestServer, parts: &[&str]) -> String {
    let mut found = None;
    waiting::until(&format!("{parts:?} is in the log"), || {
        let logs = server.logs();
        let mut lines = logs.lines();
        let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
        found = line.map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}
