//! Log lines of guests: `wasi:logging`.
//!
//! A line joins what the guest writes to standard output and error, under one limit, and carries the trace of the call
//! on which the guest works. The host adds who speaks; a guest cannot pass for another service.

use std::borrow::Cow;

use tracing::Level;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, WasmStr};

use crate::engine::{Capability, Guest, State, current_call};
use crate::observe::limiter::truncate;

/// The interface, as guests import it.
const LOGGING: &str = "wasi:logging/logging@0.1.0-draft";

/// Longest context of a line, in bytes; what is longer is cut.
const CONTEXT_BYTES_MAX: usize = 256;

/// How much a line matters to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "values come from guests, by way of the derived `Lift`")]
enum Severity {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

/// Lets guests log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logging;

impl Logging {
    /// The capability. It needs nothing: each version has its log already.
    pub fn new() -> Self {
        Self
    }
}

impl Capability for Logging {
    fn name(&self) -> &'static str {
        "logging"
    }

    fn link(&self, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        linker.instance(LOGGING)?.func_wrap("log", log)
    }

    fn prepare(&self, _guest: &Guest, _state: &mut State) {}
}

/// `wasi:logging/logging.log`. The texts are read where they lie, since all but the first few bytes of a line may be
/// thrown away.
fn log(
    mut store: StoreContextMut<'_, State>,
    (severity, context, message): (Severity, WasmStr, WasmStr),
) -> wasmtime::Result<()> {
    let trace = current_call(&mut store).map(|call| call.context().trace);
    let log = store.data().log().clone();
    let (context, message) = (context.to_str(&store)?, message.to_str(&store)?);
    let source = source(&context);
    match severity.level() {
        Some(level) => log.write(level, &source, trace, &message),
        None => log.write_critical(&source, trace, &message),
    }
    Ok(())
}

impl Severity {
    /// The host's word for it; it has none for what is worse than an error.
    fn level(self) -> Option<Level> {
        match self {
            Self::Trace => Some(Level::TRACE),
            Self::Debug => Some(Level::DEBUG),
            Self::Info => Some(Level::INFO),
            Self::Warn => Some(Level::WARN),
            Self::Error => Some(Level::ERROR),
            Self::Critical => None,
        }
    }
}

/// What is shown as a line's source. Control characters are left to the log's formats, which escape them.
fn source(context: &str) -> Cow<'_, str> {
    match context.trim() {
        "" => Cow::Borrowed("log"),
        context => truncate(context, CONTEXT_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_critical_has_no_level_of_the_hosts() {
        assert_eq!(Severity::Trace.level(), Some(Level::TRACE));
        assert_eq!(Severity::Error.level(), Some(Level::ERROR));
        assert_eq!(Severity::Critical.level(), None);
    }

    #[test]
    fn the_import_has_the_type_of_the_interface() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        Logging::new().link(&mut linker).unwrap();
        let guest = r#"(component
            (import "wasi:logging/logging@0.1.0-draft" (instance
                (type $enum (enum "trace" "debug" "info" "warn" "error" "critical"))
                (export "level" (type $level (eq $enum)))
                (export "log" (func (param "level" $level) (param "context" string) (param "message" string))))))"#;
        let guest = wasmtime::component::Component::new(&engine, wat::parse_str(guest).unwrap()).unwrap();
        linker.instantiate_pre(&guest).map(drop).unwrap();
    }

    #[test]
    fn a_context_is_named_and_bounded() {
        assert_eq!(source("orders::checkout"), "orders::checkout");
        assert_eq!(source("  \n"), "log");
        let long = source(&"x".repeat(10_000)).into_owned();
        assert!(long.starts_with(&"x".repeat(CONTEXT_BYTES_MAX)), "{long}");
        assert!(long.len() < CONTEXT_BYTES_MAX + 32, "{long}");
    }
}
