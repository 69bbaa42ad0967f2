//! What the services of the example shop share.
//!
//! Nothing here knows what is sold. A service brings its own records and rules; this crate brings the ways in and out:
//! problem documents, checked request bodies, tokens, ids, time, and a store that a native test can replace.
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "in a test a panic is a failure"
    )
)]

pub mod admin;
pub mod app;
pub mod bearer;
pub mod caller;
pub mod clock;
pub mod extract;
pub mod id;
pub mod identity;
pub mod problem;
pub mod settings;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
