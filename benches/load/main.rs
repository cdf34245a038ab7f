//! The load program: what the server costs, beside a floor that is measured in the same run.
//!
//! `cargo bench --bench load -- --help` lists the options; `docs/performance.md` says what each
//! number means. Everything runs on loopback, is bounded in time and count, and is stopped at the
//! end.

#![allow(unreachable_pub)] // a program, nothing of it is reachable

mod client;
mod cluster;
mod creating;
mod echo;
mod group_commit;
mod grpc;
mod measure;
mod milvus;
mod options;
mod population;
mod process;
mod resources;
mod table;
mod throughput;

use std::io;
use std::process::ExitCode;

use options::Options;
use table::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = if arguments
        .first()
        .is_some_and(|first| first == echo::ARGUMENT)
    {
        echo::serve()
    } else {
        match Options::parse(&arguments) {
            Ok(Some(options)) => run(&options),
            Ok(None) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            options::say(&format!("load: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    process::raise_file_limit()?;
    let mut table = Table::new();
    // One thread: the client is then the same for the server and for its floor, and leaves them the
    // other processors.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async {
        throughput::run(options, &mut table).await?;
        creating::run(options, &mut table).await?;
        group_commit::run(options, &mut table)?;
        milvus::run(options, &mut table).await?;
        cluster::run(options, &mut table).await?;
        resources::run(options, &mut table).await
    }))?;
    table.print_summary();
    Ok(())
}
