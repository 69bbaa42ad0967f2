//! The door between the module and its host, in three builds: lean (`hostel:service`), portable (`wasi:http`) and
//! native, where there is none.
//!
//! Each offers `send`, `spawn`, `log` and the type `Incoming`; the two real ones also `export`, for `serve!`.

#[cfg(all(target_family = "wasm", not(feature = "portable")))]
mod lean;
#[cfg(all(target_family = "wasm", not(feature = "portable")))]
pub use lean::spawn;
#[cfg(all(target_family = "wasm", not(feature = "portable")))]
pub(crate) use lean::*;

#[cfg(all(target_family = "wasm", feature = "portable"))]
mod portable;
#[cfg(all(target_family = "wasm", feature = "portable"))]
pub use portable::spawn;
#[cfg(all(target_family = "wasm", feature = "portable"))]
pub(crate) use portable::*;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub use native::spawn;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
