//! What is done to calls on their way, one policy a file. Retries, time-outs and backoff happen here and nowhere else.

pub mod deadline;
pub mod drained;
