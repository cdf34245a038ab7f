//! The `portcullis` program: arguments in, exit code out.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use portcullis::backup::{BackupError, back_up, restore};
use portcullis::config::{Config, Start};
use portcullis::net::Address;
use portcullis::secret::Secret;
use portcullis::server::{Server, StopHandle};
use portcullis::store::CatalogContent;
use portcullis::telemetry::events;
use portcullis::telemetry::logs::{self, Logs};
use tokio::signal::unix::{SignalKind, signal};

/// What a server that stops may take for its last commit and its last lines once the time for
/// connections is over.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    match Config::from_args(std::env::args_os(), std::env::vars_os()) {
        Ok(Start::Print(text)) => {
            // Whoever closed the pipe does not want the rest.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Start::Run(config)) => run(*config),
        Ok(Start::Backup(config)) => tell(back_up(&config), "Copied into", &config.folder),
        Ok(Start::Restore(config)) => tell(restore(&config), "Restored into", &config.db_path),
        Err(error) => fail(&error),
    }
}

fn run(config: Config) -> ExitCode {
    match logs::install(&config.log) {
        Ok(logs) => {
            let code = serve(config, &logs);
            logs.flush();
            code
        }
        Err(error) => fail(&error),
    }
}

fn serve(config: Config, logs: &Logs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = runtime.block_on(async {
        let quiet = config.log.quiet;
        let stop_limit = config.parameters.shutdown_timeout() + LAST_WORDS_LIMIT;
        let authorization = config.security.authorization;
        let mut terminate = match signal(SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => return fail(&error),
        };
        // Before anything can go wrong slowly: by default the signals would end the process.
        let mut hang_up = match signal(SignalKind::hangup()) {
            Ok(hang_up) => hang_up,
            Err(error) => return fail(&error),
        };
        let mut rotate = match signal(SignalKind::user_defined1()) {
            Ok(rotate) => rotate,
            Err(error) => return fail(&error),
        };
        let started = tokio::select! {
            started = Server::start(config, logs.clone(), show_milvus_root_password) => started,
            // What a start was about is as it is after a crash.
            reason = wait_for_signal(&mut terminate) => {
                events::server_stopping(reason);
                return ExitCode::SUCCESS;
            }
        };
        let server = match started {
            Ok(server) => server,
            Err(error) => return fail(&error),
        };
        if !quiet {
            greet(&server, authorization);
        }
        let audit = server.audit();
        tokio::spawn(async move {
            while rotate.recv().await.is_some() {
                audit.reopen().await;
            }
        });
        let certificates = server.certificate_handle();
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                certificates.rotate().await;
            }
        });
        let stop = server.stop_handle();
        let serving = tokio::spawn(server.run());
        let logs = logs.clone();
        tokio::spawn(async move {
            stop_when_told(stop, &mut terminate, stop_limit).await;
            logs.flush();
            std::process::exit(1);
        });
        match serving.await {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        }
    });
    // A read that nobody waits for any more may still be running; it holds nothing.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Stops the server on the first signal. Returns when it must end, whatever is under way.
async fn stop_when_told(
    stop: StopHandle,
    terminate: &mut tokio::signal::unix::Signal,
    limit: Duration,
) {
    let reason = wait_for_signal(terminate).await;
    events::server_stopping(reason);
    let stopping = async {
        stop.stop().await;
        // Neither may an audit log or a disk that takes nothing more keep the process.
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        () = stopping => {}
        // Whoever asks twice does not want to wait for what is under way.
        _ = wait_for_signal(terminate) => {}
    }
}

async fn wait_for_signal(terminate: &mut tokio::signal::unix::Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = tokio::signal::ctrl_c() => "SIGINT",
    }
}

/// Once, and also when nothing else is printed: it is kept nowhere.
fn show_milvus_root_password(password: &Secret<String>) {
    let mut output = std::io::stdout();
    let text = "\nMilvus user root is created with this password, shown only now: ";
    let _ = writeln!(output, "{text}{}", password.expose());
}

/// Tells a newcomer how to go on.
fn greet(server: &Server, authorization: bool) {
    let mut text = String::from("\nPortcullis is ready.\n");
    let tcp = server.addresses().iter().find_map(|address| match address {
        Address::Ip(address) => Some(address),
        Address::Unix(_) => None,
    });
    if let Some(address) = tcp {
        text += "  Connect:           mongosh mongodb://";
        text += &address.to_string();
        text += if server.requires_tls() {
            "/?tls=true\n"
        } else {
            "\n"
        };
    }
    if let Some(address) = server.milvus_addresses().first() {
        text += "  Milvus clients:    http://";
        text += &address.to_string();
        text += "\n";
    }
    if server.is_empty() {
        text += "  First user:        use admin\n                     \
                 db.createUser({user: \"admin\", pwd: passwordPrompt(), roles: [\"root\"]})\n";
        if authorization {
            text += "  Until then only this machine may connect to do that; afterwards everybody \
                     signs in:\n                     db.auth(\"admin\", passwordPrompt())\n";
        }
    }
    text += "  Stop:              Ctrl-C\n\n";
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// What came of a copy.
fn tell(copied: Result<CatalogContent, BackupError>, done: &str, folder: &Path) -> ExitCode {
    match copied {
        Ok(content) => {
            let CatalogContent {
                sequence,
                users,
                roles,
            } = content;
            let folder = folder.display();
            let _ = writeln!(
                std::io::stdout(),
                "{done} {folder}: {users} users and {roles} roles, as of commit {sequence}"
            );
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "portcullis: {error}");
    ExitCode::FAILURE
}
