//! Trace context is part of the vocabulary of calls; here it is under the name that readers of logs look for.

pub use crate::call::{SpanId, TraceContext, TraceId};
