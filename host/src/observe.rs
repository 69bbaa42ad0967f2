//! What the host tells the people who run it: logs, metrics, trace context and the access log.
//!
//! This module names nothing else of the crate, so that every layer above may use it. Nothing here waits for
//! an outside reader: log lines that find their queue full are counted and dropped, and a counter is an atomic
//! in a table that is read only when somebody asks for `/metrics`.

pub mod access;
pub mod limiter;
pub mod log;
pub mod metrics;
pub mod seldom;
pub mod trace;
