//! What is done to calls on their way, one policy a file. Retries, time-outs and backoff happen here and nowhere else.

pub mod attempts;
pub mod balance;
pub mod breaker;
pub mod concurrency;
pub mod deadline;
pub mod drained;
pub mod endpoints;
pub mod outcome;
pub mod outlier;
pub mod retry;
pub mod settings;
pub mod shed;
