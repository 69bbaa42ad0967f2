//! What guests say: log lines, and whatever they write to standard output and error.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::call::{ServiceName, TraceContext};
use crate::observe::limiter::{Admit, LineLimiter, truncate};
use crate::observe::metrics::ServiceMetrics;

/// What a guest may write to standard output at once, in bytes.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// The log of one version. All its instances share the limit on lines.
pub struct GuestLog {
    service: ServiceName,
    version: Arc<str>,
    /// `None` when the service may not log at all.
    lines: Option<LineLimiter>,
    line_bytes_max: usize,
    metrics: Arc<ServiceMetrics>,
}

impl GuestLog {
    /// A log that takes `lines_per_s_max` lines a second, and twice as many in a burst.
    pub fn new(
        service: ServiceName,
        version: Arc<str>,
        lines_per_s_max: u32,
        line_bytes_max: usize,
        metrics: Arc<ServiceMetrics>,
    ) -> Self {
        let burst = lines_per_s_max.saturating_mul(2);
        let lines = (lines_per_s_max > 0).then(|| LineLimiter::new(lines_per_s_max, burst, Instant::now()));
        Self { service, version, lines, line_bytes_max, metrics }
    }

    /// Writes one line, or counts it when there are too many. `source` says where in the guest it is from.
    pub fn write(&self, level: Level, source: &str, trace: Option<TraceContext>, line: &str) {
        self.emit(level, None, source, trace, line);
    }

    /// Writes a line that the guest holds to be worse than an error: one of level error, marked `critical`.
    pub fn write_critical(&self, source: &str, trace: Option<TraceContext>, line: &str) {
        self.emit(Level::ERROR, Some(true), source, trace, line);
    }

    fn emit(&self, level: Level, critical: Option<bool>, source: &str, trace: Option<TraceContext>, line: &str) {
        match self.lines.as_ref().map_or(Admit::No, |lines| lines.admit(Instant::now())) {
            Admit::No => {
                self.metrics.log_lines_dropped(1);
                return;
            }
            Admit::YesAfterDropping(dropped) => {
                tracing::warn!(
                    target: "hostel::guest",
                    service = %self.service, version = %self.version, dropped,
                    "log lines dropped: the service logs more than `log_lines_per_s_max` allows"
                );
            }
            Admit::Yes => {}
        }
        let line = truncate(line, self.line_bytes_max);
        let (service, version) = (&self.service, &self.version);
        // The level of an event has to be known when the host is compiled, so there is one event per level.
        macro_rules! event {
            ($level:ident) => {
                match trace {
                    Some(trace) => tracing::$level!(
                        target: "hostel::guest", %service, %version, source, critical,
                        trace_id = %trace.trace_id(), span_id = %trace.span_id(), "{line}"
                    ),
                    None => {
                        tracing::$level!(target: "hostel::guest", %service, %version, source, critical, "{line}");
                    }
                }
            };
        }
        match level {
            Level::TRACE => event!(trace),
            Level::DEBUG => event!(debug),
            Level::INFO => event!(info),
            Level::WARN => event!(warn),
            Level::ERROR => event!(error),
        }
    }
}

/// Standard output or error of one instance: lines become log lines.
#[derive(Clone)]
pub(super) struct Stdio {
    log: Arc<GuestLog>,
    source: &'static str,
    level: Level,
    partial: Arc<Mutex<Vec<u8>>>,
}

impl Stdio {
    pub(super) fn new(log: Arc<GuestLog>, source: &'static str, level: Level) -> Self {
        Self { log, source, level, partial: Arc::default() }
    }

    fn take(&self, bytes: &[u8]) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            // A line without an end must not grow without one; what is cut off is marked by `truncate`.
            let room = (self.log.line_bytes_max + 1).saturating_sub(partial.len());
            partial.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if pieces.peek().is_some() {
                self.emit(&mut partial);
            }
        }
    }

    fn emit(&self, partial: &mut Vec<u8>) {
        let line = String::from_utf8_lossy(partial);
        let line = line.trim_end_matches('\r');
        if !line.is_empty() {
            self.log.write(self.level, self.source, None, line);
        }
        partial.clear();
    }

    /// The instance is gone: what it left without a line end is a line too.
    pub(super) fn flush(&self) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        self.emit(&mut partial);
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stdio {
    async fn ready(&mut self) {}
}

impl OutputStream for Stdio {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
