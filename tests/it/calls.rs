//! Calls between modules, in one process: every kind of call, how they end, and what travels with them.

mod cancel;
mod context;
mod ends;
mod kinds;
mod pressure;
