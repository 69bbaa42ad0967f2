//! Why an instance came to its end.

use std::fmt;
use std::sync::Arc;

use crate::call::{CallError, ErrorKind, Side};

/// What ended an instance against its will. Cheap to clone: every call that was on the instance gets one.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind of end it was.
    pub cause: Cause,
    detail: Arc<str>,
}

/// The kinds of ends, as metrics and logs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The guest trapped, panicked or exited.
    Trap,
    /// One call used more CPU time than it may.
    Cpu,
    /// The guest trapped after it was refused memory.
    Memory,
    /// The instance could not be started.
    Start,
}

impl Cause {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Start => "start",
        }
    }
}

impl Failure {
    pub(super) fn new(cause: Cause, detail: impl Into<Arc<str>>) -> Self {
        Self { cause, detail: detail.into() }
    }

    /// What the engine says, on one line: the causes, and the function it happened in.
    pub(super) fn of(cause: Cause, error: &wasmtime::Error) -> Self {
        let mut parts: Vec<String> = Vec::new();
        for layer in error.chain().map(ToString::to_string) {
            // The engine's backtrace is a cause of its own, of many lines.
            let frame = layer.lines().find(|line| line.trim_start().starts_with("0:"));
            let part = match frame {
                Some(frame) => format!("in {}", frame.rsplit('!').next().unwrap_or(frame).trim()),
                None => layer.lines().map(str::trim).collect::<Vec<_>>().join(" "),
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        Self::new(cause, parts.join(": "))
    }

    /// What the engine said, for logs; may name the guest's functions.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The error for a call that was on the instance. The outcome of such a call is unknown, so it is not safe to
    /// send it again; unless the instance never started.
    pub(super) fn to_call_error(&self) -> CallError {
        let message = match self.cause {
            Cause::Trap => "the service failed while it handled the call",
            Cause::Cpu => "the service used more CPU time than a call may",
            Cause::Memory => "the service used more memory than it may",
            Cause::Start => "the service could not be started",
        };
        CallError::new(ErrorKind::Trap, Side::Callee, message).with_source(self.clone())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}
