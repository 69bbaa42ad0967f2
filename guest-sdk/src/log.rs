//! Logs: `tracing` events and panics become lines of the host's log.
//!
//! Lines of level INFO and above are sent, or of the level the environment variable `RUST_LOG` names (one of `off`,
//! `error`, `warn`, `info`, `debug`, `trace`).

mod fields;
mod spans;

use std::{panic::PanicHookInfo, sync::Mutex};

use tracing_core::{
    Event, Interest, LevelFilter, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use self::{fields::Fields, spans::Spans};
use crate::door;

/// How much a line matters, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    #[cfg_attr(
        not(target_family = "wasm"),
        allow(dead_code, reason = "for panics, which native builds report themselves")
    )]
    Critical,
}

impl From<&tracing_core::Level> for Level {
    fn from(level: &tracing_core::Level) -> Self {
        match *level {
            tracing_core::Level::TRACE => Self::Trace,
            tracing_core::Level::DEBUG => Self::Debug,
            tracing_core::Level::INFO => Self::Info,
            tracing_core::Level::WARN => Self::Warn,
            tracing_core::Level::ERROR => Self::Error,
        }
    }
}

/// Sends events and panics to the host from now on. An application that installed a subscriber of its own keeps it.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "native tests bring their own subscriber"))]
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| door::log(Level::Critical, "panic", &panic_message(panic))));
    let filter = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let logger = Logger { filter, spans: Mutex::default(), emit: door::log };
    let _ = tracing_core::dispatcher::set_global_default(tracing_core::Dispatch::new(logger));
}

/// The last words of an instance: a panic traps, since guests cannot unwind.
fn panic_message(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("(a value that is not text)");
    match panic.location() {
        Some(location) => format!("panicked at {location}: {message}"),
        None => format!("panicked: {message}"),
    }
}

/// A subscriber that makes one line of each event: the message, its fields, and the fields of the spans around it.
struct Logger<F> {
    filter: LevelFilter,
    spans: Mutex<Spans>,
    emit: F,
}

impl<F> Logger<F> {
    /// What a panicking thread held is still in order: every change is a single step.
    fn spans(&self) -> std::sync::MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<F> Subscriber for Logger<F>
where
    F: Fn(Level, &str, &str) + Send + Sync + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.filter
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        // Formatting runs the application's code, which may log: never under the lock.
        let mut fields = Fields::default();
        span.record(&mut fields);
        let mut spans = self.spans();
        let parent = if span.is_contextual() { spans.current() } else { span.parent().cloned() };
        spans.insert(fields.into_pairs(), parent)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.spans().append(span, &fields.into_pairs());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = fields.into_line();
        {
            let spans = self.spans();
            let around = if event.is_contextual() { spans.current() } else { event.parent().cloned() };
            spans.write(around, &mut line);
        }
        (self.emit)(metadata.level().into(), metadata.target(), &line);
    }

    fn enter(&self, span: &Id) {
        self.spans().enter(span);
    }

    fn exit(&self, span: &Id) {
        self.spans().exit(span);
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.spans().retain(span);
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        self.spans().release(&span)
    }
}

#[cfg(test)]
mod tests;
