//! The integration tests: each starts real hosts, as processes, and talks to them over sockets.
//!
//! One file per topic. What they share is in `harness`, which knows how to start a host on free ports, how to put
//! modules in its folder, and how to wait: always for a condition, with a deadline, never for a time.
//!
//! What no test uses is an error. That is on purpose: every guest has a constant in `harness::guests`, so a guest that
//! no test runs fails the build.
#![deny(dead_code, reason = "a guest that no test claims must fail the build")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]
#![allow(unreachable_pub, reason = "nothing outside can reach into a test")]

mod harness;

mod bad_modules;
mod calls;
mod cli;
mod drop_in;
mod edge;
mod failure;
mod foreign;
mod grants;
mod interop;
mod isolation;
mod limits;
mod openapi;
mod operations;
mod platform;
mod policies;
mod remote;
mod restart;
mod routes;
mod shop;
mod state;
mod swap;
mod tidy;
mod transcode;
