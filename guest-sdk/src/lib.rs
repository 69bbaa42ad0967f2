//! Write services for Hostel in Rust.
//!
//! A service is an ordinary [`axum`] router, with ordinary [`tonic`] services in it if it speaks gRPC, compiled to
//! WebAssembly. [`serve!`] makes it a module; the host starts it, gives it a name, and routes calls to it.
//!
//! ```
//! use hostel_sdk::axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
//! use hostel_sdk::{config, kv, tracing};
//!
//! fn app() -> Router {
//!     Router::new().route("/greet/{name}", get(greet))
//! }
//!
//! hostel_sdk::serve!(app);
//!
//! async fn greet(Path(name): Path<String>) -> Result<Json<String>, StatusCode> {
//!     // Configuration comes from the manifest and the host's configuration file.
//!     let greeting = config::get("greeting").map_err(internal)?.unwrap_or_else(|| "hello".into());
//!     // Storage belongs to the service and outlives its instances.
//!     let times = kv::open("greetings").and_then(|greetings| greetings.increment(&name, 1)).map_err(internal)?;
//!     // Events become lines of the host's log.
//!     tracing::info!(%name, times, "greeted");
//!     Ok(Json(format!("{greeting} {name}, for the {times}. time")))
//! }
//!
//! fn internal(error: impl std::error::Error) -> StatusCode {
//!     tracing::error!("{error}");
//!     StatusCode::INTERNAL_SERVER_ERROR
//! }
//! ```
//!
//! The crate's type is `cdylib`; `hostel build` compiles it for the target `wasm32-wasip2`.
//!
//! # What is where
//!
//! | for | see |
//! |---|---|
//! | serving HTTP and gRPC | [`serve!`], [`grpc`](fn@grpc), [`CallInfo`] |
//! | calling other services | [`channel`](fn@channel) for gRPC, [`mod@http`] |
//! | state | [`kv`] |
//! | configuration | [`config`] |
//! | logs | [`tracing`]; panics are logged too, before the instance ends. INFO and above, or the level in the environment variable `RUST_LOG` |
//! | waiting, working on | [`sleep`], [`spawn`] |
//! | what goes into the module beside code | [`manifest!`], [`descriptors!`] |
//!
//! # Instances
//!
//! An instance has one thread and serves several calls at once, one of them at a time making progress: between two
//! `.await`s nothing else runs, and code that neither awaits nor returns holds up its neighbours until the host ends
//! it. Static variables and the router's state live as long as the instance. A panic ends the instance, and with it
//! the calls it was serving.
//!
//! There is no tokio runtime. What needs none works, such as `tokio::sync`; in place of `tokio::time::sleep` and
//! `tokio::spawn` there are [`sleep`] and [`spawn`], and sockets are the host's business.
//!
//! # Doors and features
//!
//! By default a module speaks `hostel:service`, in which a call with a body that is at hand crosses between host and
//! module in one piece; longer bodies stream, in both directions, each side at the other's pace. With the feature
//! `portable`, which `hostel build --portable` sets, the same source speaks `wasi:http` 0.3 and runs on other hosts as
//! well; there, logs go to standard error, and some of [`kv`] is missing.
//!
//! The feature `grpc`, on by default, is what needs tonic. The feature `allocator`, on by default, makes small
//! allocations cheap; without it a crate can bring a `#[global_allocator]` of its own.
//!
//! In native builds, as for `cargo test`, [`serve!`] does nothing and what needs a host returns an error that says so.
#![warn(missing_docs)]
#![deny(unsafe_code)]

#[cfg(target_family = "wasm")]
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, reason = "generated")]
#[doc(hidden)]
pub mod bindings;

#[cfg(any(all(target_family = "wasm", feature = "allocator"), test))]
mod alloc;
#[cfg(any(all(target_family = "wasm", not(feature = "portable")), test))]
mod batch;
mod body;
mod call_info;
#[cfg(feature = "grpc")]
mod channel;
pub mod config;
mod door;
mod error;
#[cfg(feature = "grpc")]
mod grpc;
pub mod http;
pub mod kv;
mod log;
mod macros;
#[cfg(target_family = "wasm")]
mod router;
#[cfg(target_family = "wasm")]
mod single_thread;
mod timeout;
mod timer;

pub use axum;
pub use body::Body;
pub use bytes;
pub use call_info::CallInfo;
#[cfg(feature = "grpc")]
pub use channel::{CallFuture, Channel, ChannelBody, channel};
pub use door::spawn;
pub use error::{BodyError, CallError, ErrorKind};
#[cfg(feature = "grpc")]
pub use grpc::grpc;
pub use timer::sleep;
#[cfg(feature = "grpc")]
pub use tonic;
pub use tracing;

/// What the macros need; no part of the API.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod __private {
    pub use crate::{bindings, door::export::*};
}
