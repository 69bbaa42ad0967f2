//! The buffer between threads that log and the one that writes.
//!
//! A slow reader of standard error must not slow a call down. So lines are appended to a buffer under a lock that
//! is never held across a write: the writing thread swaps the full buffer for its empty one. Lines that do not fit
//! are dropped, counted, and told of once there is room.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A buffer that has grown beyond this many bytes is given back after it was written.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// Appends lines to be written by another thread. Cloning gives the same buffer.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    bytes_max: usize,
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// The thread has bytes that are not written yet.
    writing: bool,
    dropped: u64,
    /// How many of the dropped lines were told of.
    told: u64,
}

impl Writer {
    /// Starts the thread, which lives as long as the program. `dropped` makes the line that tells of dropped lines.
    pub(super) fn spawn(
        sink: impl Write + Send + 'static,
        bytes_max: usize,
        dropped: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { bytes_max, state: Mutex::default(), filled: Condvar::new(), written: Condvar::new() });
        let writer = Self(Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || shared.write_to(sink, dropped))?;
        Ok(writer)
    }

    /// Appends a line, or drops and counts it when the buffer is full.
    pub(super) fn append(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.buffer.len() + line.len() > self.0.bytes_max {
            state.dropped += 1;
            return;
        }
        let was_empty = state.buffer.is_empty();
        state.buffer.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.0.filled.notify_one();
        }
    }

    /// Waits until what was appended before is written, or for `at_most`.
    pub(super) fn flush(&self, at_most: Duration) {
        let waiting = |state: &mut State| state.writing || !state.buffer.is_empty();
        let state = self.0.lock();
        // Whether it was in time makes no difference to anybody.
        let _ = self.0.written.wait_timeout_while(state, at_most, waiting);
    }

    pub(super) fn lines_dropped(&self) -> u64 {
        self.0.lock().dropped
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut sink: impl Write, dropped: impl Fn(u64) -> String) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.lock();
            state.writing = false;
            self.written.notify_all();
            while state.buffer.is_empty() {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writing = true;
            std::mem::swap(&mut state.buffer, &mut lines);
            let untold = state.dropped - state.told;
            state.told = state.dropped;
            drop(state);
            if untold > 0 {
                lines.extend_from_slice(dropped(untold).as_bytes());
            }
            // There is nowhere to report that the log itself cannot be written.
            let _ = sink.write_all(&lines).and_then(|()| sink.flush());
            lines.clear();
            lines.shrink_to(KEPT_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes one write, after it was told to go on.
    struct Slow {
        go: mpsc::Receiver<()>,
        written: Arc<Mutex<String>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(io::Error::other)?;
            self.written.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_beyond_the_bound_are_dropped_counted_and_told_of() {
        let (go, wait) = mpsc::channel();
        let written = Arc::new(Mutex::new(String::new()));
        let sink = Slow { go: wait, written: Arc::clone(&written) };
        let writer = Writer::spawn(sink, 10, |lines| format!("dropped {lines}\n")).unwrap();
        writer.append(b"first\n");
        while !writer.0.lock().writing {
            std::thread::yield_now();
        }
        // The thread is in its first write, which does not end: the buffer takes ten bytes more.
        for line in ["a\n", "b\n", "too long\n", "c\n", "d\n", "e\n", "f\n"] {
            writer.append(line.as_bytes());
        }
        assert_eq!(writer.lines_dropped(), 2);
        writer.flush(Duration::from_millis(1));
        go.send(()).unwrap();
        go.send(()).unwrap();
        writer.flush(Duration::from_secs(60));
        assert_eq!(*written.lock().unwrap(), "first\na\nb\nc\nd\ne\ndropped 2\n");
        writer.append(b"g\n");
        go.send(()).unwrap();
        writer.flush(Duration::from_secs(60));
        assert!(written.lock().unwrap().ends_with("dropped 2\ng\n"));
    }
}
