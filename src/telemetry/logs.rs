//! Log lines: where they go, and the last ones for `getLog`.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::config::{LogConfig, LogDestination, LogFormat};

use super::background::{self, BackgroundWriterHandle};
use super::events::CONNECTION_TARGET;
use super::record::Record;
use super::timestamp::iso_8601;

/// Lines that `getLog` gives out.
const LOG_RING_LINES_MAX: usize = 1024;
/// Bytes of all lines that `getLog` gives out.
const LOG_RING_BYTES_MAX: usize = 1024 * 1024;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file cannot be opened.
    #[error("cannot open the log file {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread to write with.
    #[error("cannot start logging: {0}")]
    Thread(io::Error),
    /// Logs were installed before, in this process.
    #[error("logging is already installed")]
    Installed,
}

/// What `getLog` gives out.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    /// `getLog: "global"`: every line.
    pub global: Arc<LogRing>,
    /// `getLog: "startupWarnings"`: those that `mongosh` greets with.
    pub startup_warnings: Arc<LogRing>,
    /// What writes the lines, if it is not the thread that logs.
    writer: Option<BackgroundWriterHandle>,
}

impl Logs {
    /// Waits until everything logged so far is written, for some seconds at most. Blocks; for the
    /// end of the process.
    pub fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.flush();
        }
    }

    /// Lines that were not written because too many waited; `getLog` has them all the same.
    pub fn lines_dropped(&self) -> u64 {
        self.writer
            .as_ref()
            .map_or(0, BackgroundWriterHandle::dropped)
    }
}

/// The last lines that were logged, in mongod's JSON format, oldest first.
#[derive(Debug, Default)]
pub struct LogRing {
    state: Mutex<RingState>,
}

#[derive(Debug, Default)]
struct RingState {
    lines: VecDeque<String>,
    bytes: usize,
    total_lines_written: u64,
}

impl LogRing {
    /// The lines, at most 1024 and one MiB.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.state).lines.iter().cloned().collect()
    }

    /// The number of lines ever written.
    pub fn total_lines_written(&self) -> u64 {
        lock(&self.state).total_lines_written
    }

    fn push(&self, line: String) {
        let mut state = lock(&self.state);
        state.total_lines_written += 1;
        state.bytes += line.len();
        state.lines.push_back(line);
        while state.lines.len() > LOG_RING_LINES_MAX || state.bytes > LOG_RING_BYTES_MAX {
            let Some(oldest) = state.lines.pop_front() else {
                break;
            };
            state.bytes -= oldest.len();
        }
    }
}

/// Starts logging for the whole process.
pub fn install(config: &LogConfig) -> Result<Logs, LogError> {
    let format = config.format;
    let dropped_line = move |count| {
        let record = Record::of_dropped_lines(count);
        line(&record, format, &iso_8601(SystemTime::now()))
    };
    let (writer, handle) =
        background::start(open(&config.destination)?, dropped_line).map_err(LogError::Thread)?;
    let (subscriber, mut logs) = subscriber(config, Box::new(writer), SystemTime::now);
    logs.writer = Some(handle);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Installed)?;
    Ok(logs)
}

/// Opens the place that lines go to. A new file is for its owner only: lines name users.
pub(super) fn open(destination: &LogDestination) -> Result<Box<dyn Write + Send>, LogError> {
    let LogDestination::File { path, append } = destination else {
        return Ok(Box::new(io::stderr()));
    };
    let failed = |source| LogError::Open {
        path: path.clone(),
        source,
    };
    let mut options = OpenOptions::new();
    // Always in append mode, so that lines still go to the end after somebody empties the file.
    options.create(true).append(true).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    if !append {
        file.set_len(0).map_err(failed)?;
    }
    Ok(Box::new(file))
}

/// A subscriber that logs to `writer`, and what it will have logged.
pub fn subscriber(
    config: &LogConfig,
    writer: Box<dyn Write + Send>,
    clock: fn() -> SystemTime,
) -> (impl Subscriber + Send + Sync + use<>, Logs) {
    let logs = Logs::default();
    let layer = LogLayer {
        level: level(config.verbosity),
        quiet: config.quiet,
        format: config.format,
        writer: Mutex::new(writer),
        clock,
        logs: logs.clone(),
    };
    (tracing_subscriber::registry().with(layer), logs)
}

fn level(verbosity: u8) -> LevelFilter {
    match verbosity {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

struct LogLayer {
    level: LevelFilter,
    quiet: bool,
    format: LogFormat,
    writer: Mutex<Box<dyn Write + Send>>,
    clock: fn() -> SystemTime,
    logs: Logs,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let is_noise =
            self.quiet && metadata.target() == CONNECTION_TARGET && *metadata.level() > Level::WARN;
        *metadata.level() <= self.level && !is_noise
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = Record::new(event);
        let time = iso_8601((self.clock)());
        let line = line(&record, self.format, &time);
        let json = record.to_json(&time);
        // One call for each line: lines of several processes in one file do not mix. There is
        // nobody left to tell if the log itself fails.
        let _ = lock(&self.writer).write_all(line.as_bytes());
        if record.is_startup_warning {
            self.logs.startup_warnings.push(json.clone());
        }
        self.logs.global.push(json);
    }
}

fn line(record: &Record, format: LogFormat, time: &str) -> String {
    let mut line = match format {
        LogFormat::Text => record.to_text(time),
        LogFormat::Json => record.to_json(time),
    };
    line.push('\n');
    line
}

/// A panic elsewhere while logging leaves nothing that a later line would mind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
