//! A writer whose callers never wait: lines go to a thread of their own that writes them.
//!
//! A terminal that somebody holds, or a slow disk, would else hold up every connection that logs.
//! When more lines come than can be written, the newest are dropped and their number is written in
//! their place.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written.
const LOG_QUEUE_LINES_MAX: usize = 4096;
/// How long a flush waits for a place in the queue and for what is before it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes a line for each call of [`Write::write`].
#[derive(Debug)]
pub(super) struct BackgroundWriter {
    queue: SyncSender<Message>,
    dropped: Arc<Dropped>,
}

/// Waits for the lines of a [`BackgroundWriter`], and tells how many were lost.
#[derive(Debug, Clone)]
pub(super) struct BackgroundWriterHandle {
    queue: SyncSender<Message>,
    dropped: Arc<Dropped>,
}

#[derive(Debug, Default)]
struct Dropped {
    total: AtomicU64,
    /// Not yet written about.
    unsaid: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// Starts the thread. `dropped_line` words a line about so many dropped ones.
pub(super) fn start(
    writer: Box<dyn Write + Send>,
    dropped_line: impl Fn(u64) -> String + Send + 'static,
) -> io::Result<(BackgroundWriter, BackgroundWriterHandle)> {
    let (queue, messages) = sync_channel(LOG_QUEUE_LINES_MAX);
    let dropped = Arc::new(Dropped::default());
    let of_thread = Arc::clone(&dropped);
    thread::Builder::new()
        .name(String::from("log"))
        .spawn(move || write_all(writer, &messages, &of_thread, dropped_line))?;
    let handle = BackgroundWriterHandle {
        queue: queue.clone(),
        dropped: Arc::clone(&dropped),
    };
    Ok((BackgroundWriter { queue, dropped }, handle))
}

impl Write for BackgroundWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.total.fetch_add(1, Ordering::Relaxed);
            self.dropped.unsaid.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    /// Does nothing: nobody waits here. See [`BackgroundWriterHandle::flush`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BackgroundWriterHandle {
    /// Waits until everything logged so far is written, for some seconds at most. Blocks.
    pub(super) fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        let queue = self.queue.clone();
        // The queue may be full and stay so; a thread that waits for ever hurts nobody at the end.
        let sent = thread::Builder::new().spawn(move || queue.send(Message::Flush(done)));
        if sent.is_ok() {
            let _ = is_done.recv_timeout(FLUSH_TIMEOUT);
        }
    }

    /// Lines that were dropped, ever.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.total.load(Ordering::Relaxed)
    }
}

fn write_all(
    mut writer: Box<dyn Write + Send>,
    messages: &Receiver<Message>,
    dropped: &Dropped,
    dropped_line: impl Fn(u64) -> String,
) {
    for message in messages {
        // There is nobody left to tell if the log itself fails.
        match message {
            Message::Line(line) => {
                let _ = writer.write_all(&line);
            }
            Message::Flush(done) => {
                let _ = writer.flush();
                let _ = done.send(());
            }
        }
        let unsaid = dropped.unsaid.swap(0, Ordering::Relaxed);
        if unsaid > 0 {
            let _ = writer.write_all(dropped_line(unsaid).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Lets one line pass for each message of the gate, and keeps it.
    struct Gate {
        lines: Arc<Mutex<Vec<String>>>,
        begun: Sender<()>,
        pass: Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            let _ = self.pass.recv();
            let text = String::from_utf8(line.to_vec()).unwrap();
            self.lines.lock().unwrap().push(text);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_what_is_lost_is_counted() {
        let lines = Arc::default();
        let (begun, has_begun) = channel();
        let (go, pass) = channel();
        let gate = Gate {
            lines: Arc::clone(&lines),
            begun,
            pass,
        };
        let (mut writer, handle) = start(Box::new(gate), |lost| format!("{lost} lost")).unwrap();
        writer.write_all(b"first").unwrap();
        has_begun.recv().unwrap(); // taken from the queue, and held up
        for number in 0..LOG_QUEUE_LINES_MAX + 3 {
            writer.write_all(number.to_string().as_bytes()).unwrap();
        }
        assert_eq!(handle.dropped(), 3);
        drop(go); // from now on everything passes
        handle.flush();
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), LOG_QUEUE_LINES_MAX + 2);
        assert_eq!(lines[..3], ["first", "3 lost", "0"]);
        assert_eq!(
            lines.last().unwrap(),
            &(LOG_QUEUE_LINES_MAX - 1).to_string()
        );
    }
}
